"""Where in time a reason holds, found in the samples themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from connectors.mongo_flagged import head_of
from model.activity import FRAMES_PER_SECOND, find_activity
from model.levels import SLICE, decibels
from model.spectrum import Spectrum, analyse
from model.waveform import SAMPLE_RATE, FloatArray

#: Share of the peak from which a sample counts as clipped, as in the features.
_NEAR_PEAK = 0.97
#: Samples of a slice of 8 ms that must be near the peak: a wave that is not cut off
#: touches it with one.
_CLIPPED_SAMPLES = 3
#: dBFS below which a frame is silent, and above which a sound is noticed.
_SILENT_DB, _AUDIBLE_DB = -70.0, -60.0
#: Decibels from one slice to the next at which the sound breaks off.
_CLIFF_DB = 30.0
_EDGE_SECONDS = 0.2
#: Spans nearer than this are drawn as one, and shorter ones are left out.
_JOINED_SECONDS, _SHORTEST_SECONDS = 0.15, 0.02
#: Seconds from which a pause is one.
_PAUSE_SECONDS = 0.3

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Mark:
    """A span of a recording in seconds, and the head of the reason that holds there."""

    reason: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class _Sound:
    y: FloatArray
    spectrum: Spectrum

    @property
    def seconds(self) -> float:
        return len(self.y) / SAMPLE_RATE

    @property
    def levels(self) -> FloatArray:
        """Levels of slices of 8 ms, in dBFS."""
        whole = self.y[: len(self.y) // SLICE * SLICE].reshape(-1, SLICE)
        return decibels((whole * whole).mean(axis=1))


Span = tuple[float, float]


def marks_of(y: FloatArray, reasons: Iterable[str]) -> list[Mark]:
    """Return where the reasons hold; none for those of the recording as a whole.

    Parameters
    ----------
    y : array, shape (n,), n > 0
        Mono at ``SAMPLE_RATE``.
    """
    sound = _Sound(y, analyse(y))
    found: list[Mark] = []
    for reason in dict.fromkeys(reasons):
        finder = _finder(reason)
        if finder is not None:
            found += [Mark(head_of(reason), *span) for span in finder(sound)]
    return found


def _finder(reason: str) -> Callable[[_Sound], list[Span]] | None:
    if reason.startswith("cut off: still"):
        return _end
    if reason.startswith("cut off: already"):
        return _start
    if reason.startswith("no speech: coughs"):
        return _active
    return _FINDERS.get(head_of(reason))


def _clipped(sound: _Sound) -> list[Span]:
    magnitude = np.abs(sound.y[: len(sound.y) // SLICE * SLICE]).reshape(-1, SLICE)
    near = magnitude >= np.float32(_NEAR_PEAK) * np.abs(sound.y).max()
    return _spans(near.sum(axis=1) >= _CLIPPED_SAMPLES, SLICE / SAMPLE_RATE)


def _silent(sound: _Sound) -> list[Span]:
    return _spans(sound.levels < _SILENT_DB, SLICE / SAMPLE_RATE)


def _pauses(sound: _Sound) -> list[Span]:
    active = find_activity(sound.spectrum).active
    spans = _spans(~active, 1 / FRAMES_PER_SECOND, most=sound.seconds)
    return [(start, end) for start, end in spans if end - start >= _PAUSE_SECONDS]


def _active(sound: _Sound) -> list[Span]:
    active = find_activity(sound.spectrum).active
    return _spans(active, 1 / FRAMES_PER_SECOND, most=sound.seconds)


def _gaps(sound: _Sound) -> list[Span]:
    """Return the spans from where the sound breaks off to where it comes again."""
    levels = sound.levels
    falls = np.flatnonzero(np.diff(levels) <= -_CLIFF_DB) + 1
    quiet = np.zeros(len(levels), bool)
    for fall in falls:
        # Until it is half as far up again, in decibels.
        back = np.flatnonzero(levels[fall:] > (levels[fall] + levels[fall - 1]) / 2)
        quiet[fall : fall + back[0] if len(back) else None] = True
    return _spans(quiet, SLICE / SAMPLE_RATE)


def _audible(sound: _Sound) -> list[Span]:
    """Return the span from the onset of a sound to its last."""
    loud = np.flatnonzero(sound.levels > _AUDIBLE_DB)
    if not len(loud):
        return []
    return [(loud[0] * SLICE / SAMPLE_RATE, (loud[-1] + 1) * SLICE / SAMPLE_RATE)]


def _start(sound: _Sound) -> list[Span]:
    return [(0.0, min(_EDGE_SECONDS, sound.seconds))]


def _end(sound: _Sound) -> list[Span]:
    return [(max(0.0, sound.seconds - _EDGE_SECONDS), sound.seconds)]


#: By the head of a reason. A noisy recording's noise is heard in its pauses.
_FINDERS: dict[str, Callable[[_Sound], list[Span]]] = {
    "clipped": _clipped,
    "silent": _silent,
    "almost no speech": _pauses,
    "noisy": _pauses,
    "gaps": _gaps,
    "no speech": _audible,
}


def _spans(
    flags: Flags, step: float, *, most: float = float("inf")
) -> list[tuple[float, float]]:
    """Return the spans in which flags are set, small ones and small gaps smoothed."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    joined: list[tuple[float, float]] = []
    for start, end in zip(edges[::2] * step, edges[1::2] * step, strict=True):
        if joined and start - joined[-1][1] < _JOINED_SECONDS:
            joined[-1] = (joined[-1][0], min(float(end), most))
        else:
            joined.append((float(start), min(float(end), most)))
    return [(start, end) for start, end in joined if end - start >= _SHORTEST_SECONDS]
