"""Records that an older model has judged, sent to the workers again.

The message is the one that discovery would send, made of the result, with a message
attribute that names the model: a worker does not count a result by an older one as
there, judges the recording, and puts the new result in place of the old, which it
keeps in the document's ``history``. A message that comes twice finds the new result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import ValidationError

from connectors import aws
from connectors.errors import Unavailable
from connectors.mongo_results import ResultPages, Wanted
from connectors.sqs import UNREACHABLE, Message, Sender
from flows.discovery.enqueue import GroupBy, group_id
from flows.settings import Settings
from flows.steering.pace import Pace
from model.records import REPROCESS_ATTRIBUTE, DiscoveryRecord
from model.versions import is_older

log = structlog.get_logger("earshot")

#: Records in one request to SQS.
BATCH = 10
_NOT_NEEDED = {"features": 0, "history": 0, "audio": 0, "reasons": 0}

Document = dict[str, Any]


@dataclass(slots=True)
class Reprocessed:
    """What a run has done.

    Attributes
    ----------
    scanned
        Results of the date.
    current
        Those by a model that is not older.
    sent
        Records that the work queue has confirmed.
    failed
        Records that it has not, or whose result is no record any more.
    """

    scanned: int = 0
    current: int = 0
    sent: int = 0
    failed: int = 0
    dry_run: bool = False

    def line(self) -> dict[str, Any]:
        """Return it as JSON values."""
        done = {"would_send" if self.dry_run else "sent": self.sent}
        counts = {"scanned": self.scanned, "current": self.current}
        return {**counts, **done, "failed": self.failed}


def sender_of(settings: Settings) -> Sender:
    """Return a sender to the work queue; raises `Unavailable`, `QueueGone`."""
    sender = Sender(aws.sqs_client(), settings.sqs_queue_url)
    sender.check()
    return sender


class Reprocess:
    """Sends the records of a date whose results an older model has made.

    Parameters
    ----------
    sender
        To the work queue; None in a dry run.
    model_below
        The version that a result's model must not be older than.
    """

    def __init__(
        self,
        results: ResultPages,
        sender: Sender | None,
        *,
        model_below: str,
        group_by: GroupBy,
        pace: Pace,
    ) -> None:
        self._results, self._sender = results, sender
        self._model_below, self._group_by, self._pace = model_below, group_by, pace
        self.done = Reprocessed(dry_run=sender is None)

    def run(self, test_date: str) -> Iterator[int]:
        """Send the records of a date; yields how many results were looked at.

        Raises
        ------
        Unavailable, QueueGone
            When Mongo or the queue cannot be reached; what was sent is counted.
        """
        at_once = self._pace.at_once(BATCH)
        for page in self._results.pages(Wanted(test_date), _NOT_NEEDED):
            old = [one for one in page if self._is_old(one)]
            self.done.scanned += len(page)
            self.done.current += len(page) - len(old)
            messages = [message for one in old for message in self._messages(one)]
            for start in range(0, len(messages), at_once):
                self._send(messages[start : start + at_once])
            yield len(page)

    def _is_old(self, result: Document) -> bool:
        return is_older(str(result.get("model_version")), self._model_below)

    def _messages(self, result: Document) -> list[Message]:
        """Return a result's message, nothing where it is no record."""
        try:
            record = DiscoveryRecord.model_validate(result)
        except ValidationError as error:
            self.done.failed += 1
            log.error(
                "result_is_no_record", id=result["_id"], faults=error.error_count()
            )
            return []
        return [self._message(record, result)]

    def _message(self, record: DiscoveryRecord, result: Document) -> Message:
        identity = str(result["_id"])
        mark = {"DataType": "String", "StringValue": self._model_below}
        group = group_id(record, self._group_by)
        fifo = self._sender is not None and self._sender.fifo
        once = f"{identity} {self._model_below} {result.get('processed_at')}"
        return Message(
            record.to_message(),
            {REPROCESS_ATTRIBUTE: mark},
            group_id=(group or identity) if fifo else group,
            deduplication_id=_digest(once) if fifo else None,
        )

    def _send(self, messages: Sequence[Message]) -> None:
        if self._sender is None:
            self.done.sent += len(messages)
            return
        failed = self._sender.send(messages)
        self.done.sent += len(messages) - len(failed)
        self.done.failed += len(failed)
        if UNREACHABLE in failed.values():
            raise Unavailable("sqs", "the work queue took no message")
        self._pace.wait(len(messages))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
