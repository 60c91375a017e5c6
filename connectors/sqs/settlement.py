"""The one thread that extends, deletes and returns deliveries.

One thread for all three, so that an extension can never overtake a return and hide a
message that was just made visible. A delete is tried until SQS confirms it, and its
lease is extended until then.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from connectors.sqs.batches import MAX_ENTRIES, MAX_VISIBILITY_SECONDS, is_stale
from connectors.sqs.heartbeat import Heartbeat
from connectors.sqs.leases import Leases, Phase
from connectors.sqs.requests import Request
from connectors.sqs.stats import Stats

log = structlog.get_logger("earshot.sqs")

#: Seconds that a delete waits for others to fill its batch of 10.
LINGER_SECONDS = 0.05
#: Seconds between two tries of an entry: random up to this, doubled with each try.
RETRY_SECONDS, RETRY_MAX_SECONDS = 0.2, 10.0
#: Tries of a return; its message comes back by itself when the lease runs out.
RETURN_TRIES = 5
#: Seconds after which the thread looks round though nothing was asked of it.
_IDLE_SECONDS = 1.0


@dataclass(slots=True)
class _Intent:
    """What is to become of one delivery."""

    message_id: str
    receipt_handle: str
    asked_at: float
    due_at: float
    delay: int | None = None  # seconds until visible again; None deletes
    tries: int = 0


class Settlement:
    """Ends deliveries and keeps the leases of those that are held.

    Parameters
    ----------
    delete, change
        Make the batch request of that name, see `Requests`.
    leases
        What is held; permits are freed once SQS has confirmed an end.
    on_settled
        Called with the id of each delivery that has ended, and how: ``deleted``,
        ``returned`` or ``lost``.
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
        on_settled: Callable[[str, str], None] = lambda message_id, how: None,
        clock: Callable[[], float] = time.monotonic,
        jitter: random.Random | None = None,
    ) -> None:
        self._delete, self._change = delete, change
        self._leases, self._stats = leases, stats
        self._on_failure, self._on_settled = on_failure, on_settled
        self._clock = clock
        self._jitter = jitter or random.Random()
        self._intents: dict[str, _Intent] = {}
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
        """Delete deliveries whose outcome is on disk; unknown ids are passed over."""
        self._ask(message_ids, Phase.DELETING, None)

    def return_(self, message_ids: Sequence[str], delay: float = 0) -> None:
        """Make deliveries visible again after `delay` seconds."""
        seconds = min(max(0, round(delay)), MAX_VISIBILITY_SECONDS)
        self._ask(message_ids, Phase.RETURNING, seconds)

    def _ask(self, ids: Sequence[str], phase: Phase, delay: int | None) -> None:
        now = self._clock()
        with self._asked:
            for message_id in ids:
                if handle := self._claim(message_id, phase):
                    intent = _Intent(message_id, handle, now, now, delay)
                    self._intents[message_id] = intent
            self._asked.notify()

    def _claim(self, message_id: str, phase: Phase) -> str | None:
        """Move a lease to its end; return its handle, None when there is no more."""
        lease = self._leases.get(message_id)
        open_intent = self._intents.get(message_id)
        if lease is None or (open_intent and open_intent.delay is None):
            return None
        if open_intent and self._is_superseded(open_intent):
            self._ended(message_id, "returned")
        if lease.lost:
            self._leases.end(message_id, lease.receipt_handle)
            self._on_settled(message_id, "lost")
            return None
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
        """Make the requests that are due now: deletes, returns, extensions."""
        while deletes := self._ready(deletes=True):
            self._settle(self._delete, deletes, [self._handle(i) for i in deletes])
        self._end_superseded()
        while returns := self._ready(deletes=False):
            self._settle(self._change, returns, [self._visible(i) for i in returns])
        self._heartbeat.beat()

    def _pause(self) -> float:
        now = self._clock()
        times = [max(i.due_at, self._full_at(i)) for i in self._intents.values()]
        lease = self._leases.next_due()
        waits = [at - now for at in times] + ([lease] if lease is not None else [])
        return max(0.001, min([*waits, _IDLE_SECONDS]))

    def _full_at(self, intent: _Intent) -> float:
        """Return when an intent stops waiting for company."""
        alone = len(self._intents) == len(self._leases)
        return intent.asked_at + (0 if alone else LINGER_SECONDS)

    def _ready(self, *, deletes: bool) -> list[_Intent]:
        now = self._clock()
        with self._asked:
            wanted = [
                intent
                for intent in self._intents.values()
                if (intent.delay is None) is deletes and intent.due_at <= now
            ]
            full = len(wanted) >= MAX_ENTRIES
            go = full or any(self._full_at(i) <= now for i in wanted)
            return wanted[:MAX_ENTRIES] if go else []

    def _end_superseded(self) -> None:
        """End the returns of what came again by itself: their handles are stale."""
        with self._asked:
            stale = [i for i in self._intents.values() if self._is_superseded(i)]
        for intent in stale:
            self._drop(intent)
            self._ended(intent.message_id, "returned")

    def _is_superseded(self, intent: _Intent) -> bool:
        lease = self._leases.get(intent.message_id)
        again = lease and lease.receipt_handle != intent.receipt_handle
        return bool(again) and intent.delay is not None

    def _handle(self, intent: _Intent) -> dict[str, Any]:
        lease = self._leases.get(intent.message_id)
        if lease is not None:
            intent.receipt_handle = lease.receipt_handle
        return {"ReceiptHandle": intent.receipt_handle}

    def _visible(self, intent: _Intent) -> dict[str, Any]:
        return self._handle(intent) | {"VisibilityTimeout": intent.delay}

    def _settle(
        self, request: Request, intents: list[_Intent], entries: list[dict[str, Any]]
    ) -> None:
        failed = request(entries)
        for index, intent in enumerate(intents):
            code = failed.get(index)
            if code is None:
                self._confirmed(intent)
            elif is_stale(code):
                self._stale(intent, code)
            else:
                self._again(intent, code)

    def _confirmed(self, intent: _Intent) -> None:
        ended = self._leases.end(intent.message_id, intent.receipt_handle)
        if intent.delay is None and not ended:
            self._again(intent, "newer handle")
            return
        self._drop(intent)
        how = "deleted" if intent.delay is None else "returned"
        self._ended(intent.message_id, how)

    def _stale(self, intent: _Intent, code: str) -> None:
        ended = self._leases.end(intent.message_id, intent.receipt_handle)
        if intent.delay is None and not ended:
            self._again(intent, code)
            return
        self._drop(intent)
        log.warning("lease_lost", message_id=intent.message_id, code=code)
        self._ended(intent.message_id, "lost")

    def _ended(self, message_id: str, how: str) -> None:
        self._stats.add(how)
        self._on_settled(message_id, how)

    def _again(self, intent: _Intent, code: str) -> None:
        intent.tries += 1
        if intent.delay is None:
            self._stats.add("delete_failures")
        elif intent.tries >= RETURN_TRIES:
            self._leases.end(intent.message_id, intent.receipt_handle)
            self._drop(intent)
            self._ended(intent.message_id, "returned")
            return
        most = min(RETRY_MAX_SECONDS, RETRY_SECONDS * 2**intent.tries)
        intent.due_at = self._clock() + self._jitter.uniform(0, most)
        log.debug("settle_retried", message_id=intent.message_id, code=code)

    def _drop(self, intent: _Intent) -> None:
        with self._asked:
            if self._intents.get(intent.message_id) is intent:
                del self._intents[intent.message_id]
