"""One framing and one real FFT per recording, in blocks that stay in cache."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from model.filters import BINS, FRAME, FREQUENCIES, HOP, hann, mel_weights
from model.pitch import PITCH_BINS, PITCHES_HZ, PREFERENCE, lag_weights
from model.waveform import FloatArray

#: Frames per block: 128 spectra of 257 float32 are 128 KiB, which stay in cache.
BLOCK = 128
#: Power below which a frame counts as empty, far below the last bit of 24.
TINY = np.float32(1e-10)


@dataclass(frozen=True, slots=True)
class Spectrum:
    """What the analysis of n frames leaves.

    Attributes
    ----------
    mel
        Power in the mel bands, shape (n, MEL_BANDS).
    power
        Sum of the power spectrum, shape (n,).
    centroid, bandwidth
        Hertz, of the magnitude spectrum as librosa defines them, shape (n,).
    flatness
        Geometric over arithmetic mean of the power spectrum, shape (n,).
    voicing
        Highest normalised autocorrelation at the pitch lags, -1 to 1, shape (n,).
    pitch
        Hertz where it is, shape (n,).
    average
        Mean power spectrum, shape (BINS,).
    """

    mel: FloatArray
    power: FloatArray
    centroid: FloatArray
    bandwidth: FloatArray
    flatness: FloatArray
    voicing: FloatArray
    pitch: FloatArray
    average: FloatArray


@dataclass(frozen=True, slots=True)
class _Weights:
    window: FloatArray
    bands: FloatArray
    lags: FloatArray
    moments: FloatArray


@lru_cache(maxsize=1)
def _weights() -> _Weights:
    ones = np.ones(BINS, np.float32)
    bands = np.column_stack([mel_weights(), ones])
    moments = np.stack([ones, FREQUENCIES, FREQUENCIES**2], axis=1)
    return _Weights(hann(), bands, lag_weights(), moments)


def analyse(y: FloatArray) -> Spectrum:
    """Analyse a waveform frame by frame.

    Frames are 512 samples, centred every 256, the edges padded with zeros
    (``librosa.stft(center=True)``).

    Parameters
    ----------
    y : array, shape (n_samples,)
    """
    frames = _frames(y)
    average = np.zeros(BINS, np.float32)
    columns = [list[FloatArray]() for _ in range(7)]
    for start in range(0, len(frames), BLOCK):
        power = _power(frames[start : start + BLOCK])
        average += np.ones(len(power), np.float32) @ power
        for column, values in zip(columns, _describe(power), strict=True):
            column.append(values)
    average /= np.float32(len(frames))
    mel, total, centroid, bandwidth, flatness, voicing, pitch = map(
        np.concatenate, columns
    )
    return Spectrum(mel, total, centroid, bandwidth, flatness, voicing, pitch, average)


def _frames(y: FloatArray) -> FloatArray:
    padded = np.zeros(len(y) + FRAME, np.float32)
    padded[FRAME // 2 : -(FRAME // 2)] = y
    return np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]


def _power(frames: FloatArray) -> FloatArray:
    spectrum = np.fft.rfft(frames * _weights().window)
    return np.asarray(spectrum.real**2 + spectrum.imag**2, np.float32)


def _describe(power: FloatArray) -> Iterator[FloatArray]:
    weights = _weights()
    sums = power @ weights.bands
    yield sums[:, :-1]
    yield sums[:, -1]
    yield from _moments(np.sqrt(power) @ weights.moments)
    yield _flatness(power)
    yield from _periodicity(power, weights.lags)


def _moments(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Centroid and bandwidth from the zeroth to second moments."""
    norm = np.maximum(sums[:, 0], TINY)
    centroid = np.asarray(sums[:, 1] / norm, np.float32)
    variance = sums[:, 2] / norm - centroid * centroid
    return centroid, np.sqrt(np.maximum(variance, np.float32(0)), dtype=np.float32)


def _flatness(power: FloatArray) -> FloatArray:
    floored = np.maximum(power, TINY)
    mean = np.full(BINS, 1 / BINS, np.float32)
    return np.asarray(np.exp(np.log(floored) @ mean) / (floored @ mean), np.float32)


def _periodicity(power: FloatArray, lags: FloatArray) -> tuple[FloatArray, FloatArray]:
    low = power[:, :PITCH_BINS]
    energy = low.sum(axis=1)
    correlation = low @ lags
    best = (correlation * PREFERENCE).argmax(axis=1)
    peak = correlation[np.arange(len(best)), best] / np.maximum(energy, TINY)
    bounded = np.minimum(np.maximum(peak, np.float32(-1)), np.float32(1))
    return bounded, PITCHES_HZ[best]
