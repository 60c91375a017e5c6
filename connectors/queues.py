"""The making of queues, for a trial set-up; real ones are made by their owners."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: The longest that SQS keeps a message: 14 days.
MAX_RETENTION_SECONDS = 1_209_600


@dataclass(frozen=True)
class Queue:
    """A queue and the dead-letter queue behind it."""

    url: str
    dead_letter_url: str


def create_queue(
    client: SQSClient,
    name: str,
    *,
    max_receive_count: int = 5,
    visibility_timeout: int = 30,
) -> Queue:
    """Create a queue with a dead-letter queue behind it; again is no error.

    Parameters
    ----------
    name
        The queue's name; the dead-letter queue's is the same with ``-dead``.
    max_receive_count
        Receives after which SQS moves a message to the dead-letter queue.
    visibility_timeout
        The queue's default, in seconds.
    """
    dead_letter_url = client.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    # A dead letter's time counts from its first sending: it must outlast the queue's.
    client.set_queue_attributes(
        QueueUrl=dead_letter_url,
        Attributes={"MessageRetentionPeriod": str(MAX_RETENTION_SECONDS)},
    )
    attributes = client.get_queue_attributes(
        QueueUrl=dead_letter_url, AttributeNames=["QueueArn"]
    )["Attributes"]
    redrive = {
        "deadLetterTargetArn": attributes["QueueArn"],
        "maxReceiveCount": max_receive_count,
    }
    url = client.create_queue(
        QueueName=name,
        Attributes={
            "RedrivePolicy": json.dumps(redrive),
            "VisibilityTimeout": str(visibility_timeout),
        },
    )["QueueUrl"]
    return Queue(url, dead_letter_url)
