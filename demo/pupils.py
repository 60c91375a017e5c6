"""Recordings of pupils who read aloud, a known part of them spoiled."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soundfile
import soxr

from demo.passages import ENGLISH, HINDI
from demo.phone import SAMPLE_RATE, Samples, recorded
from demo.speech import Speaker, Voice
from demo.spoiling import SPOILING

Kind = Literal["normal", "silence", "room_noise", "clipped", "mostly_silent", "tones"]

_SPOILED: tuple[Kind, ...] = (
    "silence",
    "room_noise",
    "clipped",
    "mostly_silent",
    "tones",
)

#: One recording in so many is spoiled, each kind in turn.
SPOILED_EVERY = 5

_SUBJECTS = (("Hindi", "hi", HINDI), ("English", "en", ENGLISH))

#: The files' formats, in turn; phones send mostly wav.
_SUFFIXES = ("wav", "flac", "wav", "wav", "ogg", "wav", "wav", "mp3", "wav")

#: Timbres of espeak-ng that pass for children when the pitch is high.
_VARIANTS = ("f1", "f2", "f3", "f4", "f5", "m3", "adam", "klatt4")


@dataclass(frozen=True)
class Recording:
    """One pupil's recording, and what the demo knows of it.

    Attributes
    ----------
    student_id, udise
        The pupil and the school.
    subject_name, language
        ``Hindi`` (``hi``) or ``English`` (``en``).
    kind
        ``normal``, or how it was spoiled.
    audio, suffix
        The file's bytes, and the end of its name without a dot.
    """

    student_id: str
    udise: str
    subject_name: str
    language: str
    kind: Kind
    audio: bytes
    suffix: str


def recordings(items: int, seed: int = 0) -> Iterator[Recording]:
    """Yield recordings; for a seed the same ones in each process that asks once.

    It is for one thread at a time, and no two calls in a process give quite the same
    sounds, for espeak-ng goes on from where it was: see `demo.speech`.

    Parameters
    ----------
    items
        How many.
    seed
        Which pupils, rooms and noises.
    """
    speaker = Speaker()
    for number in range(items):
        yield _recording(number, speaker, np.random.default_rng([seed, number]))


def _recording(number: int, speaker: Speaker, rng: np.random.Generator) -> Recording:
    subject, language, passages = _SUBJECTS[number % len(_SUBJECTS)]
    passage = passages[number // len(_SUBJECTS) % len(passages)]
    y = recorded(_read(speaker, passage, _voice(language, rng)), rng)
    kind = _kind(number)
    if kind != "normal":
        y = SPOILING[kind](y, rng)
    suffix = _SUFFIXES[number % len(_SUFFIXES)]
    return Recording(
        student_id=f"S{1001 + number}",
        udise=f"0924{number % 7 + 1:02d}10{number % 3 + 1:03d}",
        subject_name=subject,
        language=language,
        kind=kind,
        audio=_encode(y, suffix),
        suffix=suffix,
    )


def _kind(number: int) -> Kind:
    turn, place = divmod(number, SPOILED_EVERY)
    if place < SPOILED_EVERY - 1:
        return "normal"
    return _SPOILED[turn % len(_SPOILED)]


def _voice(language: str, rng: np.random.Generator) -> Voice:
    """Return a pupil's voice: higher and slower than an adult's."""
    return Voice(
        language=language,
        variant=str(rng.choice(_VARIANTS)),
        pitch=int(rng.integers(55, 85)),
        pitch_range=int(rng.integers(45, 75)),
        words_per_minute=int(rng.integers(105, 150)),
    )


def _read(speaker: Speaker, passage: str, voice: Voice) -> Samples:
    spoken = speaker.speak(passage, voice)
    y: Samples = soxr.resample(spoken, speaker.sample_rate, SAMPLE_RATE)
    return y


def _encode(y: Samples, suffix: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.clip(y, -1, 1), SAMPLE_RATE, format=suffix.upper())
    return file.getvalue()
