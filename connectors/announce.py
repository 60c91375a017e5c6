"""Tells others of results: a message each to a queue or a topic, to filter by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from botocore.exceptions import ClientError

from connectors.aws import reaching
from connectors.errors import Unavailable
from connectors.sqs import MAX_BYTES, Message, Outbox, Sender

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

log = structlog.get_logger("earshot")

#: Entries in one ``PublishBatch``, and their bytes together, see the SNS quotas.
MAX_ENTRIES = 10
MAX_TOPIC_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class Announcement:
    """One result: its JSON text, an id, and the names to filter by."""

    body: str
    id: str
    names: dict[str, str]

    def size(self) -> int:
        """Return the bytes that count towards a request's limit."""
        return len(self.body.encode()) + sum(
            len(f"{name}String{text}".encode()) for name, text in self.names.items()
        )

    def attributes(self) -> dict[str, Any]:
        """Return the names as message attributes; empty ones are left out."""
        return {
            name: {"DataType": "String", "StringValue": text}
            for name, text in self.names.items()
            if text
        }


class Announcer(Protocol):
    """Takes announcements; one that can never go is logged and passed over."""

    def announce(self, announcements: Sequence[Announcement]) -> None:
        """Return when all are confirmed or refused. Raises `Unavailable`."""
        ...


class QueueAnnouncer:
    """Announces on an SQS queue."""

    def __init__(self, sender: Sender) -> None:
        self._sender, self._outbox = sender, Outbox(sender, "result queue")

    def announce(self, announcements: Sequence[Announcement]) -> None:
        """Return when all are confirmed or refused. Raises `Unavailable`."""
        fifo = self._sender.fifo
        messages = {
            one.id: Message(
                one.body,
                one.attributes(),
                group_id=one.id if fifo else None,
                deduplication_id=one.id if fifo else None,
            )
            for one in announcements
        }
        small = {i: one for i, one in messages.items() if one.size() <= MAX_BYTES}
        refused = self._outbox.send(small)
        _log_refused(sorted(set(messages) - set(small)), "too large")
        for one, code in refused.items():
            _log_refused([one], code)


class TopicAnnouncer:
    """Announces on an SNS topic."""

    def __init__(self, client: SNSClient, topic_arn: str) -> None:
        self._client, self._topic_arn = client, topic_arn
        # Of announcements whose others are waited for: they are not made again.
        self._answered: set[str] = set()

    def announce(self, announcements: Sequence[Announcement]) -> None:
        """Return when all are confirmed or refused. Raises `Unavailable`."""
        chunk: list[Announcement] = []
        for one in (one for one in announcements if one.id not in self._answered):
            if one.size() > MAX_TOPIC_BYTES:
                _log_refused([one.id], "too large")
                self._answered.add(one.id)
                continue
            if len(chunk) == MAX_ENTRIES or _size([*chunk, one]) > MAX_TOPIC_BYTES:
                self._publish(chunk)
                chunk = []
            chunk.append(one)
        if chunk:
            self._publish(chunk)
        self._answered.clear()

    def _publish(self, announcements: Sequence[Announcement]) -> None:
        entries = [self._entry(index, one) for index, one in enumerate(announcements)]
        try:
            with reaching("result topic"):
                answer = self._client.publish_batch(
                    TopicArn=self._topic_arn,
                    PublishBatchRequestEntries=entries,
                )
        except ClientError as error:
            raise Unavailable("result topic", error) from error
        self._answered.update(
            announcements[int(entry["Id"])].id for entry in answer["Successful"]
        )
        for entry in answer.get("Failed", ()):
            if not entry.get("SenderFault"):
                raise Unavailable("result topic", entry.get("Code"))
            self._answered.add(announcements[int(entry["Id"])].id)
            _log_refused([announcements[int(entry["Id"])].id], str(entry.get("Code")))

    def _entry(self, index: int, one: Announcement) -> Any:
        fifo = self._topic_arn.endswith(".fifo")
        return {
            "Id": str(index),
            "Message": one.body,
            "MessageAttributes": one.attributes(),
            **({"MessageGroupId": one.id} if fifo else {}),
            **({"MessageDeduplicationId": one.id} if fifo else {}),
        }


def _size(announcements: Sequence[Announcement]) -> int:
    return sum(one.size() for one in announcements)


def _log_refused(ids: Sequence[str], code: str) -> None:
    for one in ids:
        log.error("announcement_refused", result_document_id=one, code=code)
