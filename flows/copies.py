"""Copies of one record in flight at once: one is worked on, the others wait for it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from model.outcomes import Outcome, Status
from model.records import WorkItem

#: A record, and the model below which its result is to be replaced: a delivery that
#: asks for that must not end as a copy of one that finds the old result good enough.
_Key = tuple[str, str | None]


class Copies:
    """The records under way in this process, each with its other deliveries."""

    def __init__(self) -> None:
        self._waiting: dict[_Key, list[WorkItem]] = {}
        self._lock = threading.Lock()

    def admit(self, items: Sequence[WorkItem]) -> list[WorkItem]:
        """Return the items to work on; a copy of one under way waits for it."""
        admitted = []
        with self._lock:
            for item in items:
                copies = self._waiting.get(_key(item))
                if copies is None:
                    self._waiting[_key(item)] = []
                    admitted.append(item)
                else:
                    copies.append(item)
        return admitted

    def resolve(self, outcome: Outcome) -> list[Outcome]:
        """Return an item's outcome and that of each of its copies.

        A copy of a completed record has its result already; any other end is shared.
        """
        copies = self.release(outcome.item)
        shared = outcome
        if outcome.status is Status.COMPLETED:
            shared = Outcome(outcome.item, Status.SKIPPED_EXISTING)
        return [outcome, *(replace(shared, item=copy) for copy in copies)]

    def release(self, item: WorkItem) -> list[WorkItem]:
        """End an item without an outcome; return the copies that waited for it."""
        with self._lock:
            return self._waiting.pop(_key(item), [])

    def __len__(self) -> int:
        return len(self._waiting)


def _key(item: WorkItem) -> _Key:
    return item.result_document_id, item.reprocess_below
