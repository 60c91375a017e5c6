"""Long-polling threads: they receive what can be held, and no more."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from connectors.errors import Unavailable
from connectors.sqs.batches import FIFO_SUFFIX, MAX_ENTRIES
from connectors.sqs.leases import Leases
from connectors.sqs.receiving import ages_of, group_id, receive, receive_count
from connectors.sqs.stats import Stats

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

log = structlog.get_logger("earshot.sqs")

#: Seconds between two tries while SQS is out of reach: random up to these.
BACKOFF_SECONDS, BACKOFF_MAX_SECONDS = 1.0, 60.0
#: Seconds to wait for the permits of a full receive before receiving fewer.
PATIENCE_SECONDS = 0.1
#: Receives in a row that may bring nothing back before the poller counts as stuck,
#: and the seconds beyond a long poll that one receive takes at most: to connect and
#: to be answered.
LATE_AFTER, ANSWER_SECONDS = 3, 20.0
#: Seconds between two looks at whether receiving is still paused.
_PAUSE_SECONDS = 0.1
#: Seconds between two looks of a thread that is not needed at whether it is to end.
_IDLE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as it was received.

    Attributes
    ----------
    receive_count
        How often SQS has delivered the message, this time included.
    attributes
        The message's own attributes as SQS gives them, to send on with a copy.
    group_id
        The message group of a FIFO queue or a fair one.
    """

    message_id: str
    body: str
    receive_count: int
    attributes: dict[str, Any] = field(default_factory=dict)
    group_id: str | None = None


class Poller:
    """Receives from one queue with as many threads as its depth asks for.

    One thread long-polls; in an outage it alone tries again. The others join while
    receives come back full, and each of them only where there is room for one more than
    those before it: where answers take long, not where the flow is slower than that.
    Permits are taken before each receive, so nothing is received that cannot be held.

    Parameters
    ----------
    deliver
        Called with the deliveries of a receive, without copies of those already held.
    paused
        While it returns True nothing is received.
    long_poll
        Seconds that one receive waits for messages.

    Attributes
    ----------
    turned_at
        When a thread last finished a receive, or the first saw that it has to wait;
        ``time.monotonic`` seconds.
    quiet_since
        Since when the queue has given nothing, None while it gives.
    """

    def __init__(
        self,
        client: SQSClient,
        queue_url: str,
        *,
        leases: Leases,
        stats: Stats,
        deliver: Callable[[Sequence[Delivery]], None],
        on_failure: Callable[[Exception], None],
        paused: Callable[[], bool],
        stopping: threading.Event,
        long_poll: int,
        threads: int,
    ) -> None:
        self._client, self._queue_url = client, queue_url
        self._leases, self._stats = leases, stats
        self._deliver, self._on_failure = deliver, on_failure
        self._paused, self._stopping = paused, stopping
        self.long_poll = long_poll
        # Two messages of one group in hand could overtake each other.
        self._most = 1 if queue_url.endswith(FIFO_SUFFIX) else MAX_ENTRIES
        self._deep = threading.Event()
        self._outages = 0
        self.turned_at = time.monotonic()
        self.quiet_since: float | None = None
        self._threads = [
            threading.Thread(target=self._run, args=(index,), name=f"sqs-poll-{index}")
            for index in range(threads)
        ]

    def start(self) -> None:
        """Start the threads; they end by themselves once `stopping` is set."""
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    @property
    def in_outage(self) -> bool:
        """Whether SQS did not answer the last receive."""
        return bool(self._outages)

    @property
    def patience(self) -> float:
        """Seconds within which `turned_at` moves on, unless it is stuck."""
        late = max(LATE_AFTER * self.long_poll, self.long_poll + ANSWER_SECONDS)
        return late + (BACKOFF_MAX_SECONDS if self.in_outage else 0)

    @property
    def ended(self) -> bool:
        """Whether every thread has finished its last receive."""
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, before: int) -> None:
        """Receive until it is stopped; so many threads come `before` this one."""
        try:
            while not self._stopping.is_set():
                if self._may_poll(first=not before):
                    self._poll(before)
        except Exception as error:
            self._on_failure(error)

    def _may_poll(self, *, first: bool) -> bool:
        if not first and not self._deep.wait(_IDLE_SECONDS):
            return False
        if self._paused():
            self.quiet_since, self.turned_at = None, time.monotonic()
            self._stopping.wait(_PAUSE_SECONDS)
            return False
        return True

    def _poll(self, before: int) -> None:
        permits = self._leases.take_permits(
            self._most, PATIENCE_SECONDS, beyond=self._beyond(before)
        )
        if not permits:
            if not before:
                self.turned_at = time.monotonic()
            return
        began = time.monotonic()
        used = 0
        try:
            if self._stopping.is_set():
                # These permits may be those of what the stop has returned. Received
                # again, it would be one receive nearer to the dead-letter queue.
                return
            messages = self._receive(permits, wait=0 if before else self.long_poll)
            used = len(messages)
            self._stats.on_received(ages_of(messages, time.time()))
            self._note(began, full=used == permits, empty=not used)
            self._take(messages)
        except Unavailable as error:
            self._deep.clear()
            if before:
                log.debug("sqs_receive_failed", error=str(error))
            else:
                self._back_off(error)
        finally:
            self._leases.give_permits(permits - used)

    def _beyond(self, before: int) -> int:
        """Return how many permits a thread leaves to those before it.

        One that hangs in a receive must not hold up the others: no more than there
        are when all before it are receiving.
        """
        left = self._leases.permits - (before + 1) * self._most
        return max(0, min(before * self._most, left))

    def _receive(self, most: int, *, wait: int) -> list[MessageTypeDef]:
        self._stats.add("requests.receive")
        hide = int(self._leases.visibility_timeout)
        return receive(self._client, self._queue_url, most, wait=wait, hide=hide)

    def _take(self, messages: Sequence[MessageTypeDef]) -> None:
        new = [
            delivery_of(message)
            for message in messages
            if self._leases.register(message["MessageId"], message["ReceiptHandle"])
        ]
        again = sum(receive_count(message) > 1 for message in messages)
        self._stats.add("received", len(messages))
        self._stats.add("redelivered", again)
        self._stats.add("copies", len(messages) - len(new))
        if new:
            self._deliver(new)

    def _note(self, began: float, *, full: bool, empty: bool) -> None:
        self.turned_at = time.monotonic()
        if self._outages:
            self._outages = 0
            log.warning("sqs_receive_reachable", reachable=True)
        if full:
            self._deep.set()
        else:
            self._deep.clear()
        if not empty:
            self.quiet_since = None
            return
        self._stats.add("empty_receives")
        if self.quiet_since is None:
            self.quiet_since = began

    def _back_off(self, error: Unavailable) -> None:
        self.quiet_since, self.turned_at = None, time.monotonic()
        if not self._outages:
            log.warning("sqs_receive_reachable", reachable=False, error=str(error))
        self._outages += 1
        most = min(BACKOFF_MAX_SECONDS, BACKOFF_SECONDS * 2**self._outages)
        self._stopping.wait(random.uniform(BACKOFF_SECONDS, most))


def delivery_of(message: MessageTypeDef) -> Delivery:
    """Return a message as the flow has it."""
    return Delivery(
        message["MessageId"],
        message.get("Body", ""),
        receive_count(message),
        dict(message.get("MessageAttributes", {})),
        group_id(message),
    )
