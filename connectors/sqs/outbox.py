"""Sends for a caller who tries the same again: what was confirmed goes only once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from connectors.errors import Unavailable
from connectors.sqs.sender import UNREACHABLE, Message


class Sends(Protocol):
    """What sends for an outbox, such as a `Sender`."""

    def send(self, messages: list[Message]) -> dict[int, str]:
        """Return the index of each message that was not confirmed, and why."""
        ...


class Outbox:
    """Remembers what SQS has answered while its caller waits for the rest.

    One caller at a time, who calls `send` with the same messages until it returns.

    Parameters
    ----------
    system
        What to call the queue when it is out of reach.
    """

    def __init__(self, sender: Sends, system: str) -> None:
        self._sender, self._system = sender, system
        self._answers: dict[str, str | None] = {}

    def send(self, messages: Mapping[str, Message]) -> dict[str, str]:
        """Send messages by a name of theirs; return those refused, with SQS's code.

        Raises
        ------
        Unavailable, QueueGone
            When not every message has an answer; those that have are not sent again.
        """
        left = [name for name in messages if name not in self._answers]
        failed = self._sender.send([messages[name] for name in left])
        for index, name in enumerate(left):
            if failed.get(index) != UNREACHABLE:
                self._answers[name] = failed.get(index)
        if UNREACHABLE in failed.values():
            raise Unavailable(self._system, "its queue cannot be reached")
        answers, self._answers = self._answers, {}
        return {name: code for name, code in answers.items() if code is not None}
