"""A recording as numbers: levels, activity, timbre, rhythm and voice.

One framing and one real FFT serve all. This module and all below it run in the
child processes, which start often: nothing here imports SciPy, scikit-learn or
librosa.
"""

import numpy as np

from model.activity import find_activity, measure_activity
from model.levels import measure_levels
from model.rhythm import measure_rhythm
from model.spectrum import analyse
from model.timbre import measure_timbre, mel_decibels
from model.voice import measure_voice
from model.waveform import SAMPLE_RATE, FloatArray

#: Amplitude above which samples are cut: 12 dB over full scale, which only a file
#: of damaged floating-point samples exceeds.
_MAX_AMPLITUDE = np.float32(4.0)


def measure(y: FloatArray) -> dict[str, float]:
    """Measure every feature of a waveform by name."""
    spectrum = analyse(y)
    bands = mel_decibels(spectrum)
    activity = find_activity(spectrum)
    return {
        **measure_levels(y),
        **measure_activity(activity),
        **measure_timbre(spectrum, bands, activity),
        **measure_rhythm(bands, activity),
        **measure_voice(spectrum, activity),
    }


def extract(y: FloatArray, sr: int) -> FloatArray:
    """Describe a waveform by a vector.

    Parameters
    ----------
    y : array, shape (n_samples,)
        Mono, full scale 1.
    sr : int
        Hertz; ``SAMPLE_RATE``, for which the filters are made.

    Returns
    -------
    array, shape (len(FEATURE_NAMES),), float32
        Always finite.

    Raises
    ------
    ValueError
        If `sr` is another rate or `y` is empty or not one-dimensional.
    """
    if sr != SAMPLE_RATE:
        raise ValueError(f"features are defined at {SAMPLE_RATE} Hz, not {sr}")
    if y.ndim != 1 or not len(y):
        raise ValueError(f"a waveform has one dimension and samples, not {y.shape}")
    return np.fromiter(measure(_bounded(y)).values(), np.float32, len(FEATURE_NAMES))


def _bounded(y: FloatArray) -> FloatArray:
    if max(float(y.max()), -float(y.min())) <= _MAX_AMPLITUDE:
        return y.astype(np.float32, copy=False)
    return np.clip(y, -_MAX_AMPLITUDE, _MAX_AMPLITUDE).astype(np.float32)


#: Taken from a measurement, so that names and values cannot disagree.
FEATURE_NAMES: tuple[str, ...] = tuple(measure(np.zeros(SAMPLE_RATE, np.float32)))
