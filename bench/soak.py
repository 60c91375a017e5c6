"""Whether memory grows while very many recordings go through one worker."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from bench.load import Load
from bench.measure import Running
from bench.programs import EARSHOT, expect_proof, start
from bench.supply import Supply

#: Hundredths of the recordings in which memory is looked at, early and late.
_EARLY, _LATE = range(10, 30), range(80, 100)
_SECONDS = 0.5


@dataclass(frozen=True)
class Soak:
    """Memory in MiB: of all processes, early and late, and the highest of each kind."""

    early: list[float]
    late: list[float]
    parent: float
    child: float

    @property
    def growth(self) -> list[float]:
        """By how many per cent each late sight is above the median of the early."""
        before = median(self.early)
        return [100 * (after / before - 1) for after in self.late]


def soak(load: Load, count: int) -> Soak:
    """Judge many short recordings in one process of Earshot."""
    supply = load.supply(count, load.put_audio(_SECONDS, "wav"))
    with start(load, supply, EARSHOT) as running:
        early = _memory(running, supply, _EARLY)
        late = _memory(running, supply, _LATE)
        running.until(supply, count)
        expect_proof(load, supply, running, count)
        return Soak(early, late, running.peak(parent=True), running.peak(parent=False))


def _memory(running: Running, supply: Supply, hundredths: range) -> list[float]:
    found = []
    for one in hundredths:
        running.until(supply, supply.count * one // 100)
        found.append(running.memory)
    return found
