"""Speech as a phone in a classroom records it: voice, room, microphone, noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.signal

Samples = npt.NDArray[np.float32]

#: Of every recording, in Hz.
SAMPLE_RATE = 16_000

#: What a phone's microphone passes, in Hz.
_PHONE_BAND = (50.0, 7000.0)


def recorded(speech: Samples, rng: np.random.Generator) -> Samples:
    """Return synthetic speech as a phone in a quiet classroom would record it."""
    pauses = (rng.uniform(0.3, 0.9, size=2) * SAMPLE_RATE).astype(int)
    y = np.pad(speech, (pauses[0], pauses[1]))
    y = _in_room(y + 0.25 * _breath(y, rng), rng)
    y = _passed(y, _PHONE_BAND, order=2)
    y = at_level(y, rng.uniform(-29, -22))
    return mixed(y, murmur(y.size, rng), signal_to_noise=rng.uniform(18, 25))


def _passed(y: Samples, band: tuple[float, float], *, order: int) -> Samples:
    sos = scipy.signal.butter(
        order, band, btype="bandpass", fs=SAMPLE_RATE, output="sos"
    )
    passed: Samples = scipy.signal.sosfilt(sos, y).astype(np.float32)
    return passed


def _breath(y: Samples, rng: np.random.Generator) -> Samples:
    """Return the breath that a voice carries, as loud as the voice at each moment.

    Synthetic speech has none, and without it its spectrum is far more pointed than
    that of any person.
    """
    envelope = scipy.signal.butter(1, 30, fs=SAMPLE_RATE, output="sos")
    loudness = np.maximum(scipy.signal.sosfiltfilt(envelope, np.abs(y)), 0)
    noise = _passed(rng.standard_normal(y.size, np.float32), (300.0, 6000.0), order=1)
    breath: Samples = (noise * loudness).astype(np.float32)
    return breath


def _in_room(y: Samples, rng: np.random.Generator) -> Samples:
    """Add the reverberation of a small room, 0.15 to 0.35 s long."""
    seconds = rng.uniform(0.15, 0.35)
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    # Down by 60 dB (a factor of 1000) at its end.
    tail = rng.standard_normal(t.size) * np.exp(-np.log(1000) * t / seconds)
    tail *= 0.6 / np.sqrt(np.sum(tail**2))
    tail[0] += 1
    heard: Samples = scipy.signal.fftconvolve(y, tail)[: y.size].astype(np.float32)
    return heard


def murmur(samples: int, rng: np.random.Generator) -> Samples:
    """Return the noise of a room: falling by about 4 dB an octave, rms 1."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequencies = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    spectrum *= np.maximum(frequencies, 60) ** -0.7
    return at_level(np.fft.irfft(spectrum, samples), 0)


def at_level(y: npt.ArrayLike, decibels: float) -> Samples:
    """Return a signal brought to an rms level, in dB of full scale."""
    y = np.asarray(y, np.float32)
    rms = np.sqrt(np.mean(y**2)) + 1e-9
    return y * np.float32(10 ** (decibels / 20) / rms)


def mixed(y: Samples, noise: Samples, *, signal_to_noise: float) -> Samples:
    """Return a signal with noise added, so many dB below it."""
    level = 10 * np.log10(np.mean(y**2) + 1e-18)
    return y + at_level(noise, level - signal_to_noise)
