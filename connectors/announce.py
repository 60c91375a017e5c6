"""Tells others of results: a message each to a queue or a topic, to filter by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from connectors.errors import Unavailable
from connectors.sqs import Message, Sender

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

#: Entries in one ``PublishBatch``, see the SNS API reference.
MAX_ENTRIES = 10


@dataclass(frozen=True, slots=True)
class Announcement:
    """One result: its JSON text, an id, and the names to filter by."""

    body: str
    id: str
    names: dict[str, str]

    def attributes(self) -> dict[str, Any]:
        """Return the names as message attributes; empty ones are left out."""
        return {
            name: {"DataType": "String", "StringValue": text}
            for name, text in self.names.items()
            if text
        }


class Announcer(Protocol):
    """Takes announcements."""

    def announce(self, announcements: Sequence[Announcement]) -> None:
        """Return when all are confirmed. Raises `Unavailable`."""
        ...


class QueueAnnouncer:
    """Announces on an SQS queue."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def announce(self, announcements: Sequence[Announcement]) -> None:
        """Return when all are confirmed. Raises `Unavailable`."""
        fifo = self._sender.fifo
        failed = self._sender.send(
            [
                Message(
                    one.body,
                    one.attributes(),
                    group_id=one.id if fifo else None,
                    deduplication_id=one.id if fifo else None,
                )
                for one in announcements
            ]
        )
        if failed:
            raise Unavailable("result queue", next(iter(failed.values())))


class TopicAnnouncer:
    """Announces on an SNS topic."""

    def __init__(self, client: SNSClient, topic_arn: str) -> None:
        self._client, self._topic_arn = client, topic_arn

    def announce(self, announcements: Sequence[Announcement]) -> None:
        """Return when all are confirmed. Raises `Unavailable`."""
        for start in range(0, len(announcements), MAX_ENTRIES):
            self._publish(announcements[start : start + MAX_ENTRIES])

    def _publish(self, announcements: Sequence[Announcement]) -> None:
        fifo = self._topic_arn.endswith(".fifo")
        entries = [
            {
                "Id": str(index),
                "Message": one.body,
                "MessageAttributes": one.attributes(),
                **({"MessageGroupId": one.id} if fifo else {}),
                **({"MessageDeduplicationId": one.id} if fifo else {}),
            }
            for index, one in enumerate(announcements)
        ]
        try:
            answer = self._client.publish_batch(
                TopicArn=self._topic_arn,
                PublishBatchRequestEntries=entries,  # type: ignore[arg-type]
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable("result topic", error) from error
        if answer.get("Failed"):
            raise Unavailable("result topic", answer["Failed"][0].get("Code"))
