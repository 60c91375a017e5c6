"""A span for each recording, with its stages as children (OpenTelemetry).

A record's trace id is its trace's. Discovery emits the first span of the trace; its id
is the second half of the trace id, so that a worker, which knows no more than the trace
id, can name it as the parent of its own. A message that is delivered again makes a
further span under the same parent.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from importlib.metadata import entry_points

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from flows.watching.build import VERSION
from flows.watching.tracing import EXPORTER
from model.outcomes import Outcome
from model.records import DiscoveryRecord

#: Seconds in which what is left is sent at the end.
CLOSE_SECONDS = 5.0
#: Deliveries whose stages are remembered: beyond any that are held.
_REMEMBERED = 20_000
_SPAN_BITS = (1 << 64) - 1

_Noted = list[tuple[str, float, float]]


class RecordingSpans:
    """Emits spans by the SDK's own settings."""

    def __init__(self, service: str) -> None:
        self._ids = _Ids()
        self._provider = TracerProvider(
            id_generator=self._ids,
            resource=Resource.create(_name(service)),
            shutdown_on_exit=False,
        )
        for exporter in _exporters():
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("earshot", VERSION)
        self._stages: dict[str, _Noted] = {}

    def note(self, ids: Sequence[str], stage: str, began: float, ended: float) -> None:
        """Note a stage of deliveries, in seconds of ``time.monotonic``."""
        for message_id in ids:
            self._stages.setdefault(message_id, []).append((stage, began, ended))
        while len(self._stages) > _REMEMBERED:
            self.forget(next(iter(self._stages)))

    def forget(self, message_id: str) -> None:
        """Drop what was noted of a delivery that has no outcome."""
        self._stages.pop(message_id, None)

    def ended(self, outcome: Outcome, how: str) -> None:
        """Emit the span of a delivery that has ended, and those of its stages."""
        noted, offset = self._stages.pop(outcome.item.message_id, []), _offset()
        stages = [
            (name, int(began * 1e9) + offset, int(ended * 1e9) + offset)
            for name, began, ended in noted
        ]
        trace_id = int(outcome.item.record.trace_id, 16)
        if not stages or not _span_id(trace_id):
            return
        span = self._tracer.start_span(
            "recording",
            self._under_discovery(trace_id),
            SpanKind.CONSUMER,
            _attributes(outcome, how),
            start_time=min(began for _, began, _ in stages),
        )
        if outcome.failure is not None:
            span.set_status(Status(StatusCode.ERROR, str(outcome.failure)))
        self._emit_stages(span, stages)
        span.end(max(ended for *_, ended in stages))

    def discovered(self, records: Sequence[DiscoveryRecord]) -> None:
        """Emit the span of each record that was just sent."""
        now = time.time_ns()
        for record in records:
            with self._ids.of_discovery(int(record.trace_id, 16)):
                span = self._tracer.start_span(
                    "discovered",
                    Context(),
                    SpanKind.PRODUCER,
                    {"earshot.source_collection": record.source_collection},
                    start_time=int(record.discovered_at.timestamp() * 1e9),
                )
            span.end(now)

    def close(self) -> None:
        """Send what is left, in a bounded time: a collector may be out of reach."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)

    def _emit_stages(self, span: Span, stages: list[tuple[str, int, int]]) -> None:
        within = set_span_in_context(span, Context())
        for name, began, ended in stages:
            self._tracer.start_span(name, within, start_time=began).end(ended)

    def _under_discovery(self, trace_id: int) -> Context:
        # Discovery asked the sampler the same question, of a span without a parent.
        sampled = self._provider.sampler.should_sample(None, trace_id, "discovered")
        wanted = sampled.decision is Decision.RECORD_AND_SAMPLE
        flag = TraceFlags.SAMPLED if wanted else TraceFlags.DEFAULT
        parent = SpanContext(
            trace_id, _span_id(trace_id), is_remote=True, trace_flags=TraceFlags(flag)
        )
        return set_span_in_context(NonRecordingSpan(parent), Context())


class _Ids(RandomIdGenerator):
    """Random ids, but for spans of discovery: a record's trace id says both."""

    def __init__(self) -> None:
        super().__init__()
        self._of = threading.local()

    def of_discovery(self, trace_id: int) -> _Ids:
        """Return a context in which this thread's next span is that of a record."""
        self._of.trace_id = trace_id
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        self._of.trace_id = None

    def generate_trace_id(self) -> int:
        """Return the record's trace id, or a random one."""
        return getattr(self._of, "trace_id", None) or super().generate_trace_id()

    def generate_span_id(self) -> int:
        """Return the id of the record's first span, or a random one."""
        trace_id = getattr(self._of, "trace_id", None)
        return _span_id(trace_id or 0) or super().generate_span_id()


def _span_id(trace_id: int) -> int:
    return trace_id & _SPAN_BITS


def _exporters() -> list[SpanExporter]:
    """Return the exporters that the environment names, by their entry points."""
    names = os.environ.get(EXPORTER) or "otlp"
    return [_exporter(name.strip()) for name in names.split(",")]


def _exporter(name: str) -> SpanExporter:
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"
    )
    full = f"otlp_proto_{protocol.partition('/')[0]}" if name == "otlp" else name
    found = entry_points(group="opentelemetry_traces_exporter", name=full)
    if not found:
        raise ImportError(f"no exporter {full}")
    exporter: SpanExporter = next(iter(found)).load()()
    return exporter


def _name(service: str) -> dict[str, str]:
    named = os.environ.get("OTEL_SERVICE_NAME") or (
        "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    )
    return {} if named else {SERVICE_NAME: service}


def _attributes(outcome: Outcome, how: str) -> dict[str, str | int | float | bool]:
    item, judged = outcome.item, outcome.judgement
    found: dict[str, str | int | float | bool] = {
        "messaging.system": "aws_sqs",
        "messaging.message.id": item.message_id,
        "earshot.receive_count": item.receive_count,
        "earshot.result_document_id": item.result_document_id,
        "earshot.status": outcome.status.value,
        "earshot.settled": how,
    }
    if judged is not None:
        found["earshot.anomaly_score"] = judged.anomaly_score
        found["earshot.model_version"] = judged.model_version
    return found


def _offset() -> int:
    """Return the nanoseconds from the monotonic clock to the wall's."""
    return time.time_ns() - time.monotonic_ns()
