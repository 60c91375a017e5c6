"""What a queue says of itself, and which dead-letter queue it has."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.sqs.faults import translated

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True)
class RedrivePolicy:
    """When SQS moves a message to the dead-letter queue, and to which."""

    max_receive_count: int
    dead_letter_arn: str


def attributes(client: SQSClient, queue_url: str) -> dict[str, str]:
    """Return a queue's attributes. Raises `Unavailable`, `QueueGone`."""
    with translated(queue_url):
        answer = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])
    return {str(name): value for name, value in answer["Attributes"].items()}


def redrive_policy(of: dict[str, str]) -> RedrivePolicy | None:
    """Return the redrive policy among a queue's attributes, None where it has none."""
    with suppress(ValueError, KeyError, TypeError):
        policy = json.loads(of["RedrivePolicy"])
        return RedrivePolicy(
            int(policy["maxReceiveCount"]), str(policy["deadLetterTargetArn"])
        )
    return None


def url_of(client: SQSClient, arn: str) -> str:
    """Return the URL of the queue with an ARN. Raises `Unavailable`, `QueueGone`."""
    account, name = arn.split(":")[-2:]
    with translated(arn):
        if not account.isdigit():
            return client.get_queue_url(QueueName=name)["QueueUrl"]
        return client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)[
            "QueueUrl"
        ]
