"""Several workers seen as one: the parent asks them and answers for all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from flows.watching import catalogue
from flows.watching.health import Answers, Report
from flows.watching.line import Ends, HasEnded, Line, NoAnswer

#: Seconds within which the parent looks after its workers, which takes it a moment.
LOOK_SECONDS = 10.0


class Fleet(Collector):
    """The workers of one parent.

    Each sample of a worker has the label ``worker``, so a counter that begins anew
    with a worker that was replaced is a series of its own, as Prometheus expects it.
    """

    def __init__(self) -> None:
        self._lines: dict[int, Line] = {}
        self._waiting: dict[int, str] = {}
        self._restarts: dict[int, int] = {}
        self._lock = threading.Lock()
        self._looked_at = time.monotonic()

    def open(self, index: int) -> Ends:
        """Return the ends of a worker that is about to be started."""
        line = Line()
        with self._lock:
            if index in self._restarts:
                self._restarts[index] += 1
            self._restarts.setdefault(index, 0)
            self._waiting.pop(index, None)
            self._lines[index] = line
        return line.ends

    def ended(self, index: int, waiting: str | None = None) -> None:
        """Note that a worker has ended; with `waiting` it is to be replaced."""
        with self._lock:
            line = self._lines.pop(index)
            if waiting is not None:
                self._waiting[index] = waiting
        line.close()

    def looked(self) -> None:
        """Note that the parent looks after its workers."""
        self._looked_at = time.monotonic()

    def answers(self) -> Answers:
        """Return the answers for all."""
        registry = CollectorRegistry()
        registry.register(self)
        return Answers(registry, self.live, self.ready)

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of all workers that answer, and who does."""
        up, restarts = catalogue.UP.family(), catalogue.RESTARTS.family()
        families: dict[str, Metric] = {}
        with self._lock:
            lines = dict(self._lines)
        asked = _ask("metrics", lines)
        for index, answer in sorted(asked.items()):
            worker = {"worker": str(index)}
            answered = not isinstance(answer, NoAnswer)
            up.add_sample(up.name, worker, float(answered))
            if answered:
                _merge(families, answer, worker)
        for index, count in list(self._restarts.items()):
            name = catalogue.RESTARTS.exposed
            restarts.add_sample(name, {"worker": str(index)}, float(count))
        return [*families.values(), up, restarts]

    def live(self) -> Report:
        """Return what makes no progress, for the parent and each worker."""
        late = time.monotonic() - self._looked_at > LOOK_SECONDS
        return {
            "parent": "it does not look after its workers" if late else None,
            **self._of_workers("live"),
        }

    def ready(self) -> Report:
        """Return what cannot be reached now, by worker."""
        return self._of_workers("ready")

    def _of_workers(self, question: str) -> dict[str, str | None | Report]:
        """Return each worker's report.

        One that starts, or has ended and is replaced, is not dead: only not ready.
        """
        found: dict[str, str | None | Report] = {}
        with self._lock:  # together: one that starts meanwhile must not be in neither
            lines, waiting = dict(self._lines), dict(self._waiting)
        for index, answer in sorted(_ask(question, lines).items()):
            if isinstance(answer, NoAnswer):
                starts = lines[index].is_starting
                fine = starts or isinstance(answer, HasEnded)
                why = "it is starting" if starts else str(answer)
                answer = None if fine and question == "live" else why
            found[f"worker {index}"] = answer
        for index, why in sorted(waiting.items()):
            found[f"worker {index}"] = None if question == "live" else why
        return found


def _ask(question: str, lines: Mapping[int, Line]) -> dict[int, Any]:
    """Return each worker's answer, or why there is none."""

    def ask(line: Line) -> Any:
        try:
            return line.ask(question)
        except NoAnswer as error:
            return error

    if not lines:
        return {}
    with ThreadPoolExecutor(len(lines), "ask") as executor:
        return dict(zip(lines, executor.map(ask, lines.values()), strict=True))


def _merge(
    families: dict[str, Metric], found: Iterable[Metric], worker: dict[str, str]
) -> None:
    for metric in found:
        family = families.setdefault(
            metric.name, Metric(metric.name, metric.documentation, metric.type)
        )
        for sample in metric.samples:
            labels = {**sample.labels, **worker}
            family.samples.append(sample._replace(labels=labels))
