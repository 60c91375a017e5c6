"""Ends that were asked for and are not confirmed, in the order in which they go."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from itertools import count

from connectors.sqs.batches import MAX_ENTRIES
from connectors.sqs.lease import Lease

#: Seconds that an end waits for others to fill its batch of 10.
LINGER_SECONDS = 0.05


@dataclass(slots=True, eq=False)
class Intent:
    """What is to become of one delivery; `delay` is None for a delete.

    Attributes
    ----------
    delay
        Seconds until the message is visible again.
    """

    message_id: str
    receipt_handle: str
    asked_at: float
    delay: int | None = None
    tries: int = 0

    def is_superseded(self, lease: Lease | None) -> bool:
        """Tell whether a message that is to be returned came again by itself."""
        again = lease is not None and lease.receipt_handle != self.receipt_handle
        return again and self.delay is not None


class Ends:
    """Intents of one kind; each costs the same to put and take, however many wait."""

    def __init__(self) -> None:
        self._first: deque[Intent] = deque()
        self._again: list[tuple[float, int, Intent]] = []
        self._number = count()

    def put(self, intent: Intent) -> None:
        """Put an intent that is tried first."""
        self._first.append(intent)

    def put_again(self, intent: Intent, due_at: float) -> None:
        """Put an intent that is tried again at `due_at`."""
        heapq.heappush(self._again, (due_at, next(self._number), intent))

    def take(self, now: float, linger: float) -> list[Intent]:
        """Take up to 10 that go now: a full batch, or what has waited `linger` s."""
        while self._again and self._again[0][0] <= now:
            self._first.appendleft(heapq.heappop(self._again)[2])
        most = min(MAX_ENTRIES, len(self._first))
        waited = most and self._first[0].asked_at + linger <= now
        if most < MAX_ENTRIES and not waited:
            return []
        return [self._first.popleft() for _ in range(most)]

    def next_at(self, linger: float) -> float:
        """Return when something goes next, infinity for never."""
        at = self._again[0][0] if self._again else float("inf")
        if len(self._first) >= MAX_ENTRIES:
            return self._first[0].asked_at
        return min(at, self._first[0].asked_at + linger) if self._first else at
