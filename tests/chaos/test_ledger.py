"""The ledger of a chaos run can say no: each fault that it counts is put before it."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from connectors.queues import Queue
from tests.chaos.ledger import Ledger, ledger_of
from tests.chaos.records import Kind

COLUMNS = ["trace_id", "processing_status", "receive_count", "error"]


class Run:
    """What is left of a run of three records, well as it is made."""

    def __init__(self, sqs: Any, queue: Queue, quarantine: str, folder: Path) -> None:
        self.sqs, self.folder, self.quarantine = sqs, folder, quarantine
        self.queue_url, self.dead_letter_url = queue.url, queue.dead_letter_url
        self.judged = ["a", "b", "c"]
        self.rows = [[trace, "completed", "1", ""] for trace in "abc"]

    def results(self) -> list[dict[str, str]]:
        return [{"trace_id": trace} for trace in self.judged]

    def left(self, url: str) -> int:
        name = "ApproximateNumberOfMessages"
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return int(answer["Attributes"][name])

    def ledger(self) -> Ledger:
        with (self.folder / "results.csv").open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *self.rows])
        records: Any = SimpleNamespace(
            pipeline=self,
            sent=set("abc"),
            kinds=dict.fromkeys("abc", Kind.GOOD),
            malformed=[],
        )
        return ledger_of(records, self.quarantine)


@pytest.fixture
def ended(sqs: Any, queue: Queue, unique_name: str, tmp_path: Path) -> Run:
    quarantine = sqs.create_queue(QueueName=f"{unique_name}-quarantine")["QueueUrl"]
    return Run(sqs, queue, quarantine, tmp_path)


def test_a_run_that_ended_well_is_clean(ended: Run) -> None:
    ledger = ended.ledger()
    assert ledger.clean
    assert (ledger.sent, ledger.results, ledger.highest_receive_count) == (3, 3, 1)


def test_a_record_with_two_results_is_told_by_its_trace(ended: Run) -> None:
    ended.judged.append("b")
    ledger = ended.ledger()
    assert ledger.duplicate_results == 1
    assert not ledger.clean


def test_a_result_without_a_row_is_unwritten(ended: Run) -> None:
    ended.rows[1] = ["b", "failed_pre_inference", "1", "download: cut"]
    ledger = ended.ledger()
    assert (ledger.unwritten, ledger.innocent_failures) == (1, {"download: cut": 1})
    assert not ledger.clean


def test_a_row_of_a_copy_that_was_skipped_is_a_row(ended: Run) -> None:
    ended.rows[1] = ["b", "skipped_existing", "2", ""]
    assert ended.ledger().clean


def test_a_record_that_is_nowhere_is_lost(ended: Run) -> None:
    ended.judged.remove("b")
    ledger = ended.ledger()
    assert (ledger.lost, ledger.innocent_unjudged) == (1, 1)
    assert not ledger.clean


def test_a_message_that_is_left_counts_with_the_receives_that_it_had(
    ended: Run,
) -> None:
    ended.judged.remove("b")
    ended.rows = [*ended.rows[:1], *ended.rows[2:]]
    body = orjson.dumps({"trace_id": "b"}).decode()
    ended.sqs.send_message(QueueUrl=ended.dead_letter_url, MessageBody=body)
    for _ in range(7):
        ended.sqs.receive_message(QueueUrl=ended.dead_letter_url, VisibilityTimeout=0)
    ledger = ended.ledger()
    assert (ledger.highest_receive_count, ledger.burnt) == (7, {"good": 1})
    assert (ledger.lost, ledger.dead_lettered, ledger.innocent_unjudged) == (0, 1, 1)
    assert not ledger.clean
