"""Batch requests on one queue: counted, and an outage logged once at each end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from connectors.errors import Unavailable
from connectors.sqs.batches import Call, call_batch
from connectors.sqs.stats import Stats

log = structlog.get_logger("earshot.sqs")

#: Makes one batch request; returns the error code of each entry that failed.
Request = Callable[[Sequence[Mapping[str, Any]]], dict[int, str]]


class Requests:
    """Makes batch requests of which an outage fails every entry, and raises nothing.

    Only `QueueGone` is raised: waiting mends all else.
    """

    def __init__(self, queue_url: str, stats: Stats) -> None:
        self._queue_url, self._stats = queue_url, stats
        self._reachable = True

    def of(self, call: Call, operation: str) -> Request:
        """Return a client's batch method as a `Request`."""

        def request(entries: Sequence[Mapping[str, Any]]) -> dict[int, str]:
            self._stats.add(f"requests.{operation}")
            try:
                failed = call_batch(call, self._queue_url, entries)
            except Unavailable as error:
                self._note(reachable=False, error=str(error))
                return dict.fromkeys(range(len(entries)), "Unavailable")
            self._note(reachable=True)
            return failed

        return request

    def _note(self, *, reachable: bool, error: str | None = None) -> None:
        if reachable != self._reachable:
            self._reachable = reachable
            log.warning("sqs_settlement_reachable", reachable=reachable, error=error)
