"""How many threads receive at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from connectors.sqs.leases import Leases
from connectors.sqs.poller import Delivery, Poller
from connectors.sqs.stats import Stats
from tests.system.pipeline import eventually

FULL = 10
#: Answers, more than are asked for.
_ENOUGH = 1_000


class DeepQueue:
    """A queue without end, whose answers come when they are let through.

    A fake, since no server answers a receive just when a test wants it to.

    Attributes
    ----------
    hanging
        The name of a thread that gets no answer.
    """

    def __init__(self) -> None:
        self.waiting = self.most = self._number = 0
        self.answers = threading.Semaphore(0)
        self.hanging: str | None = None
        self._lock = threading.Lock()

    def receive_message(self, **asked: Any) -> dict[str, Any]:
        """Answer in full."""
        with self._lock:
            self.waiting += 1
            self.most = max(self.most, self.waiting)
        while self.hanging == threading.current_thread().name:
            time.sleep(0.01)
        self.answers.acquire()
        with self._lock:
            self.waiting -= 1
            names = [str(self._number + n) for n in range(asked["MaxNumberOfMessages"])]
            self._number += len(names)
        return {"Messages": [{"MessageId": n, "ReceiptHandle": n} for n in names]}


@contextmanager
def receiving(
    queue: DeepQueue, leases: Leases, deliver: Callable[[Sequence[Delivery]], None]
) -> Iterator[threading.Event]:
    """Receive; what comes of it is the event that stops it."""
    stopping = threading.Event()
    client: Any = queue
    poller = Poller(
        client,
        "http://127.0.0.1:9/queue",
        leases=leases,
        stats=Stats(),
        deliver=deliver,
        on_failure=lambda error: None,
        paused=lambda: False,
        stopping=stopping,
        long_poll=1,
        threads=4,
    )
    poller.start()
    try:
        yield stopping
    finally:
        stopping.set()
        queue.hanging = None
        queue.answers.release(_ENOUGH)


def settled(look: Callable[[], int], seconds: float = 1.0) -> int:
    """Return what is seen when it has been the same for so long."""
    seen, since = look(), time.monotonic()
    while time.monotonic() - since < seconds:
        time.sleep(0.01)
        if look() != seen:
            seen, since = look(), time.monotonic()
    return seen


@pytest.mark.parametrize(("permits", "threads"), [(128, 4), (20, 1)])
def test_threads_join_where_there_is_room_for_them(permits: int, threads: int) -> None:
    queue = DeepQueue()
    queue.answers.release()  # ten are held, and the queue is known to be deep
    leases = Leases(permits=permits, visibility_timeout=60)
    got: list[Delivery] = []
    with receiving(queue, leases, got.extend):
        assert settled(lambda: len(got) + queue.waiting) == FULL + threads


def test_one_thread_receives_what_a_slow_flow_frees_ten_by_ten() -> None:
    queue = DeepQueue()
    queue.answers.release(_ENOUGH)
    leases = Leases(permits=40, visibility_timeout=60)
    taken: list[Delivery] = []
    with receiving(queue, leases, taken.extend):
        assert settled(lambda: len(taken)) == 40
        queue.most = 0
        for begin in range(0, 300, FULL):
            for one in taken[begin : begin + FULL]:
                leases.end(one.message_id, one.message_id)
            while len(taken) < begin + 50:
                time.sleep(0.001)
        assert queue.most == 1


@pytest.mark.parametrize("permits", [20, 28, 128])
def test_a_receive_that_hangs_holds_up_no_other(permits: int) -> None:
    queue = DeepQueue()
    queue.answers.release(_ENOUGH)
    leases = Leases(permits=permits, visibility_timeout=60)
    got: list[str] = []

    def deliver(deliveries: Sequence[Delivery]) -> None:
        queue.hanging = "sqs-poll-0"
        got.extend(one.message_id for one in deliveries)
        for one in deliveries:
            leases.end(one.message_id, one.message_id)

    with receiving(queue, leases, deliver):
        eventually(lambda: len(got) > 20 * FULL)


def test_what_a_stop_returns_is_not_received_again() -> None:
    queue = DeepQueue()
    queue.answers.release(_ENOUGH)
    leases = Leases(permits=20, visibility_timeout=60)
    got: list[Delivery] = []
    with receiving(queue, leases, got.extend) as stopping:
        assert settled(lambda: len(got), 0.2) == 20
        stopping.set()
        for one in list(got):
            leases.end(one.message_id, one.message_id)
        assert settled(lambda: len(got), 0.2) == 20
