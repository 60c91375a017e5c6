"""Features of the samples themselves: level, clipping, gaps, edges."""

import numpy as np

from model.percentiles import percentiles
from model.waveform import SAMPLE_RATE, FloatArray

#: Decibels relative to full scale; what counts as no signal at all.
FLOOR_DB = -100.0
_FLOOR_POWER = np.float32(10 ** (FLOOR_DB / 10))

#: Samples in a slice: 8 ms, short enough for a gap, longer than a pitch period.
SLICE = 128
#: Share of the peak at and above which a sample counts as near it.
_NEAR_PEAK = 0.97
#: Half a step of 16 bits: the same recording as mp3 or wav shall count the same.
_STEP = np.float32(2.0**-16)
_EDGE_SECONDS = 0.1
#: Keeps the logarithm of a share finite: one sample in a hundred thousand.
_LEAST_SHARE = 1e-5


def decibels(power: FloatArray) -> FloatArray:
    """Power relative to full scale as decibels, not below ``FLOOR_DB``."""
    return np.float32(10) * np.log10(np.maximum(power, _FLOOR_POWER))


def measure_levels(y: FloatArray) -> dict[str, float]:
    """Measure the waveform.

    Parameters
    ----------
    y : array, shape (n,), n > 0

    Returns
    -------
    dict
        ``*_db`` in dBFS, ``*_share`` of the samples, the latter as log10.
    """
    slices = decibels(_slice_powers(y))
    return {
        "log_duration": float(np.log10(len(y) / SAMPLE_RATE)),
        **_amplitudes(y),
        **_flat_parts(y),
        **_cliffs(slices),
        **_edges(slices),
    }


def _amplitudes(y: FloatArray) -> dict[str, float]:
    magnitude = np.abs(y)
    peak = float(magnitude.max())
    power = float(y @ y) / len(y)
    peak_db, rms_db = decibels(np.array([peak**2, power], np.float32))
    near = np.count_nonzero(magnitude >= np.float32(_NEAR_PEAK * peak)) / len(y)
    upper = np.count_nonzero(magnitude >= np.float32(0.7 * peak)) / len(y)
    return {
        "peak_db": float(peak_db),
        "rms_db": float(rms_db),
        "crest_db": float(peak_db - rms_db),
        "near_peak_share": _log_share(near),
        "upper_share": _log_share(upper),
        "offset_share": abs(float(y.mean())) / (power**0.5 + 1e-6),
    }


def _flat_parts(y: FloatArray) -> dict[str, float]:
    steps = y[1:] - y[:-1]
    repeated = np.count_nonzero(np.abs(steps, out=steps) < _STEP) / len(y)
    zeros = np.count_nonzero(np.abs(y) < _STEP) / len(y)
    return {"repeated_share": _log_share(repeated), "zero_share": _log_share(zeros)}


def _cliffs(slices: FloatArray) -> dict[str, float]:
    steps = np.diff(slices, prepend=slices[:1])
    return {
        "steepest_fall_db": float(-steps.min()),
        "steepest_rise_db": float(steps.max()),
        "attack_skew": float(
            (steps * steps * steps).mean() / ((steps * steps).mean() ** 1.5 + 1.0)
        ),
    }


def _edges(slices: FloatArray) -> dict[str, float]:
    count = max(1, round(_EDGE_SECONDS * SAMPLE_RATE / SLICE))
    loud = float(percentiles(slices, (90,))[0])
    return {
        "start_db": float(slices[:count].mean() - loud),
        "end_db": float(slices[-count:].mean() - loud),
        "last_db": float(slices[-2:].max() - loud),
        "first_db": float(slices[:2].max() - loud),
    }


def _slice_powers(y: FloatArray) -> FloatArray:
    whole = len(y) // SLICE * SLICE
    if not whole:
        return np.array([np.mean(y**2)], np.float32)
    slices = y[:whole].reshape(-1, SLICE)
    powers: FloatArray = np.einsum("ij,ij->i", slices, slices) / np.float32(SLICE)
    return powers


def _log_share(share: float) -> float:
    return float(np.log10(share + _LEAST_SHARE))
