"""One receive, and what SQS says of each message that it brought."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from connectors.sqs.faults import translated

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef


def receive(
    client: SQSClient, queue_url: str, most: int, *, wait: int, hide: int
) -> list[MessageTypeDef]:
    """Receive messages once, with all that SQS knows of them.

    Parameters
    ----------
    most
        Messages, 10 at most.
    wait
        Seconds to wait for one; 0 asks only some of the servers.
    hide
        Seconds for which others do not get what is received.

    Raises
    ------
    Unavailable, QueueGone
        When the request failed.
    """
    with translated(queue_url):
        answer = client.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=most,
            WaitTimeSeconds=wait,
            VisibilityTimeout=hide,
            MessageSystemAttributeNames=[
                "ApproximateReceiveCount",
                "MessageGroupId",
                "SentTimestamp",
            ],
            MessageAttributeNames=["All"],
        )
    return answer.get("Messages", [])


def receive_count(message: MessageTypeDef) -> int:
    """Return how often a message was received, this time included."""
    return int(message.get("Attributes", {}).get("ApproximateReceiveCount", "1"))


def group_id(message: MessageTypeDef) -> str | None:
    """Return the message group, on a FIFO queue or a fair one."""
    return message.get("Attributes", {}).get("MessageGroupId")


def sent_at(message: MessageTypeDef) -> float | None:
    """Return when a message was sent, in seconds of Unix time, if it says so."""
    sent = message.get("Attributes", {}).get("SentTimestamp")
    return None if sent is None else int(sent) / 1000


def ages_of(messages: Sequence[MessageTypeDef], now: float) -> list[float]:
    """Return the seconds since messages were sent, those that say when."""
    sent = (sent_at(message) for message in messages)
    # SQS's clock is not ours: what was just sent may seem to be of the future.
    return [max(0.0, now - at) for at in sent if at is not None]
