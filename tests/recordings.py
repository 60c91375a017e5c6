"""Recordings that tests make: no file of real speech is needed."""

from __future__ import annotations

import io

import numpy as np
import soundfile

RATE = 16_000


def tone(seconds: float = 1.0, hertz: float = 440.0) -> bytes:
    """Return a WAV file of a steady tone."""
    time = np.arange(int(seconds * RATE)) / RATE
    return wav(0.3 * np.sin(2 * np.pi * hertz * time))


def silence(seconds: float = 1.0) -> bytes:
    """Return a WAV file of digital silence."""
    return wav(np.zeros(int(seconds * RATE)))


def wav(samples: np.ndarray) -> bytes:
    """Return samples at 16 kHz as a WAV file."""
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()
