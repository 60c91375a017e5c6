"""Reading the parts of scans, page by page, as a source of bytewax."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from queue import Empty, SimpleQueue

from bytewax.inputs import DynamicSource, StatelessSourcePartition

from connectors.errors import Misconfigured, TooSlow
from connectors.pages import Page, Pages
from flows.discovery.ending import Ending, Window
from flows.discovery.items import Ended, Fate, New, Reader
from flows.discovery.ledger import Scan
from flows.discovery.watermark import Part

#: Time between two looks for a page that is being read.
_LOOK_AGAIN = timedelta(milliseconds=5)
#: Times that a page may take longer than it may, before it is taken to do so always.
SLOW_TRIES = 3

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
    missing_index
        The statement that makes the index that pages lack, None where they have it.
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
        missing_index: str | None = None,
    ) -> None:
        self._pages, self._ending = pages, ending
        self._limit, self._held, self._budget = limit, held, budget
        self._on_read, self._missing_index = on_read, missing_index

    def read(self, scan: Scan, part: Part, put: Callable[[Items], None]) -> None:
        """Read a part to its end; a page that Mongo or Postgres refuses is awaited.

        Raises
        ------
        Misconfigured
            When a page takes too long however often it is asked for.
        """
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
        slow = 0

        def page() -> Page:
            nonlocal slow
            try:
                return self._pages.page(scan.selection, part.span, after, self._limit)
            except TooSlow as error:
                slow += 1
                if slow == SLOW_TRIES:
                    raise self._always_slow(error) from error
                raise

        return self._ending.call(page)

    def _always_slow(self, error: TooSlow) -> Misconfigured:
        remedy = "its index is there: read smaller pages (--batch-size)"
        if self._missing_index:
            remedy = f"make its index: {self._missing_index}"
        return Misconfigured(
            f"{error.system}: a page of {self._pages.name} took longer than "
            f"{error.seconds:g} s, {SLOW_TRIES} times; {remedy}"
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
        on_end: Callable[[], None],
    ) -> None:
        self._reader, self._ending, self._held = reader, ending, held
        self._on_end = on_end
        self._pages: SimpleQueue[Items] = SimpleQueue()
        # One iterator for all threads: each takes the next part from it.
        self._parts = iter([(scan, part) for scan in scans for part in scan.parts])
        # No executor: that would hold the process's end while a query hangs.
        self._threads = [
            threading.Thread(target=self._read, name=f"read_{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def next_batch(self) -> list[Items]:
        if self._ending.stopped:
            raise StopIteration
        # Asked before the queue is: what is read last must not be missed.
        done = not any(thread.is_alive() for thread in self._threads)
        try:
            return [self._pages.get_nowait()]
        except Empty:
            # At its end the flow waits for what is being sent, and what is being
            # sent can wait for the ledger at the flow's end.
            if done and not self._held.count:
                self._on_end()
                raise StopIteration from None
            return []

    def next_awake(self) -> datetime | None:
        return None if self._pages.qsize() else datetime.now(UTC) + _LOOK_AGAIN

    def _read(self) -> None:
        self._ending.guarded(self._read_parts, None)

    def _read_parts(self) -> None:
        for scan, part in self._parts:
            self._reader.read(scan, part, self._pages.put)


class PageSource(DynamicSource[Items]):
    """The pages of scans, read by as many threads as asked for.

    Parameters
    ----------
    held
        The records that are read and have not ended; the source ends after them.

    Attributes
    ----------
    begun
        Whether the flow has begun to read.
    exhausted
        Whether all there is was read, and has ended.
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
        self.begun = self.exhausted = False
        self._build = partial(_Reading, scans, reader, ending, held, threads)

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Reading:
        """Begin to read."""
        self.begun = True
        return self._build(self._note_end)

    def _note_end(self) -> None:
        self.exhausted = True
