"""A worker's counts, read from its parts at each scrape."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from flows.failures import TAXONOMY
from flows.watching import catalogue
from flows.watching.build import build_info
from flows.watching.catalogue import Spec
from flows.watching.depth import Depth
from flows.watching.parts import Parts
from model.outcomes import Status
from model.records import MalformedMessage

#: Which of the consumer's counts is which metric.
_COUNTS = {
    "received": catalogue.RECEIVED,
    "redelivered": catalogue.REDELIVERED,
    "copies": catalogue.COPIES,
    "empty_receives": catalogue.EMPTY,
    "deleted": catalogue.DELETED,
    "returned": catalogue.RETURNED,
    "extended": catalogue.EXTENDED,
    "lost": catalogue.LOST,
    "delete_failures": catalogue.DELETE_FAILURES,
}
_REQUESTS = "requests."
#: What has not happened yet counts 0: an increase from nothing would not be seen.
_NONE_YET = {
    **{(status.value, ""): 0 for status in Status if status is not Status.FAILED},
    **{
        (Status.FAILED.value if fate.kind else "malformed", fate.stage): 0
        for error, fate in TAXONOMY.items()
        if fate.kind or error is MalformedMessage
    },
}


class WorkerCollector(Collector):
    """Reads what a worker's parts have counted."""

    def __init__(self, parts: Parts, depth: Depth) -> None:
        self._parts, self._depth = parts, depth

    def collect(self) -> Iterable[Metric]:
        """Return every metric but the histograms, as it is now."""
        yield from self._delivery()
        yield self._outcomes()
        yield from self._work()
        yield from self._systems()
        model = self._parts.model
        named = {"name": model.name, "version": model.version}
        yield _info(catalogue.MODEL, named)
        yield _info(catalogue.BUILD, build_info())

    def _delivery(self) -> Iterable[Metric]:
        consumer = self._parts.consumer
        counts = consumer.stats.snapshot()
        for name, spec in _COUNTS.items():
            yield _one(spec, counts.get(name, 0))
        yield _one(catalogue.IN_FLIGHT, len(consumer.leases))
        requests = {
            name.removeprefix(_REQUESTS): count
            for name, count in counts.items()
            if name.startswith(_REQUESTS)
        }
        yield _many(catalogue.REQUESTS, requests)
        yield _many(catalogue.QUEUE, self._depth.counts)

    def _outcomes(self) -> Metric:
        family = catalogue.OUTCOMES.family()
        counts = {**_NONE_YET, **self._parts.tally.by_reason()}
        for (status, reason), count in counts.items():
            labels = {"status": status, **({"reason": reason} if reason else {})}
            family.add_sample(catalogue.OUTCOMES.exposed, labels, count)
        return family

    def _work(self) -> Iterable[Metric]:
        parts = self._parts
        yield _one(catalogue.BYTES, parts.budget.used)
        yield _one(catalogue.CHILD_RESTARTS, parts.extraction.restarts)
        yield _one(catalogue.DRIFT, parts.drift.verdict.statistic)
        yield _one(catalogue.DRIFTED, parts.drift.verdict.drifted)

    def _systems(self) -> Iterable[Metric]:
        parts = self._parts
        yield _many(catalogue.BREAKER, parts.breakers())
        yield _one(catalogue.DEPENDENCIES_DOWN, len(parts.dependencies.down))
        yield _one(catalogue.HOSTS_DOWN, len(parts.hosts.down))


def registry_of(parts: Parts, depth: Depth) -> CollectorRegistry:
    """Return a registry with all that one worker tells."""
    registry = CollectorRegistry()
    registry.register(WorkerCollector(parts, depth))
    registry.register(parts.watch.registry)
    ProcessCollector(registry=registry)
    return registry


def _one(spec: Spec, value: float) -> Metric:
    family = spec.family()
    family.add_sample(spec.exposed, {}, float(value))
    return family


def _many(spec: Spec, values: dict[str, int] | dict[str, bool]) -> Metric:
    family = spec.family()
    for name, value in values.items():
        family.add_sample(spec.exposed, {spec.labels[0]: name}, float(value))
    return family


def _info(spec: Spec, values: dict[str, str]) -> Metric:
    family = spec.family()
    family.add_sample(spec.exposed, values, 1.0)
    return family
