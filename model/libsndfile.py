"""Decode with libsndfile: wav, flac, ogg, mp3, aiff, au, caf."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import soundfile

from model.audio_errors import Undecodable
from model.containers import Container
from model.stream import BLOCK_FRAMES, Stream
from model.waveform import FloatArray

#: libsndfile's count of frames where the header has none (SF_COUNT_MAX).
_UNKNOWN_FRAMES = 2**62


class _ForwardFile(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read from start to end.

    soundfile seeks to where it already is after every read, upon which the MP3
    decoder starts anew and rounds differently.
    """

    def seekable(self) -> bool:
        return False


@contextmanager
def open_libsndfile(data: bytes, container: Container) -> Iterator[Stream]:
    """Open `data` as a stream of blocks.

    Raises
    ------
    Undecodable
        On opening or, while blocks are read, on damage that ends the decoding.
    """
    try:
        file = _ForwardFile(BytesIO(data))
    except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
        raise _undecodable(container, error) from None
    with file:
        known = 0 < file.frames < _UNKNOWN_FRAMES
        yield Stream(
            rate=file.samplerate,
            channels=file.channels,
            codec=f"{container.name}/{file.subtype.lower()}",
            declared_seconds=file.frames / file.samplerate if known else None,
            blocks=_blocks(file, container),
        )


def _blocks(file: soundfile.SoundFile, container: Container) -> Iterator[FloatArray]:
    frames = BLOCK_FRAMES
    while frames == BLOCK_FRAMES:
        try:
            block = file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise _undecodable(container, error) from None
        frames = len(block)
        if frames:
            yield block


def _undecodable(container: Container, error: Exception) -> Undecodable:
    cause = str(getattr(error, "error_string", error)).strip().rstrip(".")
    return Undecodable(f"{container.name} cannot be decoded: {cause}")
