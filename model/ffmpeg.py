"""Decode with FFmpeg through PyAV: what phones send.

m4a/AAC, 3gp/AMR, webm/Opus, wma, and whatever libsndfile could not read. FFmpeg
sees bytes only: the demuxer is fixed by the caller, every protocol is forbidden,
and one thread decodes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import chain
from typing import Any

import numpy as np

from model.audio_errors import NoAudioStream, NoSamples, Undecodable
from model.completeness import check_duration
from model.containers import Container
from model.stream import BLOCK_FRAMES, Stream
from model.waveform import FloatArray

#: An empty whitelist would mean "all"; no protocol has this name.
_NO_PROTOCOL = {"protocol_whitelist": "none"}

#: FFmpeg's sample formats: type, full scale, value of silence.
_FORMATS: dict[str, tuple[type[np.number[Any]], float, float]] = {
    "u8": (np.uint8, 2.0**7, 2.0**7),
    "s16": (np.int16, 2.0**15, 0.0),
    "s32": (np.int32, 2.0**31, 0.0),
    "flt": (np.float32, 1.0, 0.0),
    "dbl": (np.float64, 1.0, 0.0),
}


@contextmanager
def open_ffmpeg(data: bytes, container: Container) -> Iterator[Stream]:
    """Open the first sound track of `data` as a stream of blocks.

    Raises
    ------
    NoAudioStream
        The container holds no sound track.
    NoSamples, Incomplete
        The track holds no frame, as it promises or although it promises some.
    Undecodable
        On opening or while blocks are read.
    """
    import av  # costs 50 ms and 20 MB, and most recordings do without

    try:
        file = av.open(
            BytesIO(data), format=container.demuxer, options=dict(_NO_PROTOCOL)
        )
    except (av.FFmpegError, ValueError) as error:
        raise _undecodable(container, error) from None
    with file:
        yield _stream(file, container)


def _stream(file: Any, container: Container) -> Stream:
    if not file.streams.audio:
        raise NoAudioStream(f"the {container.name} file has no sound track")
    track = file.streams.audio[0]
    if track.codec_context is None:
        raise Undecodable(f"{container.name} cannot be decoded: unknown codec")
    track.codec_context.thread_count = 1
    frames = _frames(file, track, container)
    first = next(frames, None)
    declared = _declared_seconds(file, track, container)
    if first is None:
        check_duration(declared, 0.0)
        raise NoSamples("the recording has no samples")
    return Stream(
        rate=first.sample_rate,
        channels=first.layout.nb_channels,
        codec=f"{container.name}/{track.codec_context.name}",
        declared_seconds=declared,
        blocks=_blocks(chain([first], frames), container),
    )


def _declared_seconds(file: Any, track: Any, container: Container) -> float | None:
    if not container.declares_duration:
        return None
    if track.duration is not None:
        return float(track.duration * track.time_base)
    return None if file.duration is None else file.duration / 1e6


def _frames(file: Any, track: Any, container: Container) -> Iterator[Any]:
    """Decode packet by packet; one that is damaged is left out, as players do."""
    import av

    damaged: Exception | None = None
    decoded = 0
    try:
        for packet in file.demux(track):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError as error:
                damaged = error
                continue
            decoded += len(frames)
            yield from frames
    except (av.FFmpegError, ValueError) as error:
        damaged = error
    if damaged is not None and not decoded:
        raise _undecodable(container, damaged)


def _blocks(frames: Iterator[Any], container: Container) -> Iterator[FloatArray]:
    held: list[FloatArray] = []
    count = 0
    shape: tuple[int, int] | None = None
    for frame in frames:
        layout = (frame.sample_rate, frame.layout.nb_channels)
        if shape not in (None, layout):
            raise Undecodable(f"{container.name} changes its rate or channels midway")
        shape = layout
        if frame.format.name.removesuffix("p") not in _FORMATS:
            raise Undecodable(f"{container.name} has samples of an unknown format")
        for samples in _samples(frame):
            held.append(samples)
            count += len(samples)
            if count >= BLOCK_FRAMES:
                yield np.concatenate(held)
                held, count = [], 0
    if held:
        yield np.concatenate(held)


def _samples(frame: Any) -> Iterator[FloatArray]:
    """Convert a frame to arrays of shape (n, channels) of full scale 1.

    A frame of compressed sound is short, but one of PCM may be as long as the file.
    """
    kind, scale, silence = _FORMATS[frame.format.name.removesuffix("p")]
    # PyAV's own to_ndarray takes three times as long.
    planes = [np.frombuffer(plane, kind) for plane in frame.planes]
    width = 1 if frame.format.is_planar else frame.layout.nb_channels
    rows = [plane[: frame.samples * width].reshape(-1, width) for plane in planes]
    for start in range(0, frame.samples, BLOCK_FRAMES):
        parts = [plane[start : start + BLOCK_FRAMES] for plane in rows]
        samples = np.concatenate(parts, axis=1).astype(np.float32, copy=False)
        if scale != 1.0:
            samples = (samples - np.float32(silence)) / np.float32(scale)
        yield samples


def _undecodable(container: Container, error: Exception) -> Undecodable:
    cause = getattr(error, "strerror", None) or str(error)
    return Undecodable(f"{container.name} cannot be decoded: {cause}")
