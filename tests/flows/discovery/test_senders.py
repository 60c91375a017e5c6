"""Who sends a run's records: threads, or processes of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.discovery.senders import (
    LARGE,
    SEND_PROCESSES,
    batch_size,
    save_after,
    send_processes,
)
from flows.discovery.sending import Setup, send_in_child

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@given(st.integers(1, 10_000))
def test_what_waits_to_be_written_down_leaves_room_for_another_batch(page: int) -> None:
    assert 1 <= batch_size(page) <= page
    assert save_after(page) >= 1
    assert save_after(page) - 1 + batch_size(page) <= page


def test_a_batch_is_whole_requests() -> None:
    sizes = {page: batch_size(page) for page in (7, 10, 59, 500, 10_000)}
    assert sizes == {7: 7, 10: 10, 59: 10, 500: 80, 10_000: 400}


def test_processes_are_for_what_is_large_and_for_machines_that_have_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert send_processes(None, LARGE) == SEND_PROCESSES
    assert send_processes(None, LARGE - 1) == 0
    assert [send_processes(asked, 5) for asked in (0, 3)] == [0, 3]
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert send_processes(None, LARGE) == 0


@pytest.fixture
def setup(environment: dict[str, str], queue_url: str) -> Setup:
    return Setup(queue_url, "INFO", "json", threads=4)


def test_a_batch_is_sent_with_its_groups(
    setup: Setup, sqs: SQSClient, queue_url: str
) -> None:
    messages = [(str(number), f"g{number % 2}") for number in range(25)]
    assert send_in_child(setup, messages) == {}
    found = {}
    while batch := sqs.receive_message(
        QueueUrl=queue_url,
        MaxNumberOfMessages=10,
        MessageSystemAttributeNames=["MessageGroupId"],
    ).get("Messages"):
        for one in batch:
            found[int(one["Body"])] = one.get("Attributes", {}).get("MessageGroupId")
    assert found == {number: f"g{number % 2}" for number in range(25)}


def test_a_message_that_sqs_refuses_is_named_and_the_others_go(setup: Setup) -> None:
    messages = [("a", None), ("x" * 1_100_000, None), ("b", None)]
    assert list(send_in_child(setup, messages)) == [1]
