"""What a decoder gives: a few facts and the sound in blocks."""

from collections.abc import Iterator
from dataclasses import dataclass

from model.waveform import FloatArray

#: Frames in a block: large enough to cost nothing, small enough to bound memory.
BLOCK_FRAMES = 65_536


@dataclass(frozen=True, slots=True)
class Stream:
    """One sound track, opened.

    Attributes
    ----------
    rate
        Samples per second of the file.
    channels
        Number of channels.
    codec
        ``container/codec``, such as ``wav/pcm_16`` or ``m4a/aac``.
    declared_seconds
        Duration according to the header, None where it does not say.
    blocks
        Arrays of shape (n, channels); to be read once, in order.
    """

    rate: int
    channels: int
    codec: str
    declared_seconds: float | None
    blocks: Iterator[FloatArray]
