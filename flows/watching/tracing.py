"""Traces, where OpenTelemetry's own variables ask for them: see `spans`.

Without them nothing of OpenTelemetry is imported, and nothing is noted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import structlog

if TYPE_CHECKING:
    from flows.watching.spans import RecordingSpans
    from model.records import DiscoveryRecord

log = structlog.get_logger("earshot")

#: Any of these turns traces on.
_ASKING = (
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)
EXPORTER, DISABLED = "OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED"


class FirstSpans(Protocol):
    """What emits the first span of a record's trace."""

    def discovered(self, records: Sequence[DiscoveryRecord]) -> None:
        """Emit the span of each record that was just sent."""
        ...


def is_asked_for() -> bool:
    """Tell whether the environment asks for traces."""
    if os.environ.get(DISABLED, "").strip().lower() == "true":
        return False
    if os.environ.get(EXPORTER, "").strip().lower() == "none":
        return False
    return any(os.environ.get(name) for name in _ASKING)


@contextmanager
def tracing(service: str) -> Iterator[RecordingSpans | None]:
    """Give what emits spans, None where nobody asks for them; send the rest at the end.

    That they cannot be had is a warning: recordings matter more.

    Parameters
    ----------
    service
        The service's name where ``OTEL_SERVICE_NAME`` does not say it.
    """
    spans = _spans(service) if is_asked_for() else None
    try:
        yield spans
    finally:
        if spans is not None:
            spans.close()


def _spans(service: str) -> RecordingSpans | None:
    try:
        from flows.watching.spans import RecordingSpans

        return RecordingSpans(service)
    except ImportError as error:
        log.warning("tracing_unavailable", error=f"{error}: expected the extra otel")
    except Exception as error:  # a wrong variable, and the SDK raises what it likes
        log.warning("tracing_unavailable", error=str(error))
    return None
