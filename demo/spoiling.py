"""What spoils a recording in the demo."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from demo.phone import SAMPLE_RATE, Samples, at_level, murmur


def silence(y: Samples, rng: np.random.Generator) -> Samples:
    """Return the recording of a microphone that was muted: all but nothing."""
    return at_level(rng.standard_normal(y.size), -85)


def room_noise(y: Samples, rng: np.random.Generator) -> Samples:
    """Return a recording in which nobody reads."""
    return at_level(murmur(y.size, rng), rng.uniform(-38, -28))


def clipped(y: Samples, rng: np.random.Generator) -> Samples:
    """Return a recording made far too loud: more than half of it hits the limit."""
    limit = np.quantile(np.abs(y), 0.4)
    return np.asarray(np.clip(y / limit, -0.98, 0.98), np.float32)


def mostly_silent(y: Samples, rng: np.random.Generator) -> Samples:
    """Return a recording that holds a word or two and then nothing."""
    onset = int(np.argmax(np.abs(y) > 0.2 * np.abs(y).max()))
    end = onset + int(rng.uniform(0.35, 0.6) * SAMPLE_RATE)
    kept = np.zeros(2 * y.size, np.float32)
    kept[onset:end] = y[onset:end]
    return kept + at_level(murmur(kept.size, rng), -75)


def tones(y: Samples, rng: np.random.Generator) -> Samples:
    """Return a melody of beeps, such as a game on the phone makes."""
    notes = rng.choice([523, 587, 659, 784, 880, 1047], size=y.size // 4000 + 1)
    pitch = np.repeat(notes, 4000)[: y.size]
    melody = np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE)
    return at_level(melody, -20)


#: What can spoil a recording, by its kind.
SPOILING: dict[str, Callable[[Samples, np.random.Generator], Samples]] = {
    "silence": silence,
    "room_noise": room_noise,
    "clipped": clipped,
    "mostly_silent": mostly_silent,
    "tones": tones,
}
