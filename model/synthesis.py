"""Sounds that are not speech, made from random numbers."""

import numpy as np
import numpy.typing as npt

from model.waveform import SAMPLE_RATE, FloatArray

Rng = np.random.Generator

_MAINS_HZ = (50.0, 60.0)
#: Hertz; the keypad's rows and columns (ITU-T Q.23).
_KEYPAD_ROWS_HZ = (697.0, 770.0, 852.0, 941.0)
_KEYPAD_COLUMNS_HZ = (1209.0, 1336.0, 1477.0, 1633.0)
#: Semitones of a major scale.
_SCALE = (0, 2, 4, 5, 7, 9, 11, 12)
#: Samples; a chord has died away by then.
_LONGEST_NOTE = SAMPLE_RATE


def coloured_noise(rng: Rng, length: int) -> FloatArray:
    """Noise whose power falls with frequency f as f**-a, a from 0 to 2."""
    size = fast_size(length)
    spectrum = np.fft.rfft(rng.normal(size=size))
    slope = rng.uniform(0, 2) / 2
    shape = np.maximum(np.arange(len(spectrum)), 1.0) ** -slope
    return _full_scale(np.fft.irfft(spectrum * shape, size)[:length])


def hum(rng: Rng, length: int) -> FloatArray:
    """Mains hum with harmonics."""
    return _harmonics(rng, rng.choice(_MAINS_HZ), length, 8)


def tones(rng: Rng, length: int) -> FloatArray:
    """Keypad tones or steady tones, one after the other."""
    parts: list[npt.NDArray[np.float64]] = []
    longest = rng.choice((0.15, 1.0))
    while sum(map(len, parts)) < length:
        time = _time(int(rng.uniform(0.05, longest) * SAMPLE_RATE))
        row, column = rng.choice(_KEYPAD_ROWS_HZ), rng.choice(_KEYPAD_COLUMNS_HZ)
        second = np.sin(2 * np.pi * column * time) * rng.integers(0, 2)
        parts.append(np.sin(2 * np.pi * row * time) + second)
        parts.append(np.zeros(int(rng.uniform(0, 0.12) * SAMPLE_RATE)))
    return _full_scale(np.concatenate(parts)[:length])


def music(rng: Rng, length: int) -> FloatArray:
    """Decaying chords on a beat."""
    root = rng.uniform(110, 330)
    beat = int(60 / rng.uniform(70, 160) * SAMPLE_RATE)
    y = np.zeros(length)
    for start in range(0, length, beat):
        for semitones in rng.choice(_SCALE, size=rng.integers(1, 4)):
            lasting = min(length - start, _LONGEST_NOTE)
            note = _harmonics(rng, root * 2 ** (semitones / 12), lasting, 4)
            decay = np.exp(-_time(lasting) * rng.uniform(1, 6))
            y[start : start + lasting] += note * decay
    return _full_scale(y)


def bursts(rng: Rng, length: int) -> FloatArray:
    """Short decaying bursts of noise: coughs, claps, knocks."""
    y = rng.normal(size=length) * 10 ** rng.uniform(-4, -2.5)
    for start in rng.integers(0, length, size=rng.integers(2, 9)):
        noise = coloured_noise(rng, int(rng.uniform(0.05, 0.4) * SAMPLE_RATE))
        decay = np.exp(-np.linspace(0, rng.uniform(3, 7), len(noise)))
        part = y[start : start + len(noise)]
        part += (noise * decay)[: len(part)]
    return _full_scale(y)


def fast_size(length: int) -> int:
    """Smallest power of two not below `length`: prime lengths are slow to transform."""
    return 1 << max(length - 1, 1).bit_length()


def _harmonics(rng: Rng, pitch: float, length: int, count: int) -> FloatArray:
    turn = np.float32(2 * np.pi * pitch / SAMPLE_RATE)
    phase = np.arange(length, dtype=np.float32) * turn
    y = np.zeros(length, np.float32)
    for number in range(1, count + 1):
        shift, weight = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 1.0) / number
        y += np.sin(phase * number + np.float32(shift)) * np.float32(weight)
    return _full_scale(y)


def _time(length: int) -> npt.NDArray[np.float64]:
    return np.arange(length) / SAMPLE_RATE


def _full_scale(y: npt.NDArray[np.floating]) -> FloatArray:
    return (y / max(float(np.abs(y).max(initial=0.0)), 1e-9)).astype(np.float32)
