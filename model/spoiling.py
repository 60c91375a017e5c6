"""Spoil good recordings, so that a model learns in which directions they go bad.

Nobody labels recordings, but everybody knows what spoils one. Each kind of spoiling
moves the features of a recording; the detector looks hardest in those directions.
"""

from collections.abc import Callable

import numpy as np
import soxr

from model.synthesis import Rng, bursts, coloured_noise, fast_size, hum, music, tones
from model.waveform import SAMPLE_RATE, FloatArray

#: Takes a recording, another one, and chance; gives the spoiled recording.
Spoiling = Callable[[FloatArray, FloatArray, Rng], FloatArray]

#: Steps of full scale at 16 bits, in which recordings arrive.
_STEPS = np.float32(2**15)
#: Share of the peak above which a sample certainly belongs to speech.
_SPEECH = 0.25


def spoil(kind: str, y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    """Spoil a recording.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    y, other : array, shape (n,), n > 0
        The recording, and one of another speaker to mix in.
    rng : numpy.random.Generator

    Returns
    -------
    array, shape (m,), m > 0
        In steps of 16 bits and within full scale, as a file would hold it.
    """
    spoiled = np.clip(_SPOILINGS[kind](y, other, rng), -1, 1)
    return np.asarray(np.rint(spoiled * _STEPS) / _STEPS, np.float32)


def _slow(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    return _at_speed(y, rng.uniform(0.55, 0.88))


def _fast(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    return _at_speed(y, rng.uniform(1.15, 1.8))


def _two_talkers(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    return _mixed(y, other, rng.uniform(-1, 6))


def _babble(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    for _ in range(rng.integers(2, 6)):
        y = _mixed(y, np.roll(other, rng.integers(len(other))), rng.uniform(-2, 3))
    return y


def _reversed(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    return y[::-1]


def _cut_end(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    speech = _speech(y)
    return y[: speech[int(rng.uniform(0.3, 0.9) * (len(speech) - 1))] + 1]


def _cut_start(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    speech = _speech(y)
    return y[speech[int(rng.uniform(0.1, 0.6) * (len(speech) - 1))] :]


def _too_short(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    speech = _speech(y)
    start = speech[rng.integers(len(speech))]
    return y[start : start + int(rng.uniform(0.05, 0.9) * SAMPLE_RATE)]


def _noisy(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    return _mixed(y, coloured_noise(rng, len(y)), rng.uniform(-5, 8))


def _humming(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    return _mixed(y, hum(rng, len(y)), rng.uniform(-3, 10))


def _with_music(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    return _mixed(y, music(rng, len(y)), rng.uniform(-5, 6))


def _clipped(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    gain = 10 ** (rng.uniform(3, 20) / 20) / max(float(np.abs(y).max()), 1e-9)
    loud = np.clip(y * np.float32(gain), -1, 1)
    return np.asarray(loud * np.float32(rng.uniform(0.5, 1)))


def _gaps(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    y = y.copy()
    for _ in range(rng.integers(1, 5)):
        start = rng.integers(len(y))
        y[start : start + int(rng.uniform(0.03, 0.3) * SAMPLE_RATE)] = 0
    return y


def _quiet(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    return y * np.float32(10 ** (-rng.uniform(22, 45) / 20))


def _muffled(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    size = fast_size(len(y))
    hertz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    gain = (1 + (hertz / rng.uniform(600, 1800)) ** 8) ** -0.5
    return np.fft.irfft(np.fft.rfft(y, size) * gain)[: len(y)].astype(np.float32)


def _echoing(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    length = int(rng.uniform(0.6, 2.0) * SAMPLE_RATE)
    room = rng.normal(size=length) * 10 ** np.linspace(0, -3, length)
    room[0] = rng.uniform(2, 10)
    size = fast_size(len(y) + length)
    wet = np.fft.irfft(np.fft.rfft(y, size) * np.fft.rfft(room, size), size)[: len(y)]
    return (wet * (_rms(y) / _rms(wet))).astype(np.float32)


def _mostly_silent(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    spoken = max(1, int(rng.uniform(0.03, 0.15) * len(y)))
    speech = _speech(y)
    start = max(0, min(len(y) - spoken, speech[len(speech) // 2] - spoken // 2))
    silent = _background(y, rng)
    silent[start : start + spoken] += y[start : start + spoken]
    return silent


def _silent(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    if rng.random() < 0.5:
        return np.zeros_like(y)
    return _background(y, rng) * np.float32(10 ** rng.uniform(-2, 0))


def _noise_only(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    return coloured_noise(rng, len(y)) * np.float32(10 ** rng.uniform(-2, 0))


def _tones_only(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    return tones(rng, len(y)) * np.float32(10 ** rng.uniform(-1.3, 0))


def _music_only(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    return music(rng, len(y)) * np.float32(10 ** rng.uniform(-1.3, 0))


def _bursts_only(y: FloatArray, other: FloatArray, rng: Rng) -> FloatArray:
    return bursts(rng, len(y)) * np.float32(10 ** rng.uniform(-1, 0))


_SPOILINGS: dict[str, Spoiling] = {
    "slow": _slow,
    "fast": _fast,
    "two_talkers": _two_talkers,
    "babble": _babble,
    "reversed": _reversed,
    "cut_end": _cut_end,
    "cut_start": _cut_start,
    "too_short": _too_short,
    "noisy": _noisy,
    "humming": _humming,
    "with_music": _with_music,
    "clipped": _clipped,
    "gaps": _gaps,
    "quiet": _quiet,
    "muffled": _muffled,
    "echoing": _echoing,
    "mostly_silent": _mostly_silent,
    "silent": _silent,
    "noise_only": _noise_only,
    "tones_only": _tones_only,
    "music_only": _music_only,
    "bursts_only": _bursts_only,
}
#: The kinds of spoiling, in the order of the detector's directions.
KINDS: tuple[str, ...] = tuple(_SPOILINGS)


def _at_speed(y: FloatArray, speed: float) -> FloatArray:
    changed: FloatArray = soxr.resample(y, SAMPLE_RATE * speed, SAMPLE_RATE)
    return changed if len(changed) else y


def _mixed(y: FloatArray, other: FloatArray, snr_db: float) -> FloatArray:
    """Add `other`, repeated or cut to length, `snr_db` below the recording."""
    gain = _rms(y) / _rms(other) * 10 ** (-snr_db / 20)
    return y + np.resize(other, len(y)) * np.float32(gain)


def _background(y: FloatArray, rng: Rng) -> FloatArray:
    """Noise at the level of the recording's pauses."""
    level = np.percentile(np.abs(y), 15)
    return np.asarray(rng.normal(size=len(y)) * level, np.float32)


def _speech(y: FloatArray) -> np.ndarray:
    """Positions of samples that belong to speech, at least one."""
    magnitude = np.abs(y)
    return np.flatnonzero(magnitude >= _SPEECH * magnitude.max())


def _rms(y: np.ndarray) -> float:
    return float(np.sqrt(np.mean(y**2))) + 1e-6
