"""What a worker notes while it works: seconds for metrics, spans for traces.

It is on every message's way, so each note costs about a microsecond: labels are bound
once, and what concerns a batch is noted once for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics

from flows.watching import catalogue
from flows.watching.catalogue import Spec
from model.outcomes import Outcome
from model.records import WorkItem
from model.times import utc_now

# Only OpenMetrics knows what to do with the times of a series' first sample.
disable_created_metrics()

X = TypeVar("X")
R = TypeVar("R")


class Spans(Protocol):
    """Takes note of the stages of recordings, see `flows.watching.tracing`."""

    def note(self, ids: Sequence[str], stage: str, began: float, ended: float) -> None:
        """Note a stage of deliveries, in seconds of ``time.monotonic``."""
        ...

    def ended(self, outcome: Outcome, how: str) -> None:
        """Emit a recording's spans."""
        ...

    def forget(self, message_id: str) -> None:
        """Drop what was noted of a delivery that has no outcome."""
        ...


class Watch:
    """The histograms of one worker, and its traces where there are any.

    Attributes
    ----------
    registry
        Where the histograms are.
    """

    def __init__(self, spans: Spans | None = None) -> None:
        self.registry = CollectorRegistry()
        self._spans = spans
        stages = self._histogram(catalogue.STAGE)
        self._seconds = {
            name: stages.labels(name) for name in catalogue.STAGE.values.split(", ")
        }
        batches = self._histogram(catalogue.BATCH)
        self._sizes = {
            step: batches.labels(step) for step in catalogue.BATCH.values.split(", ")
        }
        self._ages = self._histogram(catalogue.AGE)
        self._end_to_end = self._histogram(catalogue.END_TO_END)
        self._scores = self._histogram(catalogue.SCORE)

    def stage(
        self,
        name: str,
        began: float,
        items: Sequence[WorkItem] = (),
        ended: float | None = None,
    ) -> None:
        """Note that a stage is done with; seconds of ``time.monotonic``."""
        ended = time.monotonic() if ended is None else ended
        self._seconds[name].observe(ended - began)
        self.span(name, began, items, ended)

    def span(
        self, name: str, began: float, items: Sequence[WorkItem], ended: float
    ) -> None:
        """Note what only traces show."""
        if self._spans is not None:
            ids = [item.message_id for item in items]
            self._spans.note(ids, name, began, ended)

    def batch(self, step: str, size: int) -> None:
        """Note how many went through a step together."""
        self._sizes[step].observe(size)

    def around(
        self,
        stage: str,
        work: Callable[[list[X]], R],
        item_of: Callable[[X], WorkItem],
    ) -> Callable[[list[X]], R]:
        """Return a batch's step that notes its size and seconds."""

        def watched(batch: list[X]) -> R:
            began = time.monotonic()
            result = work(batch)
            if batch:
                self.batch(stage, len(batch))
                items = [item_of(one) for one in batch] if self._spans else ()
                self.stage(stage, began, items)
            return result

        return watched

    def received(self, ages: Sequence[float]) -> None:
        """Note the ages of what one receive brought."""
        if ages:
            self.batch("receive", len(ages))
        for age in ages:
            self._ages.observe(age)

    def scored(self, scores: Sequence[float]) -> None:
        """Note the scores of a batch."""
        for score in scores:
            self._scores.observe(score)

    def settled(self, outcome: Outcome, asked_at: float, how: str) -> None:
        """Note the confirmed end of a delivery."""
        self.stage("settle", asked_at, (outcome.item,))
        if how == "deleted":
            passed = utc_now() - outcome.item.record.discovered_at
            self._end_to_end.observe(max(0.0, passed.total_seconds()))
        if self._spans is not None:
            self._spans.ended(outcome, how)

    def forget(self, message_id: str) -> None:
        """Note the end of a delivery that came to no outcome."""
        if self._spans is not None:
            self._spans.forget(message_id)

    def _histogram(self, spec: Spec) -> Histogram:
        return Histogram(
            spec.name,
            spec.text,
            spec.labels,
            buckets=spec.buckets,
            registry=self.registry,
        )
