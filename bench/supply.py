"""A queue that is kept at a depth until all its messages have gone through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Literal

#: What a program leaves of each message: a result, a row of what had its result
#: already, or nothing.
Proof = Literal["result", "row", "nothing"]
#: Messages in a request, see SQS quotas, "Batched messages".
_TEN = 10


class Supply:
    """Messages for a queue, and a count of those that have left it.

    The emulated SQS walks its whole list at each request: 20,000 messages at once
    would be a measurement of the list. So no more than `depth` are on it.

    Parameters
    ----------
    send
        Sends up to ten messages to the queue.
    left
        Returns how many messages the queue has, visible or not.
    depth
        Messages that the queue has when `top_up` has filled it.

    Attributes
    ----------
    url, proof
        The queue's, and what is to be there when its messages are done.
    count, sent
        Messages in all, and those that were sent.
    """

    def __init__(
        self,
        url: str,
        bodies: Sequence[str],
        *,
        send: Callable[[str, list[str]], None],
        left: Callable[[str], int],
        pool: Executor,
        depth: int,
        proof: Proof = "result",
    ) -> None:
        self.url, self.proof = url, proof
        self.count, self.sent = len(bodies), 0
        self._bodies, self._depth = bodies, depth
        self._send, self._count_left, self._pool = send, left, pool
        self._left = 0
        self.top_up()

    def deleted(self) -> int:
        """Return how many messages have left the queue."""
        self._left = self._count_left(self.url)
        return self.sent - self._left

    def top_up(self) -> None:
        """Send what was deleted when last looked at, as far as there is more."""
        self.send(self._depth - self._left)

    def send(self, count: int) -> None:
        """Send the next messages, and return when all are there."""
        bodies = self._bodies[self.sent : self.sent + max(0, count)]
        tens = [list(bodies[at : at + _TEN]) for at in range(0, len(bodies), _TEN)]
        list(self._pool.map(lambda ten: self._send(self.url, ten), tens))
        self.sent += len(bodies)
