"""Decode a recording: bytes in, mono float32 at 16 kHz out.

libsndfile comes first where it knows the container, FFmpeg for the rest; each
is the other's fallback. Everything that can be refused is refused before samples
are decoded, and blocks are down-mixed and resampled as they come: memory is
bounded by ``AudioLimits.max_seconds``, not by what the file claims.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from model.audio_errors import (
    AudioError,
    NoSamples,
    NotFinite,
    TooLong,
    TooManyBytes,
    TooManyChannels,
    Undecodable,
    UnsupportedRate,
)
from model.completeness import check_bytes, check_duration
from model.containers import Container, identify
from model.ffmpeg import open_ffmpeg
from model.libsndfile import open_libsndfile
from model.stream import Stream
from model.waveform import (
    SAMPLE_RATE,
    FloatArray,
    downmix,
    fitted,
    resampled,
    resampled_length,
)

__all__ = ["SAMPLE_RATE", "AudioError", "AudioInfo", "AudioLimits", "decode"]

MAX_CHANNELS = 8
#: Hertz; the lowest and the highest rate of a recording.
MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 192_000

_Decoder = Callable[[bytes, Container], AbstractContextManager[Stream]]


@dataclass(frozen=True, slots=True)
class AudioLimits:
    """What is too much for one recording.

    Attributes
    ----------
    max_bytes
        Size of the file.
    max_seconds
        Duration of the sound.
    """

    max_bytes: int = 64 * 1024 * 1024
    max_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """Facts about the file that was decoded.

    Attributes
    ----------
    duration_seconds
        Of the decoded sound.
    sample_rate
        Of the file, in hertz.
    channels
        Of the file.
    codec
        ``container/codec``, such as ``wav/pcm_16``.
    """

    duration_seconds: float
    sample_rate: int
    channels: int
    codec: str


_DEFAULT_LIMITS = AudioLimits()


def decode(
    data: bytes, limits: AudioLimits = _DEFAULT_LIMITS
) -> tuple[FloatArray, AudioInfo]:
    """Decode a recording of any accepted format.

    Parameters
    ----------
    data : bytes
        The whole file.
    limits : AudioLimits

    Returns
    -------
    y : array, shape (n,), float32
        Mono at ``SAMPLE_RATE``; equal to ``librosa.load(sr=16000)`` to the bit
        for wav, mp3, ogg and flac.
    info : AudioInfo

    Raises
    ------
    AudioError
        One of the types in :mod:`model.audio_errors`.
    """
    if len(data) > limits.max_bytes:
        raise TooManyBytes(
            f"too large: {len(data)} bytes, at most {limits.max_bytes} are accepted"
        )
    container = identify(data)
    check_bytes(data, container)
    first, second = _decoders(container)
    try:
        return _decode_with(first, data, container, limits)
    except (Undecodable, NoSamples) as error:
        # A recorder that crashed wrote a length of zero; FFmpeg reads on to the end.
        refusal: AudioError = error
    try:
        return _decode_with(second, data, container, limits)
    except Undecodable:
        raise refusal from None


def _decoders(container: Container) -> tuple[_Decoder, _Decoder]:
    if container.libsndfile:
        return open_libsndfile, open_ffmpeg
    return open_ffmpeg, open_libsndfile


def _decode_with(
    decoder: _Decoder, data: bytes, container: Container, limits: AudioLimits
) -> tuple[FloatArray, AudioInfo]:
    with decoder(data, container) as stream:
        _check_format(stream, limits)
        counted = _Counted(stream, limits)
        parts = list(resampled(iter(counted), stream.rate))
    frames = counted.frames
    if not frames:
        raise NoSamples("the recording has no samples")
    seconds = frames / stream.rate
    check_duration(stream.declared_seconds, seconds)
    y = parts[0] if len(parts) == 1 else np.concatenate(parts)
    y = fitted(y, resampled_length(frames, stream.rate))
    return y, AudioInfo(seconds, stream.rate, stream.channels, stream.codec)


def _check_format(stream: Stream, limits: AudioLimits) -> None:
    if not 1 <= stream.channels <= MAX_CHANNELS:
        raise TooManyChannels(
            f"{stream.channels} channels, at most {MAX_CHANNELS} are accepted"
        )
    if not MIN_RATE_HZ <= stream.rate <= MAX_RATE_HZ:
        raise UnsupportedRate(
            f"sample rate {stream.rate} Hz, {MIN_RATE_HZ} to {MAX_RATE_HZ} are accepted"
        )
    if (stream.declared_seconds or 0.0) > limits.max_seconds:
        raise _too_long(limits)


class _Counted:
    """Mono blocks of a stream, counted and checked as they pass."""

    def __init__(self, stream: Stream, limits: AudioLimits) -> None:
        self._stream = stream
        self._limits = limits
        self.frames = 0

    def __iter__(self) -> Iterator[FloatArray]:
        most = self._limits.max_seconds * self._stream.rate
        for block in self._stream.blocks:
            self.frames += len(block)
            if self.frames > most:
                raise _too_long(self._limits)
            mono = downmix(block)
            if not np.isfinite(mono).all():
                raise NotFinite("the recording holds NaN or infinite samples")
            yield mono


def _too_long(limits: AudioLimits) -> TooLong:
    return TooLong(f"too long: more than {limits.max_seconds:g} s")
