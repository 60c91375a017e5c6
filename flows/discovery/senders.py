"""Who sends: threads of this process or, for a large date, processes of their own.

To sign a request, write it and read its answer takes longer than all else that a run
does with a record, and all of it holds the interpreter's lock.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace

import structlog
from pebble import ProcessExpired

from connectors.errors import Unavailable
from connectors.sqs import MAX_ENTRIES, UNREACHABLE, Message, Sender
from flows.children import Children
from flows.discovery.ending import Ending
from flows.discovery.enqueue import Sends
from flows.discovery.sending import Setup, send_in_child
from flows.settings import Settings

log = structlog.get_logger("earshot")

#: Requests to SQS at once, and batches of records on their way at once.
SEND_THREADS, SEND_BATCHES = 8, 4
#: Processes that send a large date's records, and from how many records on it is large:
#: they take about as long to begin as one process takes to send so many.
SEND_PROCESSES, LARGE = 2, 10_000
#: Records sent together at most: at a second a request they are sent in time.
MAX_BATCH = 400
#: Seconds after which a batch's process is taken to hang, and replaced: more than its
#: tries take while SQS is away. A pool that a dying process has locked stands still so
#: long.
_BATCH_SECONDS = 30.0
#: Seconds in which such a process has to answer when the run ends.
_GRACE_SECONDS = 5.0


def batch_size(page: int) -> int:
    """Return how many records are sent together: some requests' worth.

    No more than a page may be sent and not written down: three batches can be on
    their way while three wait to be.
    """
    part = page // 6 // MAX_ENTRIES * MAX_ENTRIES
    return min(page, max(part, MAX_ENTRIES), MAX_BATCH)


def save_after(page: int) -> int:
    """Return after how many records sent the run's state is saved.

    What waits for that leaves room for one more batch, or neither would move.
    """
    batch = batch_size(page)
    return min(3 * batch, page - batch + 1)


def send_processes(asked: int | None, records: int) -> int:
    """Return how many processes send; 0 stands for threads of this one.

    Parameters
    ----------
    asked
        What the settings say, None where they leave it open.
    records
        About how many there are.
    """
    if asked is not None:
        return asked
    alone = os.cpu_count() == 1 or records < LARGE
    return 0 if alone else SEND_PROCESSES


def setup_of(settings: Settings) -> Setup:
    """Return what a sender is told, from the settings."""
    return Setup(
        settings.sqs_queue_url, settings.log_level, settings.log_format, SEND_THREADS
    )


class SendProcesses:
    """Sends to a queue from child processes; what it is sent with is `Sender`'s.

    They start with the first messages. One that dies, or does not answer soon when
    the run ends, has not confirmed its messages: they are `UNREACHABLE`, and may have
    been sent.
    """

    fifo = False

    def __init__(self, setup: Setup, processes: int, ending: Ending) -> None:
        self._ending = ending
        self._setup = replace(setup, threads=max(1, setup.threads // processes))
        self._children = Children(processes, _BATCH_SECONDS, send_in_child)

    def send(self, messages: Sequence[Message]) -> dict[int, str]:
        """Send messages; see `Sender.send`."""
        plain = [(message.body, message.group_id) for message in messages]
        sending = self._children.submit(self._setup, plain)
        try:
            return self._ending.result(sending, _GRACE_SECONDS)
        except (BrokenProcessPool, ProcessExpired, TimeoutError, Unavailable) as error:
            log.warning("send_retried", messages=len(messages), error=str(error))
            return dict.fromkeys(range(len(messages)), UNREACHABLE)

    def close(self) -> None:
        """End the processes."""
        self._children.close()


@contextmanager
def sending(
    settings: Settings, sender: Sender, records: int, ending: Ending
) -> Iterator[Sends]:
    """Yield what sends: the sender of this process, or others for it.

    Parameters
    ----------
    records
        About how many there are.
    """
    processes = send_processes(settings.discovery_send_processes, records)
    if sender.fifo or not processes:
        yield sender
        return
    others = SendProcesses(setup_of(settings), processes, ending)
    try:
        yield others
    finally:
        others.close()
