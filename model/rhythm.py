"""Features of change: how fast the sound moves, and how regularly."""

import numpy as np

from model.activity import FRAMES_PER_SECOND, Activity
from model.waveform import FloatArray

#: Hertz; edges of the modulation bands. Syllables come 2 to 8 times a second.
_EDGES_HZ = (0.4, 1.0, 2.0, 4.0, 8.0, 16.0, 25.0)
#: Frames between two spectra whose likeness is a feature: 16 to 256 ms.
_LAGS = (1, 2, 4, 8, 16)
#: Mel bands averaged into one envelope for the modulation spectrum.
_BANDS_PER_ENVELOPE = 5


def measure_rhythm(bands: FloatArray, activity: Activity) -> dict[str, float]:
    """Measure change over time in the mel bands.

    Parameters
    ----------
    bands : array, shape (n, MEL_BANDS)
        Decibels.
    activity : Activity
    """
    return {**_modulation(bands), **_flux(bands, activity), **_likeness(bands)}


def _modulation(bands: FloatArray) -> dict[str, float]:
    """Shares of the modulation spectrum of the band envelopes."""
    envelopes = bands.reshape(len(bands), -1, _BANDS_PER_ENVELOPE).mean(axis=2)
    envelopes = envelopes - envelopes.mean(axis=0)
    size = max(256, 1 << (len(envelopes) - 1).bit_length())
    power = (np.abs(np.fft.rfft(envelopes.T, size)) ** 2).sum(axis=0)
    hertz = np.arange(len(power)) * (FRAMES_PER_SECOND / size)
    edges = np.searchsorted(hertz, _EDGES_HZ)
    parts = np.add.reduceat(power, edges)[:-1]
    total = float(parts.sum()) + 1e-6
    named = {
        f"modulation_{_EDGES_HZ[i]:g}_hz": float(np.log10(parts[i] / total + 1e-4))
        for i in range(len(parts))
    }
    syllables = float(parts[2] + parts[3]) / total
    inside = power[edges[0] : edges[-1]]
    peak = float(inside.max() / (inside.mean() + 1e-6))
    return named | {"syllable_share": syllables, "beat_log": float(np.log10(peak + 1))}


def _flux(bands: FloatArray, activity: Activity) -> dict[str, float]:
    steps = np.diff(bands, axis=0, prepend=bands[:1])
    # Products with a vector are sums in a fraction of the time of NumPy's own.
    average = np.full(steps.shape[1], 1 / steps.shape[1], np.float32)
    size = np.abs(steps) @ average
    rise = (size + steps @ average) / np.float32(2)
    active = activity.active
    flat = steps.ravel()
    variance = float(flat @ flat) / len(flat) + 1.0
    return {
        "flux_mean": float(size.mean()),
        "flux_active": float(size[active].mean()),
        "flux_spread": float(size.std()),
        "flux_rise_share": float(rise[active].mean() / (size[active].mean() + 1e-3)),
        "flux_skew": float((flat * flat) @ flat) / len(flat) / variance**1.5,
    }


def _likeness(bands: FloatArray) -> dict[str, float]:
    """Correlation of a spectrum with the one some frames later."""
    shape = (bands - bands.mean(axis=0)).ravel()
    norm = float(shape @ shape) / len(shape) + 1e-3
    named = {}
    for lag in _LAGS:
        shift = lag * bands.shape[1]
        later = shape[shift:] if len(shape) > shift else shape
        product = float(shape[: len(later)] @ later) / len(later)
        named[f"likeness_{lag}"] = product / norm
    return named
