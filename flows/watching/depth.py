"""How much waits on the queue, asked for each minute."""

from __future__ import annotations

import threading
import time

from connectors.errors import Unavailable
from connectors.sqs import Consumer, QueueGone

#: Seconds between two questions, and those for which an answer stands.
ASK_SECONDS, STALE_SECONDS = 60.0, 180.0
_ATTRIBUTES = {
    "waiting": "ApproximateNumberOfMessages",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}


class Depth:
    """Asks for a queue's attributes, on a thread of its own."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._counts: dict[str, int] = {}
        self._asked_at = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="queue-depth", daemon=True
        )
        self._thread.start()

    @property
    def counts(self) -> dict[str, int]:
        """Messages by their state; empty when SQS has not answered lately."""
        fresh = time.monotonic() - self._asked_at < STALE_SECONDS
        return self._counts if fresh else {}

    def close(self) -> None:
        """End the thread, unless it waits for an answer: it ends with the process."""
        self._closing.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._ask()
            self._closing.wait(ASK_SECONDS)

    def _ask(self) -> None:
        self._consumer.stats.add("requests.get_attributes")
        try:
            found = self._consumer.check()
        except (Unavailable, QueueGone):
            return  # the poller meets it too, and says so
        self._counts = {
            state: int(found[name])
            for state, name in _ATTRIBUTES.items()
            if name in found
        }
        self._asked_at = time.monotonic()
