"""One run of discovery: opened and checked, and what it says at its end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import timedelta
from functools import cached_property, partial
from typing import Any

import structlog
from bytewax.dataflow import Dataflow

from connectors.errors import TooSlow, Unavailable
from connectors.pages import Pages, Selection
from flows.dependencies import reach
from flows.discovery.ending import Concurrent, Ending, Window
from flows.discovery.enqueue import Check, Send, pass_by
from flows.discovery.graph import Steps, build_flow
from flows.discovery.items import Checked, Ended, Fate, New
from flows.discovery.lease import Lease
from flows.discovery.ledger import Ledger, Scan
from flows.discovery.plan import Order, plan_scan, state_key
from flows.discovery.scan import Budget, PageReader, PageSource
from flows.discovery.senders import SEND_BATCHES, batch_size, save_after, sending
from flows.discovery.systems import Systems
from flows.operators import EachBatch
from flows.settings import Settings
from flows.watching.tracing import tracing

log = structlog.get_logger("earshot")

#: Look-ups of a page's results at once.
CHECK_THREADS = 2
#: Pages that are read and not ended: memory stays flat, however long a date is.
PAGES_HELD = 4
#: Seconds that a run which ends takes to write down how far it came, and to close what
#: it has open; what hangs then is left.
SAVE_SECONDS, CLOSE_SECONDS = 3.0, 2.0


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
        self._source: PageSource | None = None
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
            missing_index=self._systems.missing_index,
        )
        self._source = PageSource(
            self.scans, reader, self.ending, held=self.held, threads=order.workers
        )
        return build_flow(
            self._source,
            EachBatch(self.ledger.put),
            self._steps(),
            batch_size=batch_size(settings.discovery_batch_size),
        )

    @property
    def pages(self) -> Pages:
        """The source."""
        return self._systems.pages

    @property
    def begun(self) -> bool:
        """Whether its dataflow has begun to read."""
        return self._source is not None and self._source.begun

    @property
    def complete(self) -> bool:
        """Whether the run has done all it was asked."""
        exhausted = self._source is not None and self._source.exhausted
        return exhausted and not self.ending.stopped

    @cached_property
    def estimate(self) -> int:
        """About how many rows or documents there are to read, 0 if that takes long."""
        estimates = (
            partial(self.pages.estimate, one) for one in self.order.selections()
        )
        with suppress(TooSlow):
            return sum(reach(estimate) for estimate in estimates)
        return 0

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
        return 0 if self.complete and not self.ledger.counts[Fate.FAILED] else 1

    def save(self) -> None:
        """Write down how far the run has come; what fails here ends it badly."""
        try:
            self.ending.bounded(self._save, SAVE_SECONDS)
        except Unavailable as error:
            self.ending.fail(error)
        except TimeoutError:
            late = f"how far the run came is not written down after {SAVE_SECONDS:g} s"
            self.ending.fail(Unavailable("mongo", late))

    def finish(self) -> None:
        """Write down that the run has done all it was asked, if it has.

        To be called when the summary is out: a run that is killed before goes on
        where it was and finds nothing left, one that is killed after has ended.
        """
        if not self.complete:
            return
        save = partial(self.ledger.save, finished=True)
        try:
            self.ending.bounded(lambda: reach(save, self.ending.stop), SAVE_SECONDS)
        except (Unavailable, TimeoutError) as error:
            log.warning("end_not_noted", error=str(error))

    def close(self) -> None:
        """Give the lease back and close everything."""
        try:
            self.ending.bounded(self._stack.close, CLOSE_SECONDS)
        except Exception as error:  # all is done, and its exit code stands
            log.warning("not_closed", error=repr(error))

    def summary(self) -> dict[str, Any]:
        """Return what the run has done, as the contract has it."""
        return self.ledger.summary()

    def dry(self) -> dict[str, int]:
        """Return what a dry run would have sent, nothing of any other run."""
        count = self.ledger.counts[Fate.WOULD_SEND]
        return {"would_send": count} if self.order.dry_run else {}

    def _save(self) -> None:
        self.ledger.close()
        if not self._lease.lost:  # else what is written down is another run's
            reach(self.ledger.save, self.ending.stop)

    def _open(self) -> None:
        order, size = self.order, self.settings.discovery_batch_size
        self._systems = Systems(
            self.settings,
            readers=order.workers,
            stack=self._stack,
            stop=self.ending.stop,
        )
        self._systems.check(order.selections()[0], sends=not order.dry_run)
        self._take_lease()
        self.scans = [self._plan(selection) for selection in order.selections()]
        self.held = Window(PAGES_HELD * size, self.ending)
        self._unsaved = Window(size, self.ending)
        self.ledger = self._open_ledger()

    def _take_lease(self) -> None:
        source = self.settings.discovery_source_type
        whole = state_key(source, self.pages.name, Selection(self.order.test_date))
        self._lease = Lease(self._systems.states, f"lease {whole}", self.ending)
        if not self.order.dry_run:
            reach(lambda: self._lease.take(force=self.order.force))
            self._stack.callback(self._lease.release)

    def _plan(self, selection: Selection) -> Scan:
        plan = partial(plan_scan, self.order, self.settings, self.pages)
        return reach(lambda: plan(selection, self._systems.states))

    def _steps(self) -> Steps:
        send: Callable[[list[New]], list[Ended]]
        send = pass_by if self.order.dry_run else self._send()
        # One after the other on a FIFO queue: a group's messages keep their order.
        fifo = self._systems.sender.fifo
        checks, batches = (1, 1) if fifo else (CHECK_THREADS, SEND_BATCHES)
        look = Check(self._systems.results, self.ending)
        check = Concurrent(look, Checked, checks, self.ending)
        sent = Concurrent(send, list[Ended], batches, self.ending)
        self._stack.callback(check.close)
        self._stack.callback(sent.close)
        return Steps(check=check, send=sent)

    def _send(self) -> Send:
        sender, records = self._systems.sender, self.estimate
        sends = sending(self.settings, sender, records, self.ending)
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
            self._systems.states if keeps else None,
            self.ending,
            held=self.held,
            unsaved=self._unsaved,
            overlap=timedelta(seconds=self.settings.discovery_overlap_seconds),
            save_after=save_after(self.settings.discovery_batch_size),
        )
