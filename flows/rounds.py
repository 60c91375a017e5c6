"""What is handed from one thread to another that takes all there is at once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

X = TypeVar("X")

_LOOK_UP_SECONDS = 0.5


class Rounds(Generic[X]):
    """A queue between one thread that puts and one that takes.

    Parameters
    ----------
    most
        Items of one round.

    Attributes
    ----------
    finished
        Rounds that are done with.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._queue: SimpleQueue[X] = SimpleQueue()
        self._put = self._done = self.finished = 0

    @property
    def held(self) -> int:
        """Items that were put and are not done with."""
        return self._put - self._done

    def put(self, items: Sequence[X]) -> None:
        """Hand over items, in their order."""
        self._put += len(items)
        for item in items:
            self._queue.put(item)

    def take(self) -> list[X]:
        """Return all that waits; after a moment's wait it may be nothing."""
        items: list[X] = []
        with suppress(Empty):
            items.append(self._queue.get(timeout=_LOOK_UP_SECONDS))
            while len(items) < self._most:
                items.append(self._queue.get_nowait())
        return items

    def done(self, items: Sequence[X]) -> None:
        """Say that a round is done with."""
        self.finished += 1
        self._done += len(items)
