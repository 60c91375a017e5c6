"""The fixed weights of the spectral analysis, written out in NumPy.

Mel bands are those of Slaney's Auditory Toolbox (1998) and the cosine transform
is the orthonormal type II, as ``librosa.filters.mel`` and ``librosa.feature.mfcc``
define them; neither library is imported, since both cost more to import than a
recording costs to judge.
"""

import numpy as np
import numpy.typing as npt

from model.waveform import SAMPLE_RATE, FloatArray

FRAME = 512
HOP = 256
BINS = FRAME // 2 + 1
MEL_BANDS = 40
CEPSTRA = 13

#: Hertz per bin.
BIN_HZ = SAMPLE_RATE / FRAME
FREQUENCIES: FloatArray = np.arange(BINS, dtype=np.float32) * np.float32(BIN_HZ)

#: Slaney's scale: linear below 1 kHz, logarithmic above.
_LINEAR_HZ_PER_MEL = 200.0 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def hann(length: int = FRAME) -> FloatArray:
    """Periodic Hann window."""
    phase = 2 * np.pi * np.arange(length) / length
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)


def mel_weights(bands: int = MEL_BANDS) -> FloatArray:
    """Triangular filters of equal area.

    Returns
    -------
    array, shape (BINS, bands)
        ``librosa.filters.mel(sr=16000, n_fft=512, n_mels=bands).T``.
    """
    top = _hz_to_mel(SAMPLE_RATE / 2)
    edges = _mel_to_hz(np.linspace(0.0, top, bands + 2))
    widths = np.diff(edges)
    ramps = edges[:, None] - np.linspace(0, SAMPLE_RATE / 2, BINS)[None, :]
    lower = -ramps[:-2] / widths[:-1, None]
    upper = ramps[2:] / widths[1:, None]
    weights = np.maximum(0, np.minimum(lower, upper))
    weights *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return np.ascontiguousarray(weights.T, dtype=np.float32)


def cosine_weights(bands: int = MEL_BANDS, count: int = CEPSTRA) -> FloatArray:
    """Orthonormal cosine transform of type II, shape (bands, count)."""
    angles = np.pi / bands * (np.arange(bands)[:, None] + 0.5) * np.arange(count)
    weights = np.cos(angles) * np.sqrt(2.0 / bands)
    weights[:, 0] *= np.sqrt(0.5)
    return np.asarray(weights, np.float32)


def _hz_to_mel(hertz: float) -> float:
    if hertz < _BREAK_HZ:
        return hertz / _LINEAR_HZ_PER_MEL
    return float(_BREAK_MEL + np.log(hertz / _BREAK_HZ) / _LOG_STEP)


def _mel_to_hz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    linear = mels * _LINEAR_HZ_PER_MEL
    exponential = _BREAK_HZ * np.exp(_LOG_STEP * (mels - _BREAK_MEL))
    return np.where(mels < _BREAK_MEL, linear, exponential)
