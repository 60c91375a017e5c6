"""Reading the parts of scans, page by page, as a source of bytewax."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from queue import Empty, SimpleQueue

from bytewax.inputs import DynamicSource, StatelessSourcePartition

from connectors.pages import Page, Pages
from flows.discovery.ending import Ending, Window
from flows.discovery.items import Ended, Fate, New, Reader
from flows.discovery.ledger import Scan
from flows.discovery.watermark import Part

#: Time between two looks for a page that is being read.
_LOOK_AGAIN = timedelta(milliseconds=5)

Items = list[New | Ended]


class Budget:
    """How many records a run may still look at; those it has sent before do not count.

    Parameters
    ----------
    most
        None for any number.
    """

    def __init__(self, most: int | None) -> None:
        self._left = most
        self._lock = threading.Lock()

    def spend(self, items: Items) -> Items:
        """Return the first of the items, as many as may be looked at."""
        if self._left is None:
            return items
        with self._lock:
            return list(self._allowed(items))

    def _allowed(self, items: Items) -> Iterator[New | Ended]:
        for item in items:
            counts = isinstance(item, New) or item.fate is not Fate.REMEMBERED
            if counts and not self._left:
                return
            self._left = (self._left or 0) - counts
            yield item


class PageReader:
    """Reads the parts of scans.

    Parameters
    ----------
    limit
        Rows or documents in a page.
    held
        Bounds the records that are read and have not ended.
    on_read
        Told of how many rows or documents were read.
    """

    def __init__(
        self,
        pages: Pages,
        ending: Ending,
        *,
        limit: int,
        held: Window,
        budget: Budget,
        on_read: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._pages, self._ending = pages, ending
        self._limit, self._held, self._budget = limit, held, budget
        self._on_read = on_read

    def read(self, scan: Scan, part: Part, put: Callable[[Items], None]) -> None:
        """Read a part to its end; a page that Mongo or Postgres refuses is awaited."""
        reader = Reader(self._pages.name, scan.selection, scan.memory)
        count, after = 0, None
        while True:
            page = self._page(scan, part, after)
            items = reader(page.found, part, count)
            allowed = self._budget.spend(items)
            count += len(allowed)
            self._put(allowed, put)
            self._on_read(page.read)
            if len(allowed) < len(items):
                return
            if page.next is None:
                part.total = count
                return
            after = page.next

    def _page(self, scan: Scan, part: Part, after: object) -> Page:
        return self._ending.call(
            lambda: self._pages.page(scan.selection, part.span, after, self._limit)
        )

    def _put(self, items: Items, put: Callable[[Items], None]) -> None:
        if items:
            self._held.take(len(items))
            put(items)


class _Reading(StatelessSourcePartition[Items]):
    """Emits the pages that threads have read; ends when they have, or the run does."""

    def __init__(
        self,
        scans: Sequence[Scan],
        reader: PageReader,
        ending: Ending,
        held: Window,
        threads: int,
    ) -> None:
        self._ending, self._held = ending, held
        self._pages: SimpleQueue[Items] = SimpleQueue()
        self._executor = ThreadPoolExecutor(threads, "read")
        self._reading: list[Future[None]] = [
            self._executor.submit(self._read, reader, scan, part)
            for scan in scans
            for part in scan.parts
        ]

    def next_batch(self) -> list[Items]:
        if self._ending.stopped:
            raise StopIteration
        # Asked before the queue is: what is read last must not be missed.
        done = all(future.done() for future in self._reading)
        try:
            return [self._pages.get_nowait()]
        except Empty:
            # At its end the flow waits for what is being sent, and what is being
            # sent can wait for the ledger at the flow's end.
            if done and not self._held.count:
                raise StopIteration from None
            return []

    def next_awake(self) -> datetime | None:
        return None if self._pages.qsize() else datetime.now(UTC) + _LOOK_AGAIN

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _read(self, reader: PageReader, scan: Scan, part: Part) -> None:
        self._ending.guarded(lambda: reader.read(scan, part, self._pages.put), None)


class PageSource(DynamicSource[Items]):
    """The pages of scans, read by as many threads as asked for.

    Parameters
    ----------
    held
        The records that are read and have not ended; the source ends after them.
    """

    def __init__(
        self,
        scans: Sequence[Scan],
        reader: PageReader,
        ending: Ending,
        *,
        held: Window,
        threads: int,
    ) -> None:
        self._build = partial(_Reading, scans, reader, ending, held, threads)

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Reading:
        """Begin to read."""
        return self._build()
