"""One queue's consumer: what it holds, what receives it and what ends it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from connectors.sqs.batches import MAX_LONG_POLL_SECONDS
from connectors.sqs.clients import receiving_client, settling_client
from connectors.sqs.inspection import attributes
from connectors.sqs.lease import Phase
from connectors.sqs.leases import Leases
from connectors.sqs.news import OnSettled
from connectors.sqs.poller import Delivery, Poller
from connectors.sqs.requests import Requests
from connectors.sqs.settlement import Settlement
from connectors.sqs.stats import Stats

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: Deliveries that one `take` hands over at most, so that a flow stays responsive.
TAKE_AT_MOST = 100
_CLOSE_SECONDS = 2.0


class Consumer:
    """Receives from a queue and holds each delivery until it is settled.

    Delivery is **at least once**: a message is deleted only by `delete`, and comes
    again by `return_`, or by itself when its holder dies and its lease runs out.
    While it is held its lease is extended, so that no other consumer gets it. The
    unit of parallelism is the consumer; SQS spreads a queue over any number of them.

    A **FIFO queue** gives one message of a group at a time: messages are received one
    by one, and SQS keeps the rest of the group back until that one is deleted. So
    nothing overtakes a message of its group: one that is returned holds up its group
    until it succeeds or the redrive policy moves it to the dead-letter queue. Groups
    are worked on side by side.

    Parameters
    ----------
    queue_url
        The queue.
    max_in_flight
        Deliveries held at once.
    visibility_timeout
        Seconds of a lease; it is extended at a third of that.
    long_poll
        Seconds that a receive waits for messages, 20 at most.
    idle_exit
        Stop after the queue has given nothing and nothing was held for so many
        seconds; 0 for never.
    paused
        While it returns True nothing is received, and what is held stays held.
    on_settled
        Told of deliveries that have ended, see `OnSettled`.
    on_failure
        Called with what no waiting will mend, such as `QueueGone`, on the thread
        that met it; `take` raises it too.
    pollers
        Receiving threads while the queue is deep.
    """

    def __init__(
        self,
        queue_url: str,
        *,
        max_in_flight: int = 128,
        visibility_timeout: int = 120,
        long_poll: float = MAX_LONG_POLL_SECONDS,
        idle_exit: float = 0,
        paused: Callable[[], bool] = lambda: False,
        on_settled: OnSettled = lambda ended: None,
        on_failure: Callable[[Exception], None] = lambda error: None,
        pollers: int = 4,
        client: SQSClient | None = None,
    ) -> None:
        self.queue_url = queue_url
        self.stats = Stats()
        self.leases = Leases(
            permits=max_in_flight, visibility_timeout=visibility_timeout
        )
        self._idle_exit, self._on_failure = idle_exit, on_failure
        self._stopping, self._arrived = threading.Event(), threading.Event()
        self._failure: Exception | None = None
        self._waiting: deque[Delivery] = deque()
        self.taken_at = time.monotonic()
        wait = _whole_seconds(min(long_poll, idle_exit or long_poll))
        self._client = client or receiving_client(wait, pollers)
        self.poller = Poller(
            self._client,
            queue_url,
            leases=self.leases,
            stats=self.stats,
            deliver=self._deliver,
            on_failure=self.fail,
            paused=paused,
            stopping=self._stopping,
            long_poll=wait,
            threads=pollers,
        )
        self._settlement = self._settled_by(client, on_settled)

    def _settled_by(
        self, client: SQSClient | None, on_settled: OnSettled
    ) -> Settlement:
        client = client or settling_client(self.leases.visibility_timeout)
        requests = Requests(self.queue_url, self.stats)
        return Settlement(
            delete=requests.of(client.delete_message_batch, "delete"),
            change=requests.of(
                client.change_message_visibility_batch, "change_visibility"
            ),
            leases=self.leases,
            stats=self.stats,
            on_failure=self.fail,
            on_settled=on_settled,
        )

    def check(self) -> dict[str, str]:
        """Return the queue's attributes.

        Raises
        ------
        Unavailable, QueueGone
            When the queue cannot be reached or does not exist.
        """
        return attributes(self._client, self.queue_url)

    def start(self) -> None:
        """Start receiving."""
        self._settlement.start()
        self.poller.start()

    def take(self, patience: float = 0) -> list[Delivery]:
        """Return the deliveries that wait; while none is held, after a wait for one.

        Parameters
        ----------
        patience
            Seconds of that wait.

        Raises
        ------
        Exception
            What ended a thread of the consumer, such as `QueueGone`.
        """
        self.taken_at = time.monotonic()
        if self._failure is not None:
            raise self._failure
        if self._is_idle():
            self.stop()
        if patience and not len(self.leases) and not self.drained:
            self._arrived.wait(patience)
        self._arrived.clear()
        taken: list[Delivery] = []
        with suppress(IndexError):  # `stop` may clear what waits at any moment
            while len(taken) < TAKE_AT_MOST:
                taken.append(self._waiting.popleft())
        return taken

    def begin(self, message_id: str) -> bool:
        """Say that work on a delivery begins; False when it is not held any more."""
        return self.leases.begin(message_id)

    def hold(self, message_id: str) -> bool:
        """Begin work on a delivery unless it has begun; False when it is not held."""
        return self.leases.begin(message_id, again=True)

    def delete(self, message_ids: Sequence[str]) -> None:
        """Delete deliveries; they stay held until SQS has confirmed it."""
        self._settlement.delete(message_ids)

    def return_(self, message_ids: Sequence[str], delay: float = 0) -> None:
        """Make deliveries visible again after `delay` seconds."""
        self._settlement.return_(message_ids, delay)

    def stop(self) -> None:
        """Stop receiving and return what no work has begun on; safe in a signal."""
        if not self._stopping.is_set():
            self._stopping.set()
            threading.Thread(target=self._return_unbegun, daemon=True).start()

    def fail(self, error: Exception) -> None:
        """End the flow with an exception, from any thread: `take` raises it."""
        self._on_failure(error)
        self._failure = error

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    @property
    def drained(self) -> bool:
        """Whether it has stopped and every delivery's end is confirmed."""
        return self.stopping and self.poller.ended and not len(self.leases)

    def return_all(self, timeout: float) -> None:
        """Return everything that is held and wait up to `timeout` s for it."""
        self._settlement.return_(self.leases.ids(Phase.HELD, Phase.BEGUN))
        deadline = time.monotonic() + timeout
        while len(self.leases) and time.monotonic() < deadline:
            time.sleep(0.01)

    def close(self) -> None:
        """End the threads; settles nothing."""
        self._stopping.set()
        self._settlement.close(_CLOSE_SECONDS)

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        if self.stopping:
            self._settlement.return_([one.message_id for one in deliveries])
        else:
            self._waiting.extend(deliveries)
            self._arrived.set()

    def _return_unbegun(self) -> None:
        self._waiting.clear()
        self._settlement.return_(self.leases.withdraw())

    def _is_idle(self) -> bool:
        if not self._idle_exit:
            return False
        if len(self.leases):
            self.poller.quiet_since = None
        since = self.poller.quiet_since
        return since is not None and time.monotonic() - since >= self._idle_exit


def _whole_seconds(long_poll: float) -> int:
    """Return a long poll as SQS takes it."""
    return max(1, min(MAX_LONG_POLL_SECONDS, round(long_poll)))
