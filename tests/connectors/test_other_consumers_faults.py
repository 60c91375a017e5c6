"""What other consumers of SQS get wrong: a test for each, named after it.

The rest of that list needs more than the connector: an outage that empties the queue
into the dead-letter queue (tests/system/test_outages.py and test_faults.py) and a
worker that stops while its health check passes (tests/system/watching/test_health.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from connectors.local import LocalServices
from connectors.sqs import Consumer, Delivery, QueueGone
from connectors.sqs.batches import call_batch
from tests.chaos.proxy import Fault, Proxy
from tests.connectors.fake_sqs import Clock, StrictSqs
from tests.connectors.test_leases import TIMEOUT, Consuming
from tests.system.pipeline import eventually

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def error_of(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "ReceiveMessage")


class Faulty:
    """A real client, whose calls of some operations fail while `codes` lasts."""

    def __init__(self, client: SQSClient, *codes: str) -> None:
        self._client, self._codes = client, list(codes)

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        return self._failing(real) if name.startswith("receive") else real

    def _failing(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            if self._codes:
                raise error_of(self._codes.pop(0))
            return real(**arguments)

        return call


@contextmanager
def consumer(client: Any, url: str, **options: Any) -> Iterator[Consumer]:
    options = {"long_poll": 1, "visibility_timeout": 5, "pollers": 2, **options}
    made = Consumer(url, client=client, **options)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        made.close()


def take(made: Consumer, count: int) -> list[Delivery]:
    taken: list[Delivery] = []

    def enough() -> bool:
        taken.extend(made.take())
        return len(taken) >= count

    eventually(enough)
    return taken


def visible(sqs: SQSClient, url: str) -> int:
    answer = sqs.get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def test_a_delete_that_fails_within_an_answer_of_200_is_not_silent() -> None:
    consuming = Consuming()
    consuming.sqs.put("m")
    consuming.receive()
    consuming.sqs.fail_entries = 3
    consuming.settlement.delete(["m"])
    for _ in range(20):
        consuming.turn(1)
    assert consuming.sqs.deleted == ["m"]
    assert consuming.settled == [("m", "deleted")]
    assert consuming.stats["delete_failures"] == 3


def test_an_entry_that_the_answer_does_not_name_has_failed() -> None:
    failed = call_batch(lambda **_: {"Successful": [{"Id": "0"}]}, "url", [{}, {}])
    assert failed == {1: "Unanswered"}


def test_one_duplicate_does_not_fail_a_whole_batch_of_deletes() -> None:
    consuming = Consuming()
    for number in range(5):
        consuming.sqs.put(f"m{number}")
    held = consuming.receive()
    consuming.leases.take_permits(1, patience=0)
    assert not consuming.leases.register(*consuming.sqs.deliver("m2", TIMEOUT))
    consuming.settlement.delete([*held, "m2", "m2"])
    consuming.settlement.delete(held)
    consuming.turn()
    assert sorted(consuming.sqs.deleted) == held
    assert consuming.stats["requests.delete"] == 1


def test_a_lease_is_extended_until_sqs_has_confirmed_its_delete() -> None:
    consuming = Consuming()
    consuming.sqs.put("m")
    consuming.receive()
    consuming.leases.begin("m")
    for _ in range(100):  # the work takes more than three leases
        consuming.turn(1)
    consuming.settlement.delete(["m"])
    for _ in range(100):  # SQS refuses the delete for as long again
        consuming.sqs.fail_entries = 1
        consuming.turn(1)
        assert consuming.sqs.receive(10, TIMEOUT) == []
    consuming.sqs.fail_entries = 0
    for _ in range(20):
        consuming.turn(1)
    assert consuming.sqs.deleted == ["m"]


def test_one_request_that_hangs_costs_no_lease(
    sqs: SQSClient,
    queue_url: str,
    services: LocalServices,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sqs.send_message(QueueUrl=queue_url, MessageBody="m")
    port = urlsplit(services.aws_endpoint_url).port
    assert port is not None
    with Proxy(port) as proxy:
        through = f"http://127.0.0.1:{proxy.port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", through)
        url = queue_url.replace(services.aws_endpoint_url, through)
        with consumer(None, url, visibility_timeout=4, pollers=1) as made:
            (delivery,) = take(made, 1)
            assert made.begin(delivery.message_id)
            proxy.fault(Fault.HANG)
            time.sleep(2)  # an extension was due after 1.3 s
            proxy.fault(Fault.NONE)
            for _ in range(50):
                assert visible(sqs, queue_url) == 0
                time.sleep(0.1)
            assert made.stats["extended"] and not made.stats["lost"]


def test_what_was_fetched_and_not_begun_is_not_abandoned_at_the_stop(
    sqs: SQSClient, queue_url: str
) -> None:
    for number in range(20):
        sqs.send_message(QueueUrl=queue_url, MessageBody=str(number))
    with consumer(sqs, queue_url, visibility_timeout=600) as made:
        taken = take(made, 20)
        assert made.begin(taken[0].message_id)
        made.stop()
        eventually(lambda: visible(sqs, queue_url) == 19)
        assert not made.drained
        made.delete([taken[0].message_id])
        eventually(lambda: made.drained)


def test_what_the_last_receive_brings_after_the_stop_is_returned(
    sqs: SQSClient, queue_url: str
) -> None:
    with consumer(sqs, queue_url, long_poll=3, visibility_timeout=600) as made:
        time.sleep(0.3)
        made.stop()
        sqs.send_message(QueueUrl=queue_url, MessageBody="late")
        eventually(lambda: made.drained)
        assert visible(sqs, queue_url) == 1


@pytest.mark.parametrize(
    "code",
    [
        "RequestThrottled",
        "ThrottlingException",
        "ExpiredToken",
        "UnrecognizedClientException",
        "AccessDenied",
        "ServiceUnavailable",
    ],
)
def test_throttling_and_refusals_are_waited_for(
    sqs: SQSClient, queue_url: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.sqs.poller.BACKOFF_SECONDS", 0.05)
    monkeypatch.setattr("connectors.sqs.poller.BACKOFF_MAX_SECONDS", 0.1)
    sqs.send_message(QueueUrl=queue_url, MessageBody="m")
    failures: list[Exception] = []
    faulty = Faulty(sqs, code, code, code)
    with consumer(faulty, queue_url, on_failure=failures.append) as made:
        (delivery,) = take(made, 1)
        made.delete([delivery.message_id])
        eventually(lambda: not len(made.leases))
    assert failures == []


def test_a_queue_that_is_deleted_ends_the_consumer_instead_of_a_line_a_second(
    sqs: SQSClient, queue_url: str
) -> None:
    failures: list[Exception] = []
    with consumer(sqs, queue_url, on_failure=failures.append) as made:
        sqs.delete_queue(QueueUrl=queue_url)
        eventually(lambda: failures)
        with pytest.raises(QueueGone, match="does not exist"):
            made.take()


def test_nothing_is_acknowledged_when_a_consumer_is_closed(
    sqs: SQSClient, queue_url: str
) -> None:
    sqs.send_message(QueueUrl=queue_url, MessageBody="m")
    made = Consumer(queue_url, client=sqs, long_poll=1, visibility_timeout=600)
    made.start()
    take(made, 1)
    made.close()
    assert made.stats["deleted"] == made.stats["returned"] == 0
    assert visible(sqs, queue_url) == 0


def test_a_message_that_comes_again_after_its_delete_is_a_delivery_of_its_own() -> None:
    consuming = Consuming()
    for _ in range(2):
        consuming.sqs.put("m")
        assert consuming.receive() == ["m"]
        consuming.settlement.delete(["m"])
        consuming.turn()
    assert consuming.settled == [("m", "deleted")] * 2


def test_the_strict_queue_refuses_a_stale_handle() -> None:
    sqs = StrictSqs(Clock())
    sqs.put("m")
    (_, handle) = sqs.deliver("m", TIMEOUT)
    sqs.deliver("m", TIMEOUT)
    entries = [{"Id": "0", "ReceiptHandle": handle}]
    answer = sqs.delete_message_batch(QueueUrl="url", Entries=entries)
    assert answer["Failed"] == [{"Id": "0", "Code": "ReceiptHandleIsInvalid"}]
