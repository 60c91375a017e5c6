"""What becomes of a record on its way from the source to the queue."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import structlog

from connectors.errors import Unavailable
from connectors.mongo import Results
from connectors.sqs import MAX_BYTES, UNREACHABLE, Message
from flows.dependencies import Stopped
from flows.discovery.ending import Ending, Window
from flows.discovery.items import Checked, Ended, Fate, New
from flows.watching.tracing import FirstSpans
from model.records import DiscoveryRecord

log = structlog.get_logger("earshot")

GroupBy = Literal["udise", "student_id", "none"]
#: Seconds for which a queue that does not answer is asked again.
QUEUE_PATIENCE_SECONDS = 300.0
#: What SQS takes as a message group's id.
_GROUP_ID = re.compile(r"[!-~]{1,128}")


class Check:
    """Looks up which records have a result, one query a page."""

    def __init__(self, results: Results, ending: Ending) -> None:
        self._results, self._ending = results, ending

    def __call__(self, page: Sequence[New | Ended]) -> Checked:
        """Return what of a page is to be sent, and what has ended."""
        new = [item for item in page if isinstance(item, New)]
        ids = [item.identity for item in new]
        existing = self._ending.call(lambda: self._results.existing(ids))
        return Checked(
            [item for item in new if item.identity not in existing],
            [
                *(item for item in page if isinstance(item, Ended)),
                *(Ended(x.place, Fate.SKIPPED) for x in new if x.identity in existing),
            ],
        )


class Sends(Protocol):
    """What sends messages, see `connectors.sqs.Sender`."""

    @property
    def fifo(self) -> bool:
        """Whether the queue keeps order."""
        ...

    def send(self, messages: Sequence[Message]) -> dict[int, str]:
        """Send messages; return the code of each that was not confirmed."""
        ...


class Send:
    """Sends records; each that SQS has not confirmed in the end has failed.

    Parameters
    ----------
    group_by
        The field that makes the message group; see `message`.
    window
        Bounds what is sent and not yet written down, None where nothing is.
    spans
        Told of the records that SQS has confirmed.
    """

    def __init__(
        self,
        sender: Sends,
        ending: Ending,
        *,
        group_by: GroupBy = "none",
        window: Window | None = None,
        patience: float = QUEUE_PATIENCE_SECONDS,
        spans: FirstSpans | None = None,
    ) -> None:
        self._spans = spans
        self._sender, self._ending = sender, ending
        self._group_by, self._window, self._patience = group_by, window, patience

    def __call__(self, batch: Sequence[New]) -> list[Ended]:
        """Return the end of each record; none for what the run's end left unsent."""
        if self._ending.stopped:
            raise Stopped
        if self._window is not None:
            self._window.take(len(batch))
        failed = self._send([self.message(item) for item in batch])
        answers = [(item, failed.get(index)) for index, item in enumerate(batch)]
        if self._spans is not None:
            self._spans.discovered([x.record for x, code in answers if code is None])
        return [self._end(x, code) for x, code in answers if code != UNREACHABLE]

    def message(self, item: New) -> Message:
        """Return a record's message.

        On a FIFO queue it has a deduplication id and always a group, its own where
        its field is empty: records without a school do not wait for each other.
        """
        group = group_id(item.record, self._group_by)
        if not self._sender.fifo:
            return Message(item.record.to_message(), group_id=group)
        return Message(
            item.record.to_message(),
            group_id=group or item.identity,
            deduplication_id=f"{item.identity}-{item.version.hex()}",
        )

    def _send(self, messages: Sequence[Message]) -> dict[int, str]:
        """Send; an outage of the queue is waited out, a message that is too big not.

        What is `UNREACHABLE` in the end is neither sent nor failed: the run ends.
        """
        failed = {
            index: "MessageTooLong" if message.size() > MAX_BYTES else UNREACHABLE
            for index, message in enumerate(messages)
        }
        deadline = time.monotonic() + self._patience
        while (left := _unreachable(failed)) and not self._ending.stopped:
            answer = self._sender.send([messages[index] for index in left])
            codes = {left[index]: code for index, code in answer.items()}
            failed = {i: failed[i] for i in failed if i not in left} | codes
            if _unreachable(codes) and time.monotonic() > deadline:
                self._ending.fail(Unavailable("sqs", "the queue took no message"))
        return failed

    def _end(self, item: New, code: str | None) -> Ended:
        if code is None:
            return Ended(item.place, Fate.SENT, item.version)
        log.error("record_not_sent", reason=code, record=item.record.message_fields())
        return Ended(item.place, Fate.FAILED, item.version)


def _unreachable(failed: Mapping[int, str]) -> list[int]:
    return [index for index, code in failed.items() if code == UNREACHABLE]


def pass_by(batch: Sequence[New]) -> list[Ended]:
    """Return the end of records in a dry run."""
    return [Ended(item.place, Fate.WOULD_SEND) for item in batch]


def group_id(record: DiscoveryRecord, group_by: GroupBy) -> str | None:
    """Return a record's message group: a digest where SQS takes no such name."""
    value = None if group_by == "none" else getattr(record, group_by)
    if not value or _GROUP_ID.fullmatch(value):
        return value or None
    return hashlib.sha256(value.encode()).hexdigest()
