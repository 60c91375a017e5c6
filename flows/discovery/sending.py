"""What a process that sends does; it loads little else than the AWS SDK."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from connectors import aws
from connectors.sqs import Message, Sender
from flows.telemetry import configure_logging

#: Seconds that SQS may take to answer: a run that ends waits so long for what is
#: under way.
ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Setup:
    """What a process that sends is told at its start.

    Attributes
    ----------
    log_level, log_format
        Those of its parent, see `configure_logging`.
    threads
        Requests at once.
    """

    queue_url: str
    log_level: str
    log_format: str | None
    threads: int

    def sender(self, stop: threading.Event | None = None) -> Sender:
        """Return what sends from this very process, until `stop` is set."""
        client = aws.sqs_client(read=ANSWER_SECONDS, connections=self.threads)
        return Sender(client, self.queue_url, threads=self.threads, stop=stop)


def send_in_child(
    setup: Setup, messages: Sequence[tuple[str, str | None]]
) -> dict[int, str]:
    """Send bodies with their groups from a child process; see `Sender.send`."""
    sender = _sender(setup)
    return sender.send([Message(body, group_id=group) for body, group in messages])


@cache
def _sender(setup: Setup) -> Sender:
    configure_logging(setup.log_level, setup.log_format)
    return setup.sender()
