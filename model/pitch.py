"""Weights that turn a power spectrum into an autocorrelation at the pitch lags.

The autocorrelation is the cosine transform of the power spectrum
(Wiener-Khinchin); divided by that of the window it estimates how periodic the
frame is (Boersma 1993, "Accurate short-term analysis of the fundamental
frequency"). Only the spectrum below 2.5 kHz takes part: higher harmonics say
little about the pitch of a telephone voice and their noise hides it.
"""

import numpy as np
import numpy.typing as npt

from model.filters import FRAME, hann
from model.waveform import SAMPLE_RATE, FloatArray

#: Bins that take part: up to 2.5 kHz.
PITCH_BINS = 80
#: Samples; from 444 Hz, a young child's voice, down to 80 Hz, a man's. Every second
#: lag will do: below 2.5 kHz nothing changes faster.
LAGS = np.arange(36, 202, 2)
#: A period of twice the length fits a periodic frame as well: the shorter is preferred
#: unless the longer fits better by 3 % an octave.
PREFERENCE: FloatArray = (1 - 0.03 * np.log2(LAGS / LAGS[0])).astype(np.float32)
PITCHES_HZ: FloatArray = (SAMPLE_RATE / LAGS).astype(np.float32)


def lag_weights() -> FloatArray:
    """Weights from power to normalised autocorrelation, shape (PITCH_BINS, lags)."""
    bins = np.arange(PITCH_BINS)[:, None]
    cosines = np.cos(2 * np.pi * bins * LAGS[None, :] / FRAME)
    return np.asarray(cosines / _window_correlation()[None, :], np.float32)


def _window_correlation() -> npt.NDArray[np.float64]:
    window = hann().astype(np.float64)
    full = [float(window[: FRAME - lag] @ window[lag:]) for lag in LAGS]
    return np.asarray(full) / float(window @ window)
