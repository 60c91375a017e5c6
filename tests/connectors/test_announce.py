"""Announcements: each goes once it can, and one that never can holds up no other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from connectors.announce import (
    MAX_TOPIC_BYTES,
    Announcement,
    QueueAnnouncer,
    TopicAnnouncer,
)
from connectors.aws import sns_client
from connectors.errors import Unavailable
from connectors.sqs import MAX_BYTES, Sender
from tests.connectors.test_quarantine import Refusing
from tests.connectors.test_sink import bodies

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def announcement(number: int, size: int = 10) -> Announcement:
    body = json.dumps({"number": number, "fill": "x" * size})
    return Announcement(body, f"id-{number}", {"is_anomaly": "true", "udise": ""})


def numbers(found: list[str]) -> list[int]:
    return sorted(json.loads(body)["number"] for body in found)


def test_a_queue_gets_every_announcement_but_one_that_is_too_large(
    sqs: SQSClient, queue_url: str
) -> None:
    told = [announcement(n, MAX_BYTES if n == 7 else 10) for n in range(15)]
    QueueAnnouncer(Sender(sqs, queue_url)).announce(told)
    assert numbers(bodies(sqs, queue_url)) == [n for n in range(15) if n != 7]


def test_a_topic_gets_every_announcement_but_one_that_is_too_large(
    sqs: SQSClient, queue_url: str, environment: dict[str, str], unique_name: str
) -> None:
    sns = sns_client()
    topic = sns.create_topic(Name=unique_name)["TopicArn"]
    arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=arn["Attributes"]["QueueArn"],
        Attributes={"RawMessageDelivery": "true"},
    )
    sizes = {7: MAX_TOPIC_BYTES, 8: 200_000, 9: 200_000}
    told = [announcement(n, sizes.get(n, 10)) for n in range(15)]
    TopicAnnouncer(sns, topic).announce(told)
    assert numbers(bodies(sqs, queue_url)) == [n for n in range(15) if n != 7]
    sns.close()


def test_a_queue_out_of_reach_is_an_outage_and_a_refusal_is_none() -> None:
    refusing: Any = Refusing("InvalidMessageContents")
    away: Any = Refusing("Unreachable")
    QueueAnnouncer(refusing).announce([announcement(1)])
    with pytest.raises(Unavailable, match="result queue"):
        QueueAnnouncer(away).announce([announcement(1)])
