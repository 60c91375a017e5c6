"""Reasons are marked where they hold in time."""

from __future__ import annotations

import numpy as np
import pytest

from console.marks import Mark, marks_of
from console.picture import draw
from model.waveform import FloatArray
from tests.model.sounds import babbling

RATE = 16_000


def voice(seconds: float) -> FloatArray:
    time = np.arange(int(seconds * RATE)) / RATE
    return np.asarray(0.2 * np.sin(2 * np.pi * 220 * time), np.float32)


def quiet(seconds: float, level: float = 0.0) -> FloatArray:
    rng = np.random.default_rng(0)
    return np.asarray(level * rng.standard_normal(int(seconds * RATE)), np.float32)


def span(y: FloatArray, reason: str) -> tuple[float, float]:
    (mark,) = marks_of(y, [reason])
    return mark.start, mark.end


CLIPPED = np.concatenate(
    [voice(1), np.clip(20 * voice(0.5), -0.9, 0.9), voice(1)]
).astype(np.float32)


@pytest.mark.parametrize(
    ("y", "reason", "expected"),
    [
        (CLIPPED, "clipped: 5 % of the samples at -1 dBFS", (1.0, 1.5)),
        (
            np.concatenate([voice(1), quiet(2), voice(1)]),
            "silent: nothing above -90 dBFS",
            (1.0, 3.0),
        ),
        (
            np.concatenate([voice(1), quiet(2, 1e-4)]),
            "almost no speech: 33 % of the recording",
            (1.0, 3.0),
        ),
        (
            np.concatenate([voice(1), quiet(1, 0.005), voice(1)]),
            "noisy: speech only 9 dB above the background",
            (1.0, 2.0),
        ),
        (
            np.concatenate([voice(1), quiet(0.5, 1e-5), voice(1)]),
            "gaps: the sound breaks off by 60 dB from one moment to the next",
            (1.0, 1.5),
        ),
        (
            np.concatenate([quiet(1, 1e-5), quiet(2, 0.1)]),
            "no speech: noise only, -20 dBFS",
            (1.0, 3.0),
        ),
        (voice(2), "cut off: still sounding at the end, 1 dB below", (1.8, 2.0)),
        (voice(2), "cut off: already sounding at the start, 1 dB", (0.0, 0.2)),
        (
            np.concatenate([quiet(1, 1e-5), voice(0.5), quiet(1, 1e-5)]),
            "no speech: coughs, knocks or other short sounds",
            (1.0, 1.5),
        ),
    ],
)
def test_a_reason_is_marked_where_it_holds(
    y: FloatArray, reason: str, expected: tuple[float, float]
) -> None:
    assert span(np.asarray(y, np.float32), reason) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(
    "reason",
    ["wrong speed: sounds slowed down", "too quiet: -58 dBFS", "made up", "muffled: x"],
)
def test_what_holds_of_all_of_it_is_marked_nowhere(reason: str) -> None:
    assert marks_of(babbling(), [reason]) == []


@pytest.mark.parametrize("samples", [1, 100, 600, 16_000])
def test_any_recording_is_marked_and_drawn(samples: int) -> None:
    for y in (np.zeros(samples, np.float32), np.ones(samples, np.float32)):
        marks = marks_of(
            y, ["clipped: x", "silent: x", "gaps: x", "noisy: x", "no speech: x"]
        )
        assert all(0 <= mark.start < mark.end for mark in marks)
        assert draw(y, marks).startswith(b"\x89PNG")


def test_marks_are_drawn() -> None:
    y = babbling(2)
    plain, marked = draw(y, []), draw(y, [Mark("clipped", 0.5, 1.0)])
    assert plain != marked
