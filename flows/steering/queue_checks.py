"""Checks of the queues: the work queue, those behind it, and who is told of results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from connectors import aws
from connectors.queues import MAX_RETENTION_SECONDS
from connectors.sqs import inspection
from flows.settings import Settings
from flows.steering.findings import Finding

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: Receives below which an outage of a minute dead-letters good records.
MIN_RECEIVES = 5
_DAY_SECONDS = 86_400
#: Seconds for an answer of SQS.
_READ_SECONDS = 10


def client() -> SQSClient:
    """Return a client that waits no longer than a check may."""
    return aws.sqs_client(connect=5, read=_READ_SECONDS, connections=4)


def check_queue(settings: Settings) -> Iterator[Finding]:
    """Look at the work queue and the dead-letter queue behind it."""
    sqs, url = client(), settings.sqs_queue_url
    found = inspection.attributes(sqs, url)
    waiting = found.get("ApproximateNumberOfMessages", "?")
    yield Finding("queue", "ok", f"{_name(url)}: {waiting} waiting")
    yield from _lease(settings)
    policy = inspection.redrive_policy(found)
    if policy is None:
        yield Finding(
            "redrive policy",
            "error",
            "none: a message that always fails comes again for ever",
            _set(url, RedrivePolicy=_policy("ARN-OF-A-DEAD-LETTER-QUEUE")),
        )
        return
    yield _receives(url, policy)
    yield _dead_letters(sqs, found, policy)


def check_named_queue(check: str, url: str) -> Iterator[Finding]:
    """Look at a queue that messages are only sent to."""
    found = inspection.attributes(client(), url)
    waiting = found.get("ApproximateNumberOfMessages", "?")
    yield Finding(check, "ok", f"{_name(url)}: {waiting} waiting")


def check_topic(arn: str) -> Iterator[Finding]:
    """Look at the topic that results are announced on."""
    sns = aws.sns_client(read=_READ_SECONDS)
    sns.get_topic_attributes(TopicArn=arn)
    yield Finding("result topic", "ok", arn.rsplit(":", 1)[-1])


def _lease(settings: Settings) -> Iterator[Finding]:
    """Compare the lease with what is done under it.

    It is extended while a message is held: only a worker that stands still or is cut
    off from SQS loses it, and has so much longer before it does.
    """
    least = settings.s3_timeout_seconds + settings.inference_timeout_seconds
    given = settings.visibility_timeout_seconds
    if given > least:
        text = f"{given} s: longer than a download and a judgement, {least:g} s"
        yield Finding("lease", "ok", text)
        return
    yield Finding(
        "lease",
        "warning",
        f"{given} s is no longer than S3_TIMEOUT_SECONDS and "
        f"INFERENCE_TIMEOUT_SECONDS together, {least:g} s",
        f"VISIBILITY_TIMEOUT_SECONDS={int(least * 4 / 3)}",
    )


def _receives(url: str, policy: inspection.RedrivePolicy) -> Finding:
    count = policy.max_receive_count
    if count >= MIN_RECEIVES:
        return Finding("redrive policy", "ok", f"after {count} receives")
    return Finding(
        "redrive policy",
        "warning",
        f"maxReceiveCount is {count}, expected {MIN_RECEIVES} or more: what fails for "
        "a while is dead-lettered",
        _set(url, RedrivePolicy=_policy(policy.dead_letter_arn)),
    )


def _dead_letters(
    sqs: SQSClient, source: dict[str, str], policy: inspection.RedrivePolicy
) -> Finding:
    url = inspection.url_of(sqs, policy.dead_letter_arn)
    found = inspection.attributes(sqs, url)
    kept = int(found.get("MessageRetentionPeriod", "0"))
    before = int(source.get("MessageRetentionPeriod", "0"))
    waiting = found.get("ApproximateNumberOfMessages", "?")
    text = f"{_name(url)}: {waiting} waiting, kept {kept / _DAY_SECONDS:g} days"
    if kept > before:
        return Finding("dead-letter queue", "ok", text)
    return Finding(
        "dead-letter queue",
        "warning",
        f"{text}, the work queue's {before / _DAY_SECONDS:g}: a dead letter's time "
        "counts from when it was first sent",
        _set(url, MessageRetentionPeriod=str(MAX_RETENTION_SECONDS)),
    )


def _policy(arn: str) -> str:
    return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MIN_RECEIVES})


def _set(url: str, **attributes: str) -> str:
    """Return the command that sets attributes of a queue."""
    return (
        f"aws sqs set-queue-attributes --queue-url {url} "
        f"--attributes '{json.dumps(attributes)}'"
    )


def _name(url: str) -> str:
    return url.rsplit("/", 1)[-1]
