"""What a worker has done, in Prometheus's names and units."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from connectors.sqs import Consumer
from flows.dependencies import Dependencies
from flows.drift import DriftWatch
from flows.telemetry import Tally
from model.detector import Model

_COUNTERS = {
    "received": "Messages received.",
    "redelivered": "Messages received that had been received before.",
    "copies": "Messages received that were held already.",
    "empty_receives": "Receives that brought nothing.",
    "deleted": "Messages deleted, confirmed by SQS.",
    "returned": "Messages made visible again.",
    "extended": "Leases extended.",
    "lost": "Leases lost.",
    "delete_failures": "Deletes that failed and were tried again.",
}


class WorkerCollector(Collector):
    """Reads a worker's counts at each scrape."""

    def __init__(
        self,
        consumer: Consumer,
        tally: Tally,
        dependencies: Dependencies,
        model: Model,
        drift: DriftWatch,
    ) -> None:
        self._consumer, self._tally = consumer, tally
        self._dependencies, self._model, self._drift = dependencies, model, drift

    def collect(self) -> Iterable[Metric]:
        """Return every metric as it is now."""
        counts = self._consumer.stats.snapshot()
        for name, text in _COUNTERS.items():
            metric = f"earshot_messages_{name}"
            yield CounterMetricFamily(metric, text, value=counts.get(name, 0))
        yield self._requests(counts)
        yield self._outcomes()
        yield GaugeMetricFamily(
            "earshot_messages_in_flight",
            "Messages held now.",
            value=len(self._consumer.leases),
        )
        yield GaugeMetricFamily(
            "earshot_dependencies_down",
            "Outside systems that do not answer now.",
            value=len(self._dependencies.down),
        )
        yield GaugeMetricFamily(
            "earshot_score_drift",
            "Largest difference of the scores' distribution from the training's.",
            value=self._drift.verdict.statistic,
        )
        yield InfoMetricFamily(
            "earshot_model",
            "The model that scores.",
            {"name": self._model.name, "version": self._model.version},
        )

    def _requests(self, counts: dict[str, int]) -> Metric:
        family = CounterMetricFamily(
            "earshot_sqs_requests", "Requests to SQS.", labels=["operation"]
        )
        for name, count in counts.items():
            if name.startswith("requests."):
                family.add_metric([name.removeprefix("requests.")], count)
        return family

    def _outcomes(self) -> Metric:
        family = CounterMetricFamily(
            "earshot_outcomes", "Ended deliveries by status.", labels=["status"]
        )
        for status, count in self._tally.snapshot().items():
            family.add_metric([status], count)
        return family


def registry_of(collector: WorkerCollector) -> CollectorRegistry:
    """Return a registry with one worker's metrics."""
    registry = CollectorRegistry()
    registry.register(collector)
    return registry
