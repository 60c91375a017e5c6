"""What a run of discovery leaves for machines to see: a file, or a push gateway."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import (
    CollectorRegistry,
    Gauge,
    push_to_gateway,
    write_to_textfile,
)

from flows.discovery.watermark import time_of
from model.redaction import redact
from model.times import utc_now

log = structlog.get_logger("earshot")

_JOB = "earshot_discovery"
#: Seconds that a push gateway may take.
_PUSH_SECONDS = 5.0
_COUNTS = ("scanned", "skipped_existing", "sent", "failed")


def report(
    summary: Mapping[str, Any],
    *,
    collection: str,
    seconds: float,
    succeeded: bool,
    push_url: str | None,
    textfile: Path | None,
) -> None:
    """Write what a run has done where it is told to; failing there is only a warning.

    Parameters
    ----------
    summary
        The run's counts and watermark.
    push_url
        A push gateway; its group is the source collection.
    textfile
        A file ``*.prom`` in the folder that the node exporter's collector reads.
    """
    registry = _registry(summary, collection, seconds, succeeded)
    try:
        if textfile is not None:
            write_to_textfile(str(textfile), registry)
        if push_url is not None:
            group = {"source_collection": collection}
            push_to_gateway(
                push_url, _JOB, registry, grouping_key=group, timeout=_PUSH_SECONDS
            )
    except (OSError, HTTPException) as error:
        log.warning("metrics_not_written", error=redact(str(error)))


def _registry(
    summary: Mapping[str, Any], collection: str, seconds: float, succeeded: bool
) -> CollectorRegistry:
    registry = CollectorRegistry()

    def gauge(name: str, text: str, value: float) -> None:
        metric = Gauge(f"{_JOB}_{name}", text, ["source_collection"], registry=registry)
        metric.labels(collection).set(value)

    for name in _COUNTS:
        gauge(f"records_{name}", f"Records {name} by the last run.", summary[name])
    gauge("seconds", "Duration of the last run.", seconds)
    gauge("success", "Whether the last run ended well.", succeeded)
    gauge("end_timestamp_seconds", "End of the last run.", utc_now().timestamp())
    reached = time_of(summary["watermark"])
    if reached is not None:
        text = "The watermark after the last run."
        gauge("watermark_timestamp_seconds", text, reached.timestamp())
    return registry
