"""What can be wrong with bytes that should be a recording.

Every error is permanent: the same bytes fail again. The message is one line.

::

    AudioError
    ├── NotAudio
    │   ├── EmptyFile           not a single byte
    │   ├── TextFile            HTML, JSON, XML or other text
    │   ├── ForeignFile         a picture, a document, an archive, a program
    │   └── UnknownFormat       bytes without a known signature
    ├── LimitExceeded
    │   ├── TooManyBytes
    │   ├── TooLong
    │   ├── TooManyChannels
    │   └── UnsupportedRate
    └── DamagedAudio
        ├── Undecodable         no decoder makes sense of it
        ├── NoAudioStream       a container without a sound track
        ├── NoSamples           a valid file of length zero
        ├── NotFinite           NaN or infinite samples
        └── Incomplete          less sound than the file promises
"""


class AudioError(Exception):
    """Bytes that cannot be made into a waveform."""


class NotAudio(AudioError):
    """The bytes are something else than a recording."""


class EmptyFile(NotAudio):
    """The file has no bytes."""


class TextFile(NotAudio):
    """The file is text, often an error page saved under an audio name."""


class ForeignFile(NotAudio):
    """The file is of another well-known type."""


class UnknownFormat(NotAudio):
    """The file begins like no audio format that is accepted."""


class LimitExceeded(AudioError):
    """The recording is beyond a limit; it was not decoded further."""


class TooManyBytes(LimitExceeded):
    """The file is larger than ``AudioLimits.max_bytes``."""


class TooLong(LimitExceeded):
    """The recording is longer than ``AudioLimits.max_seconds``."""


class TooManyChannels(LimitExceeded):
    """The recording has more than ``MAX_CHANNELS`` channels."""


class UnsupportedRate(LimitExceeded):
    """The sample rate is outside ``MIN_RATE_HZ`` to ``MAX_RATE_HZ``."""


class DamagedAudio(AudioError):
    """The file is a recording, but a broken one."""


class Undecodable(DamagedAudio):
    """No decoder could read the file."""


class NoAudioStream(DamagedAudio):
    """The container holds no sound track."""


class NoSamples(DamagedAudio):
    """The recording is valid and has length zero."""


class NotFinite(DamagedAudio):
    """The recording holds NaN or infinite samples."""


class Incomplete(DamagedAudio):
    """The file holds less sound than it promises: it was cut off."""
