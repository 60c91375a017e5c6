"""What one consumer has done so far, for logs and metrics to read."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence


class Stats:
    """Named counts that any thread may raise.

    The names: ``received``, ``redelivered``, ``copies``, ``empty_receives``,
    ``deleted``, ``returned``, ``extended``, ``lost``, ``delete_failures``, and
    ``requests.OPERATION`` for each of SQS's operations.

    Attributes
    ----------
    on_received
        Called with the ages of the messages that each receive brought: seconds since
        they were sent. By default it does nothing.
    """

    def __init__(self) -> None:
        self.on_received: Callable[[Sequence[float]], None] = lambda ages: None
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, name: str, count: int = 1) -> None:
        """Raise a count."""
        with self._lock:
            self._counts[name] += count

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    def snapshot(self) -> dict[str, int]:
        """Return every count as it is now."""
        with self._lock:
            return dict(self._counts)
