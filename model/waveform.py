"""From decoded blocks of any rate and layout to one mono waveform at 16 kHz.

The order of operations is that of ``librosa.load(sr=16000)``: mean over the
channels in float32, then soxr HQ, then the length ``ceil(n * 16000 / rate)``.
The results agree with librosa to the bit, but nothing is ever held whole at the
rate of the file, so memory is bounded by the output.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import soxr

FloatArray = npt.NDArray[np.float32]

#: Hertz; the rate at which every recording is judged.
SAMPLE_RATE = 16_000

#: From this many values on NumPy's mean sums in pairs instead of from left to right.
_PAIRWISE_FROM = 8


def downmix(block: FloatArray) -> FloatArray:
    """Average the channels of a block.

    Parameters
    ----------
    block : array, shape (n, channels)

    Returns
    -------
    array, shape (n,)
        Bit for bit ``np.mean(block.T, axis=0)``, whose inner loop over the
        channels costs twenty times as much.
    """
    channels = block.shape[1]
    if channels >= _PAIRWISE_FROM:
        return np.asarray(np.mean(block.T, axis=0))
    mono = block[:, 0] if channels == 1 else block[:, 0] + block[:, 1]
    for channel in range(2, channels):
        mono += block[:, channel]
    return mono if channels == 1 else mono / np.float32(channels)


def resampled(blocks: Iterable[FloatArray], rate: int) -> Iterator[FloatArray]:
    """Convert mono blocks of `rate` hertz to blocks of ``SAMPLE_RATE``."""
    if rate == SAMPLE_RATE:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block))
    yield stream.resample_chunk(np.empty(0, np.float32), last=True)


def resampled_length(frames: int, rate: int) -> int:
    """Length at ``SAMPLE_RATE`` of `frames` samples at `rate` (librosa's rule)."""
    return int(np.ceil(frames * (SAMPLE_RATE / rate)))


def fitted(y: FloatArray, length: int) -> FloatArray:
    """Cut or zero-pad `y` to exactly `length` samples."""
    return y[:length] if len(y) >= length else np.pad(y, (0, length - len(y)))
