"""From queue to queue: what was made of a message is sent before it is deleted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from connectors.sqs import Consumer, Delivery, Message, Sender, SqsSink, SqsSource
from connectors.sqs.lease import Phase
from tests.system.pipeline import eventually

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

ROOT = Path(__file__).parents[2]


def bodies(sqs: SQSClient, url: str) -> list[str]:
    found = []
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60
    ).get("Messages"):
        found += [message["Body"] for message in messages]
    return found


@contextmanager
def consumer(
    sqs: SQSClient, url: str, settled: dict[str, str] | None = None
) -> Iterator[Consumer]:
    ends = {} if settled is None else settled
    made = Consumer(
        url,
        client=sqs,
        idle_exit=1,
        long_poll=1,
        visibility_timeout=5,
        pollers=2,
        on_settled=ends.update,
    )
    try:
        yield made
    finally:
        made.close()


def test_the_example_moves_every_message_and_deletes_it(
    sqs: SQSClient, queue_url: str, environment: dict[str, str], unique_name: str
) -> None:
    to = sqs.create_queue(QueueName=f"{unique_name}-to")["QueueUrl"]
    for number in range(25):
        sqs.send_message(QueueUrl=queue_url, MessageBody=f"message {number}")
    variables = {
        **os.environ,
        **environment,
        "FROM_QUEUE_URL": queue_url,
        "TO_QUEUE_URL": to,
        "IDLE_EXIT_SECONDS": "1",
    }
    subprocess.run(
        [sys.executable, "-m", "bytewax.run", "examples.sqs_to_sqs"],
        cwd=ROOT,
        env=variables,
        check=True,
        timeout=60,
    )
    assert sorted(bodies(sqs, to)) == sorted(f"MESSAGE {n}" for n in range(25))
    assert bodies(sqs, queue_url) == []


def test_a_message_that_is_refused_is_returned_and_no_other(
    sqs: SQSClient, queue_url: str, unique_name: str
) -> None:
    to = sqs.create_queue(QueueName=f"{unique_name}-to")["QueueUrl"]
    sqs.send_message(QueueUrl=queue_url, MessageBody="a")
    sqs.send_message(QueueUrl=queue_url, MessageBody="b")
    settled: dict[str, str] = {}

    class RefusesB(Sender):
        def send(self, messages: object) -> dict[int, str]:
            assert isinstance(messages, list)
            good = [one for one in messages if one.body != "b"]
            assert not super().send(good)
            return {
                n: "InvalidMessageContents"
                for n, one in enumerate(messages)
                if one.body == "b"
            }

    with consumer(sqs, queue_url, settled) as made:
        flow = Dataflow("test")
        stream = op.input("in", flow, SqsSource(made))
        stopped = op.map("stop", stream, lambda one: _last(made, one))
        answers = op.map("answer", stopped, lambda one: (one, Message(one.body)))
        op.output("out", answers, SqsSink(RefusesB(sqs, to), made))
        run_main(flow)
    assert sorted(settled.values()) == ["deleted", "returned"]
    assert bodies(sqs, to) == ["a"]
    assert bodies(sqs, queue_url) == ["b"]


@pytest.mark.parametrize("stop_after", [0, 1, 3])
def test_what_is_sent_when_the_stop_comes_is_not_returned_too(
    sqs: SQSClient, queue_url: str, unique_name: str, stop_after: int
) -> None:
    to = sqs.create_queue(QueueName=f"{unique_name}-to")["QueueUrl"]
    for number in range(30):
        sqs.send_message(QueueUrl=queue_url, MessageBody=str(number))

    class StopsTheConsumer(Sender):
        def send(self, messages: Sequence[Message]) -> dict[int, str]:
            failed = super().send(messages[:stop_after])
            made.stop()
            eventually(lambda: not made.leases.ids(Phase.HELD))
            failed |= super().send(messages[stop_after:])
            time.sleep(0.2)  # what was returned would be visible by now
            return failed

    with consumer(sqs, queue_url) as made:
        made.start()
        taken: list[Delivery] = []
        while len(taken) < 30:
            taken += made.take()
        partition = SqsSink(StopsTheConsumer(sqs, to), made).build("out", 0, 1)
        partition.write_batch([(one, Message(one.body)) for one in taken[:20]])
        partition.write_batch([(one, Message(one.body)) for one in taken[20:]])
        eventually(lambda: made.drained)
    sent, left = bodies(sqs, to), bodies(sqs, queue_url)
    assert sorted([*sent, *left]) == sorted(map(str, range(30)))
    assert len(sent) == 20


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_example_loses_and_doubles_nothing_when_a_signal_ends_it(
    sqs: SQSClient,
    queue_url: str,
    environment: dict[str, str],
    unique_name: str,
    number: signal.Signals,
) -> None:
    to = sqs.create_queue(QueueName=f"{unique_name}-to")["QueueUrl"]
    for index in range(150):
        sqs.send_message(QueueUrl=queue_url, MessageBody=f"message {index}")
    places = {
        "FROM_QUEUE_URL": queue_url,
        "TO_QUEUE_URL": to,
        "IDLE_EXIT_SECONDS": "3",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "bytewax.run", "examples.sqs_to_sqs"],
        cwd=ROOT,
        env={**os.environ, **environment, **places},
    )
    eventually(lambda: count(sqs, to))
    process.send_signal(number)
    assert process.wait(60) == 0
    found = [body.lower() for body in (*bodies(sqs, to), *bodies(sqs, queue_url))]
    assert sorted(found) == sorted(f"message {n}" for n in range(150))


def count(sqs: SQSClient, url: str) -> int:
    answer = sqs.get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def _last(made: Consumer, delivery: Delivery) -> Delivery:
    """Take a delivery, and stop before the one that is refused comes again."""
    assert made.begin(delivery.message_id)
    if delivery.body == "b":
        made.stop()
    return delivery


def test_a_fifo_queue_gives_one_message_of_a_group_at_a_time(
    sqs: SQSClient, unique_name: str
) -> None:
    url = sqs.create_queue(
        QueueName=f"{unique_name}.fifo",
        Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"},
    )["QueueUrl"]
    for number in range(4):
        for group in ("a", "b"):
            sqs.send_message(
                QueueUrl=url, MessageBody=f"{group}{number}", MessageGroupId=group
            )
    seen: list[str] = []
    returned: set[str] = set()

    def work(delivery: Delivery) -> Delivery:
        """Do the work; the second message of group a fails at first."""
        seen.append(delivery.body)
        if delivery.body == "a1" and not returned:
            returned.add(delivery.body)
            made.return_([delivery.message_id])
        else:
            made.delete([delivery.message_id])
        return delivery

    with consumer(sqs, url) as made:
        flow = Dataflow("test")
        deliveries = op.input("in", flow, SqsSource(made))
        op.inspect("look", op.map("work", deliveries, work), lambda step, one: None)
        run_main(flow)
    in_order = [body for body in seen if body.startswith("a")]
    assert in_order == ["a0", "a1", "a1", "a2", "a3"]
    assert [b for b in seen if b.startswith("b")] == ["b0", "b1", "b2", "b3"]
