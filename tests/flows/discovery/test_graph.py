"""The discovery's steps and graph: what is sent, to which group, and what fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from bytewax.testing import TestingSink, TestingSource, run_main

from connectors.errors import Unavailable
from connectors.pages import Found, Selection, Span
from connectors.sqs import Sender
from flows.dependencies import Stopped
from flows.discovery.ending import Concurrent, Ending, Window
from flows.discovery.enqueue import Check, Send, group_id
from flows.discovery.graph import Steps, build_flow
from flows.discovery.items import Checked, Ended, Fate, New, Place, Reader
from flows.discovery.scan import Budget
from flows.discovery.watermark import Part
from model.records import DiscoveryRecord

NINE = datetime(2026, 2, 23, 9, tzinfo=UTC)
QUEUE = "https://sqs.ap-south-1.amazonaws.com/1/records"


def found(number: int, **fields: Any) -> Found:
    usual = {
        "source_record_id": str(number),
        "record_type": "teacher_record",
        "subject_name": "Hindi",
        "audio_s3_url": f"s3://recordings/{number}.wav",
        "student_id": f"student-{number}",
        "udise": "school",
    }
    return Found(NINE, usual | fields)


def new(number: int, **fields: Any) -> New:
    reader = Reader("public.records", Selection(date(2026, 2, 23)), None)
    (item,) = reader([found(number, **fields)], Part(Span()), number)
    assert isinstance(item, New)
    return item


class FlakySqs:
    """An SQS that refuses entries or whole requests on command."""

    def __init__(self, refuse: Callable[[int, str], bool], requests: int = 0) -> None:
        self._refuse, self._requests = refuse, requests
        self.tries: dict[str, int] = {}
        self.sent: list[str] = []

    def send_message_batch(
        self, *, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        if self._requests:
            self._requests -= 1
            raise EndpointConnectionError(endpoint_url=QueueUrl)
        answer: dict[str, Any] = {"Successful": [], "Failed": []}
        for entry in Entries:
            record = DiscoveryRecord.from_message(entry["MessageBody"])
            key = record.source_record_id
            self.tries[key] = self.tries.get(key, 0) + 1
            if self._refuse(self.tries[key], key):
                failed = {"Id": entry["Id"], "Code": "InternalError"}
                answer["Failed"].append(failed)
            else:
                self.sent.append(key)
                answer["Successful"].append({"Id": entry["Id"]})
        return answer


def send_step(sqs: FlakySqs, ending: Ending, **options: Any) -> Send:
    sender = Sender(sqs, QUEUE, sleep=lambda seconds: None)  # type: ignore[arg-type]
    return Send(sender, ending, **options)


def fates(ends: Sequence[Ended]) -> list[Fate]:
    return [end.fate for end in ends]


def test_entries_that_fail_are_tried_again_alone() -> None:
    sqs = FlakySqs(lambda tried, key: tried < 3 and key == "1")
    ends = send_step(sqs, Ending())([new(number) for number in range(3)])
    assert fates(ends) == [Fate.SENT] * 3
    assert sqs.tries == {"0": 1, "1": 3, "2": 1}


def test_an_entry_that_never_goes_has_failed_and_the_others_are_sent() -> None:
    sqs = FlakySqs(lambda tried, key: key == "1")
    ending = Ending()
    ends = send_step(sqs, ending)([new(number) for number in range(3)])
    assert fates(ends) == [Fate.SENT, Fate.FAILED, Fate.SENT]
    assert not ending.stopped


def test_an_outage_of_the_queue_is_waited_out() -> None:
    sqs = FlakySqs(lambda tried, key: False, requests=20)
    assert fates(send_step(sqs, Ending())([new(1)])) == [Fate.SENT]
    assert sqs.tries == {"1": 1}


def test_a_queue_that_stays_away_ends_the_run() -> None:
    sqs = FlakySqs(lambda tried, key: False, requests=1000)
    ending = Ending()
    assert send_step(sqs, ending, patience=0)([new(1)]) == []
    assert isinstance(ending.error, Unavailable)


def test_a_message_that_is_too_long_has_failed_and_is_not_tried() -> None:
    sqs = FlakySqs(lambda tried, key: False)
    long = new(1, student_id="x" * 1_100_000)
    assert fates(send_step(sqs, Ending())([long, new(2)])) == [Fate.FAILED, Fate.SENT]
    assert sqs.sent == ["2"]


def test_nothing_is_sent_once_the_run_ends() -> None:
    ending = Ending()
    ending.fail(ValueError())
    with pytest.raises(Stopped):
        send_step(FlakySqs(lambda tried, key: False), ending)([new(1)])


@pytest.mark.parametrize(
    ("fields", "by", "group"),
    [
        ({}, "none", None),
        ({}, "udise", "school"),
        ({}, "student_id", "student-1"),
        ({"udise": None}, "udise", None),
        ({"udise": ""}, "udise", None),
    ],
)
def test_a_message_belongs_to_the_group_of_its_field(
    fields: dict[str, Any], by: Any, group: str | None
) -> None:
    assert group_id(new(1, **fields).record, by) == group


@pytest.mark.parametrize("name", ["विद्यालय", "two words", "x" * 129])
def test_a_group_that_sqs_takes_no_name_for_has_a_digest(name: str) -> None:
    one = group_id(new(1, udise=name).record, "udise")
    assert one is not None and one.isalnum() and len(one) == 64
    assert one == group_id(new(2, udise=name).record, "udise")


def test_on_a_fifo_queue_each_version_of_a_record_is_a_message_of_its_own() -> None:
    sender = Sender(FlakySqs(lambda *_: False), f"{QUEUE}.fifo")  # type: ignore[arg-type]
    step = Send(sender, Ending(), group_by="udise")
    message = step.message(new(1))
    assert message.group_id == "school"
    assert message.deduplication_id == step.message(new(1)).deduplication_id
    assert len(message.deduplication_id or "") <= 128
    alone = step.message(new(1, udise=None))
    assert alone.group_id == new(1).identity


def test_a_budget_does_not_count_what_was_sent_before() -> None:
    place = Place(Part(Span()), 0, None)
    old, failed = Ended(place, Fate.REMEMBERED), Ended(place, Fate.FAILED)
    budget = Budget(2)
    items: list[New | Ended] = [old, failed, old, new(1), old, new(2)]
    assert budget.spend(items) == items[:5]
    assert budget.spend([old, failed]) == [old]


def test_a_window_takes_more_than_its_size_alone_and_no_more() -> None:
    ending = Ending()
    window = Window(5, ending)
    window.take(7)
    ending.fail(ValueError())
    with pytest.raises(Stopped):
        window.take(1)
    window.give(7)
    window.take(5)


class KnownResults:
    """Results that are there, or an error."""

    def __init__(self, existing: set[str], error: Exception | None = None) -> None:
        self._existing, self._error = existing, error

    def existing(self, ids: Sequence[str]) -> set[str]:
        if self._error is not None:
            raise self._error
        return self._existing & set(ids)


def run_graph(
    pages: list[list[New | Ended]], results: KnownResults, sqs: FlakySqs
) -> tuple[list[Ended], Ending]:
    ending = Ending()
    batches: list[list[Ended]] = []
    look = Check(results, ending)  # type: ignore[arg-type]
    check = Concurrent(look, Checked, 2, ending)
    send = Concurrent(send_step(sqs, ending), list[Ended], 2, ending)
    steps = Steps(check=check, send=send)
    flow = build_flow(TestingSource(pages), TestingSink(batches), steps, batch_size=10)
    run_main(flow)
    return [end for ends in batches for end in ends], ending


def test_every_record_that_goes_in_comes_out_as_an_end() -> None:
    items: list[New | Ended] = [new(number) for number in range(25)]
    failed = Ended(Place(Part(Span()), 25, None), Fate.FAILED)
    known = {item.identity for item in items[:5] if isinstance(item, New)}
    sqs = FlakySqs(lambda tried, key: False)
    ends, _ = run_graph([items, [failed]], KnownResults(known), sqs)
    assert len(ends) == 26
    assert sorted(fates(ends)) == sorted(
        [Fate.FAILED] + [Fate.SKIPPED] * 5 + [Fate.SENT] * 20
    )
    assert len(sqs.sent) == 20


def test_an_error_of_a_step_ends_the_run_and_leaves_the_flow_whole() -> None:
    error = ZeroDivisionError("defect")
    sqs = FlakySqs(lambda tried, key: False)
    ends, ending = run_graph([[new(1)], [new(2)]], KnownResults(set(), error), sqs)
    assert (ends, ending.error) == ([], error)
