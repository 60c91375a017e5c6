"""Extends the leases of what is held, in batches of 10."""

from __future__ import annotations

import structlog

from connectors.sqs.batches import MAX_ENTRIES, is_stale
from connectors.sqs.lease import Lease
from connectors.sqs.leases import Leases
from connectors.sqs.requests import Request
from connectors.sqs.stats import Stats

log = structlog.get_logger("earshot.sqs")


class Heartbeat:
    """Extends each lease at a third of its time, from receipt to confirmed end.

    It stops at a handle that SQS calls invalid (the lease is lost) and short of the
    12 h for which SQS hides a message at most.
    """

    def __init__(self, change: Request, leases: Leases, stats: Stats) -> None:
        self._change, self._leases, self._stats = change, leases, stats

    def beat(self) -> None:
        """Extend every lease that is due."""
        while due := self._leases.due(MAX_ENTRIES):
            for lease in due:
                if not self._leases.extension(lease):
                    self._lose(lease.message_id, lease.receipt_handle, "12 h")
            self._extend([lease for lease in due if not lease.lost])

    def _extend(self, leases: list[Lease]) -> None:
        if not leases:
            return
        handles = [lease.receipt_handle for lease in leases]
        failed = self._change(
            [
                {"ReceiptHandle": handle, "VisibilityTimeout": seconds}
                for handle, seconds in zip(
                    handles, map(self._leases.extension, leases), strict=True
                )
            ]
        )
        for index, lease in enumerate(leases):
            self._answered(lease.message_id, handles[index], failed.get(index))

    def _answered(self, message_id: str, handle: str, code: str | None) -> None:
        if code is None:
            self._leases.extended(message_id)
            self._stats.add("extended")
        elif is_stale(code):
            self._lose(message_id, handle, code)
        else:
            self._leases.not_extended(message_id)

    def _lose(self, message_id: str, handle: str, code: str) -> None:
        if self._leases.lose(message_id, handle):
            self._stats.add("lost")
            log.warning("lease_lost", message_id=message_id, code=code)
