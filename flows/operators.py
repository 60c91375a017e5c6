"""Operators that bytewax does not have: batches by age, work that overlaps.

Both keep one state for the whole stream, since one process has one bytewax worker.
Neither is recovered: what they hold is still on the queue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, as_completed
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import TypeVar

import bytewax.operators as op
from bytewax.dataflow import Stream, operator
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import DynamicSink, StatelessSinkPartition

X = TypeVar("X")
Y = TypeVar("Y")

_KEY = "all"
#: Time between two looks at whether a batch need not wait on.
_LOOK_AGAIN = timedelta(milliseconds=20)
#: Time between two looks at the work that is under way.
EVERY = timedelta(milliseconds=5)


class _BatchLogic(StatefulBatchLogic[X, list[X], None]):
    def __init__(self, size: int, age: timedelta, idle: Callable[[int], bool]) -> None:
        self._size, self._age, self._idle = size, age, idle
        self._items: list[X] = []
        self._due: datetime | None = None

    def on_batch(self, values: list[X]) -> tuple[list[list[X]], bool]:
        if not self._items:
            self._due = datetime.now(UTC) + self._age
        self._items.extend(values)
        full = []
        while len(self._items) >= self._size:
            full.append(self._items[: self._size])
            self._items = self._items[self._size :]
            self._due = datetime.now(UTC) + self._age
        if self._items and self._idle(len(self._items)):
            full += self._flush()
        return full, self.RETAIN

    def on_notify(self) -> tuple[list[list[X]], bool]:
        # A call can come late, when its batch has gone by count.
        late = self._due is not None and datetime.now(UTC) >= self._due
        go = late or self._idle(len(self._items))
        return self._flush() if go else [], self.RETAIN

    def on_eof(self) -> tuple[list[list[X]], bool]:
        return self._flush(), self.DISCARD

    def notify_at(self) -> datetime | None:
        if not self._items or self._due is None:
            return None
        return min(self._due, datetime.now(UTC) + _LOOK_AGAIN)

    def snapshot(self) -> None:
        return None

    def _flush(self) -> list[list[X]]:
        items, self._items, self._due = self._items, [], None
        return [items] if items else []


@operator
def batch(
    step_id: str,
    up: Stream[X],
    *,
    size: int,
    age: timedelta,
    idle: Callable[[int], bool] = lambda waiting: False,
) -> Stream[list[X]]:
    """Group items into lists, by count and by the age of the first.

    Parameters
    ----------
    size
        Items of a full list.
    age
        Time after its first item at which a smaller list goes.
    idle
        Told how many items wait, returns whether nothing is gained by waiting on.
    """
    keyed = op.key_on("key", up, lambda _: _KEY)

    def build(_: None) -> StatefulBatchLogic[X, list[X], None]:
        return _BatchLogic(size, age, idle)

    return op.key_rm("unkey", op.stateful_batch("batch", keyed, build))


class _MapConcurrentLogic(StatefulBatchLogic[X, Y, None]):
    def __init__(self, submit: Callable[[X], Future[Y]], every: timedelta) -> None:
        self._submit, self._every = submit, every
        self._pending: set[Future[Y]] = set()
        self._done: SimpleQueue[Future[Y]] = SimpleQueue()

    def on_batch(self, values: list[X]) -> tuple[list[Y], bool]:
        for value in values:
            future = self._submit(value)
            self._pending.add(future)
            future.add_done_callback(self._done.put)
        return self._finished(), self.RETAIN

    def on_notify(self) -> tuple[list[Y], bool]:
        return self._finished(), self.RETAIN

    def on_eof(self) -> tuple[list[Y], bool]:
        results = [future.result() for future in as_completed(self._pending)]
        self._pending.clear()
        return results, self.DISCARD

    def notify_at(self) -> datetime | None:
        return datetime.now(UTC) + self._every if self._pending else None

    def snapshot(self) -> None:
        return None

    def _finished(self) -> list[Y]:
        results = []
        while not self._done.empty():
            future = self._done.get()
            self._pending.remove(future)
            results.append(future.result())
        return results


@operator
def map_concurrent(
    step_id: str,
    up: Stream[X],
    submit: Callable[[X], Future[Y]],
    *,
    every: timedelta = EVERY,
) -> Stream[Y]:
    """Map items through an executor; results come in the order they are finished.

    Parameters
    ----------
    submit
        Starts the work on an item, such as ``partial(executor.submit, work)``. Its
        executor bounds how much runs at once; an exception ends the flow.
    every
        Time between two looks at what is finished: each is a turn of the whole graph.
    """
    keyed = op.key_on("key", up, lambda _: _KEY)

    def build(_: None) -> StatefulBatchLogic[X, Y, None]:
        return _MapConcurrentLogic(submit, every)

    return op.key_rm("unkey", op.stateful_batch("map", keyed, build))


class _Each(StatelessSinkPartition[X]):
    def __init__(self, take: Callable[[Sequence[X]], None]) -> None:
        self._take = take

    def write_batch(self, items: list[X]) -> None:
        self._take(items)


class EachBatch(DynamicSink[X]):
    """The end of a flow: hands what arrives to a function, on the flow's thread."""

    def __init__(self, take: Callable[[Sequence[X]], None]) -> None:
        self._take = take

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Each[X]:
        """Build one worker's end."""
        return _Each(self._take)
