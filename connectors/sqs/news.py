"""Deliveries that have ended, told of together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from connectors.sqs.stats import Stats

#: Told of deliveries that have ended: the id of each, and how: ``deleted``,
#: ``returned`` or ``lost``.
OnSettled = Callable[[Sequence[tuple[str, str]]], None]


class News:
    """Counts what has ended, and tells of it when its batch is done with."""

    def __init__(self, on_settled: OnSettled, stats: Stats) -> None:
        self._on_settled, self._stats = on_settled, stats
        self._ended: deque[tuple[str, str]] = deque()

    def add(self, message_id: str, how: str, *, counted: bool = False) -> None:
        """Take in the end of a delivery, which may have been counted before."""
        if not counted:
            self._stats.add(how)
        self._ended.append((message_id, how))

    def tell(self) -> None:
        """Tell of what has ended since."""
        ended: list[tuple[str, str]] = []
        with suppress(IndexError):  # several threads may tell at once
            while self._ended:
                ended.append(self._ended.popleft())
        if ended:
            self._on_settled(ended)
