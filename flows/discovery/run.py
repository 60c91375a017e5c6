"""One run of discovery: opened and checked, and what it says at its end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from functools import cached_property, partial
from typing import Any

import structlog
from bytewax.dataflow import Dataflow

from connectors.errors import Unavailable
from connectors.mongo import Database, Results
from connectors.mongo_state import States
from connectors.pages import Pages, Selection
from flows.dependencies import reach
from flows.discovery.ending import Concurrent, Ending, Window
from flows.discovery.enqueue import Check, Send, pass_by
from flows.discovery.graph import Steps, build_flow
from flows.discovery.items import Checked, Ended, Fate, New
from flows.discovery.lease import Lease, LeaseLost
from flows.discovery.ledger import Ledger, Scan
from flows.discovery.plan import Order, plan_scan, state_key
from flows.discovery.scan import Budget, PageReader, PageSource
from flows.discovery.senders import (
    SEND_BATCHES,
    batch_size,
    save_after,
    sending,
    setup_of,
)
from flows.operators import EachBatch
from flows.settings import Settings
from flows.watching.tracing import tracing
from flows.wiring import pages_of

log = structlog.get_logger("earshot")

#: Look-ups of a page's results at once.
CHECK_THREADS = 2
#: Pages that are read and not ended: memory stays flat, however long a date is.
PAGES_HELD = 4


class Discovery:
    """The parts of one run.

    Parameters
    ----------
    settings
        Where everything is.
    order
        What the run is asked to do.

    Raises
    ------
    Unavailable, Misconfigured, QueueGone, LeaseHeld
        When something that it needs is not there after a bounded wait.
    """

    def __init__(self, settings: Settings, order: Order) -> None:
        self.settings, self.order = settings, order
        self.ending = Ending()
        self._stack = ExitStack()
        try:
            self._spans = self._stack.enter_context(tracing("earshot-discovery"))
            self._open()
        except BaseException:
            self._stack.close()
            raise

    def flow(self, on_read: Callable[[int], None] = lambda count: None) -> Dataflow:
        """Return the run's dataflow; call once.

        Parameters
        ----------
        on_read
            Told of how many rows or documents were read.
        """
        settings, order = self.settings, self.order
        reader = PageReader(
            self.pages,
            self.ending,
            limit=settings.discovery_batch_size,
            held=self.held,
            budget=Budget(order.max_records),
            on_read=on_read,
        )
        source = PageSource(
            self.scans, reader, self.ending, held=self.held, threads=order.workers
        )
        return build_flow(
            source,
            EachBatch(self.ledger.put),
            self._steps(),
            batch_size=batch_size(settings.discovery_batch_size),
        )

    @cached_property
    def estimate(self) -> int:
        """About how many rows or documents there are to read."""
        return sum(
            reach(partial(self.pages.estimate, selection))
            for selection in self.order.selections()
        )

    def described(self) -> dict[str, Any]:
        """Return what the run is, for its first line."""
        order = self.order
        return {
            "mode": order.mode,
            "source": self.settings.discovery_source_type,
            "collection": self.pages.name,
            "test_date": order.test_date.isoformat(),
            "subjects": list(order.subject_names),
            "watermark": self.ledger.watermark(),
            "dry_run": order.dry_run,
        }

    def exit_code(self) -> int:
        """Return 0 done, 1 failed, 128 and the number of the signal that ended it."""
        if self.ending.signal is not None:
            return 128 + self.ending.signal
        bad = self.ending.error is not None or self.ledger.counts[Fate.FAILED]
        return 1 if bad else 0

    def save(self) -> None:
        """Write down how far the run has come; what fails here ends it badly."""
        self.ledger.close()
        if isinstance(self.ending.error, LeaseLost):
            return  # what is written down is another run's now
        try:
            reach(self.ledger.save)
        except Unavailable as error:
            self.ending.fail(error)

    def finish(self) -> None:
        """Write down that the run has done all it was asked, if it has.

        To be called when the summary is out: a run that is killed before goes on
        where it was and finds nothing left, one that is killed after has ended.
        """
        if self.ending.stopped:
            return
        try:
            reach(lambda: self.ledger.save(finished=True))
        except Unavailable as error:
            log.warning("end_not_noted", error=str(error))

    def close(self) -> None:
        """Give the lease back and close everything."""
        self._stack.close()

    def summary(self) -> dict[str, Any]:
        """Return what the run has done, as the contract has it."""
        return self.ledger.summary()

    def dry(self) -> dict[str, int]:
        """Return what a dry run would have sent, nothing of any other run."""
        count = self.ledger.counts[Fate.WOULD_SEND]
        return {"would_send": count} if self.order.dry_run else {}

    def _open(self) -> None:
        settings, size = self.settings, self.settings.discovery_batch_size
        self._database = self._open_database()
        self.pages = self._open_pages()
        self._sender = setup_of(settings).sender()
        self._stack.callback(self._sender.close)
        collection = self._database.collection
        self._states = States(collection(settings.mongo_state_collection))
        self._results = Results(collection(settings.mongo_result_collection))
        self._check()
        self._take_lease()
        self.scans = [self._plan(selection) for selection in self.order.selections()]
        self.held = Window(PAGES_HELD * size, self.ending)
        self._unsaved = Window(size, self.ending)
        self.ledger = self._open_ledger()

    def _open_database(self) -> Database:
        settings = self.settings
        database = Database(
            settings.mongo_uri.get_secret_value(), settings.mongo_db_name
        )
        self._stack.callback(database.close)
        return database

    def _open_pages(self) -> Pages:
        pages = pages_of(self.settings, self._database, self.order.workers)
        self._stack.callback(pages.close)
        return pages

    def _check(self) -> None:
        """Reach everything once, so that a wrong address is said at the start."""
        reach(self._database.check)
        if not self.order.dry_run:
            reach(self._sender.check)
        selection = self.order.selections()[0]
        reach(lambda: self.pages.check(selection))
        index = reach(lambda: self.pages.missing_index(selection))
        if index is not None:
            log.warning("index_missing", source=self.pages.name, create=index)

    def _take_lease(self) -> None:
        if self.order.dry_run:
            return
        source = self.settings.discovery_source_type
        whole = state_key(source, self.pages.name, Selection(self.order.test_date))
        lease = Lease(self._states, f"lease {whole}", self.ending)
        reach(lambda: lease.take(force=self.order.force))
        self._stack.callback(lease.release)

    def _plan(self, selection: Selection) -> Scan:
        plan = partial(plan_scan, self.order, self.settings, self.pages)
        return reach(lambda: plan(selection, self._states))

    def _steps(self) -> Steps:
        send: Callable[[list[New]], list[Ended]]
        send = pass_by if self.order.dry_run else self._send()
        # One after the other on a FIFO queue: a group's messages keep their order.
        checks, batches = (1, 1) if self._sender.fifo else (CHECK_THREADS, SEND_BATCHES)
        look = Check(self._results, self.ending)
        check = Concurrent(look, Checked, checks, self.ending)
        sent = Concurrent(send, list[Ended], batches, self.ending)
        self._stack.callback(check.close)
        self._stack.callback(sent.close)
        return Steps(check=check, send=sent)

    def _send(self) -> Send:
        sends = sending(self.settings, self._sender, self.estimate)
        return Send(
            self._stack.enter_context(sends),
            self.ending,
            group_by=self.settings.message_group_by,
            window=self._unsaved,
            spans=self._spans,
        )

    def _open_ledger(self) -> Ledger:
        keeps = self.order.keeps_state and not self.order.dry_run
        return Ledger(
            self.scans,
            self._states if keeps else None,
            self.ending,
            held=self.held,
            unsaved=self._unsaved,
            overlap=timedelta(seconds=self.settings.discovery_overlap_seconds),
            save_after=save_after(self.settings.discovery_batch_size),
        )
