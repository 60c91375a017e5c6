"""The one thread that extends, deletes and returns deliveries.

One thread for all three, so that an extension can never overtake a return and hide a
message that was just made visible. A delete is tried until SQS confirms it, and its
lease is extended until then. Extensions go first, and between any two other requests:
however much there is to end, no lease waits longer than two requests take.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from connectors.sqs.batches import MAX_VISIBILITY_SECONDS, is_stale
from connectors.sqs.heartbeat import Heartbeat
from connectors.sqs.intents import LINGER_SECONDS, Ends, Intent
from connectors.sqs.lease import Phase
from connectors.sqs.leases import Leases
from connectors.sqs.news import News, OnSettled
from connectors.sqs.requests import Request
from connectors.sqs.stats import Stats

log = structlog.get_logger("earshot.sqs")

#: Seconds between two tries of an entry: random up to this, doubled with each try.
RETRY_SECONDS, RETRY_MAX_SECONDS = 0.2, 10.0
#: Tries of a return; its message comes back by itself when the lease runs out.
RETURN_TRIES = 5
#: Seconds after which the thread looks round though nothing was asked of it.
_IDLE_SECONDS = 1.0


class Settlement:
    """Ends deliveries and keeps the leases of those that are held.

    Parameters
    ----------
    delete, change
        Make the batch request of that name, see `Requests`.
    leases
        What is held; permits are freed once SQS has confirmed an end.
    on_settled
        Told of deliveries that have ended, see `OnSettled`.
    on_failure
        Called with an exception that no waiting will mend, such as `QueueGone`; the
        thread has ended then.
    """

    def __init__(
        self,
        *,
        delete: Request,
        change: Request,
        leases: Leases,
        stats: Stats,
        on_failure: Callable[[Exception], None],
        on_settled: OnSettled = lambda ended: None,
        clock: Callable[[], float] = time.monotonic,
        jitter: random.Random | None = None,
    ) -> None:
        self._delete, self._change = delete, change
        self._leases, self._stats = leases, stats
        self._on_failure = on_failure
        self._news = News(on_settled, stats)
        self._clock = clock
        self._jitter = jitter or random.Random()
        self._open: dict[str, Intent] = {}
        self._deletes, self._returns = Ends(), Ends()
        self._asked = threading.Condition()
        self._closing = False
        self._heartbeat = Heartbeat(change, leases, stats)
        self._thread = threading.Thread(target=self._run, name="settle", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self, timeout: float) -> None:
        """End the thread; what is still open then is left to its visibility."""
        with self._asked:
            self._closing = True
            self._asked.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def delete(self, message_ids: Sequence[str]) -> None:
        """Delete deliveries whose outcome is on disk; unknown ids are passed over.

        One that is being returned is deleted nevertheless.
        """
        self._ask(message_ids, self._deletes, None)

    def return_(self, message_ids: Sequence[str], delay: float = 0) -> None:
        """Make deliveries visible again after `delay` seconds.

        One that is already being deleted or returned is passed over.
        """
        seconds = min(max(0, round(delay)), MAX_VISIBILITY_SECONDS)
        self._ask(message_ids, self._returns, seconds)

    def _ask(self, ids: Sequence[str], ends: Ends, delay: int | None) -> None:
        now = self._clock()
        with self._asked:
            for message_id in ids:
                if handle := self._claim(message_id, delay):
                    intent = Intent(message_id, handle, now, delay)
                    self._open[message_id] = intent
                    ends.put(intent)
            self._asked.notify()
        self._news.tell()

    def _claim(self, message_id: str, delay: int | None) -> str | None:
        """Move a lease to its end; return its handle, None when there is no more."""
        lease = self._leases.get(message_id)
        earlier = self._open.get(message_id)
        if earlier is not None and earlier.is_superseded(lease):
            self._settled(earlier, "returned")
        elif earlier is not None and (earlier.delay is None or delay is not None):
            return None
        if lease is None:
            return None
        if lease.lost:
            self._leases.end(message_id, lease.receipt_handle)
            self._open.pop(message_id, None)
            self._news.add(message_id, "lost", counted=True)
            return None
        phase = Phase.DELETING if delay is None else Phase.RETURNING
        self._leases.enter(message_id, phase)
        return lease.receipt_handle

    def _run(self) -> None:
        try:
            while not self._closing:
                self.turn()
                with self._asked:
                    self._asked.wait(self._pause())
        except Exception as error:
            self._on_failure(error)

    def turn(self) -> None:
        """Make the requests that are due now: extensions, deletes, returns."""
        more = True
        while more:
            self._heartbeat.beat()
            deleted = self._delete_some()
            more = self._return_some() or deleted
            self._news.tell()

    def _delete_some(self) -> bool:
        intents = self._take(self._deletes)
        for intent in intents:
            # A copy that came meanwhile has brought a newer handle.
            if lease := self._leases.get(intent.message_id):
                intent.receipt_handle = lease.receipt_handle
        entries = [{"ReceiptHandle": one.receipt_handle} for one in intents]
        return self._settle(self._delete, intents, entries)

    def _return_some(self) -> bool:
        intents = self._take(self._returns)
        entries = [
            {"ReceiptHandle": one.receipt_handle, "VisibilityTimeout": one.delay}
            for one in intents
        ]
        return self._settle(self._change, intents, entries)

    def _take(self, ends: Ends) -> list[Intent]:
        """Take a batch that goes now."""
        while True:
            with self._asked:
                taken = ends.take(self._clock(), self._linger())
            wanted = [intent for intent in taken if self._is_wanted(intent)]
            if wanted or not taken:
                return wanted

    def _is_wanted(self, intent: Intent) -> bool:
        """Tell whether an end is still to be made."""
        if self._open.get(intent.message_id) is not intent:
            return False  # it was to be returned, and is deleted instead
        if intent.is_superseded(self._leases.get(intent.message_id)):
            # What came again by itself is a delivery of its own: not ours to return.
            self._settled(intent, "returned")
            return False
        return True

    def _pause(self) -> float:
        linger = self._linger()
        end = min(self._deletes.next_at(linger), self._returns.next_at(linger))
        lease = self._leases.next_due()
        return max(0.001, min(end - self._clock(), lease, _IDLE_SECONDS))

    def _linger(self) -> float:
        """Return how long an end waits for company: not when all that is held ends."""
        return 0 if len(self._open) >= len(self._leases) else LINGER_SECONDS

    def _settle(
        self, request: Request, intents: list[Intent], entries: list[dict[str, Any]]
    ) -> bool:
        """Make a request and read its answer; False when there is nothing to ask."""
        if not intents:
            return False
        failed = request(entries)
        for index, intent in enumerate(intents):
            if self._open.get(intent.message_id) is not intent:
                continue  # it was superseded or is deleted instead
            code = failed.get(index)
            if code is None or is_stale(code):
                self._answered(intent, code)
            else:
                self._again(intent, code)
        return True

    def _answered(self, intent: Intent, code: str | None) -> None:
        """End a delivery: confirmed, or with a stale handle's code."""
        ended = self._leases.end(intent.message_id, intent.receipt_handle)
        if intent.delay is None and not ended:
            # What was done with the older handle may have done nothing.
            self._again(intent, code or "newer handle")
        elif code is None or not ended:
            self._settled(intent, "deleted" if intent.delay is None else "returned")
        else:
            log.warning("lease_lost", message_id=intent.message_id, code=code)
            self._settled(intent, "lost")

    def _again(self, intent: Intent, code: str) -> None:
        intent.tries += 1
        if intent.delay is None:
            self._stats.add("delete_failures")
        elif intent.tries >= RETURN_TRIES:
            self._leases.end(intent.message_id, intent.receipt_handle)
            self._settled(intent, "returned")
            return
        most = min(RETRY_MAX_SECONDS, RETRY_SECONDS * 2**intent.tries)
        due_at = self._clock() + self._jitter.uniform(0, most)
        with self._asked:
            ends = self._deletes if intent.delay is None else self._returns
            ends.put_again(intent, due_at)
        log.debug("settle_retried", message_id=intent.message_id, code=code)

    def _settled(self, intent: Intent, how: str) -> None:
        with self._asked:
            if self._open.get(intent.message_id) is not intent:
                return
            del self._open[intent.message_id]
        self._news.add(intent.message_id, how)
