"""Copies of one record: one is worked on, and none is lost with it."""

from __future__ import annotations

import orjson

from flows.copies import Copies
from model.outcomes import Kind, Outcome, Status
from model.records import DiscoveryRecord, WorkItem
from tests.model.test_records import MESSAGE


def item(message_id: str, **changed: str) -> WorkItem:
    body = orjson.dumps({**MESSAGE, **changed}).decode()
    return WorkItem.of(DiscoveryRecord.from_message(body), message_id, 1)


def ids(outcomes: list[Outcome]) -> list[str]:
    return [outcome.item.message_id for outcome in outcomes]


def test_of_copies_the_first_is_admitted_and_the_others_wait() -> None:
    copies = Copies()
    admitted = copies.admit([item("a"), item("b"), item("c", student_id="another")])
    assert [one.message_id for one in admitted] == ["a", "c"]
    assert copies.admit([item("d")]) == []
    assert ids(copies.resolve(Outcome(item("a"), Status.COMPLETED))) == ["a", "b", "d"]
    assert len(copies) == 1


def test_copies_of_a_completed_record_are_skipped_as_existing() -> None:
    copies = Copies()
    copies.admit([item("a"), item("b")])
    done = copies.resolve(Outcome(item("a"), Status.COMPLETED))
    assert [one.status for one in done] == [Status.COMPLETED, Status.SKIPPED_EXISTING]


def test_copies_of_a_failed_record_fail_with_it_and_none_is_deleted() -> None:
    copies = Copies()
    copies.admit([item("a"), item("b")])
    failure = Outcome.failed(item("a"), Kind.TRANSIENT, "download", "cut off")
    done = copies.resolve(failure)
    assert [one.status for one in done] == [Status.FAILED] * 2
    assert {one.failure for one in done} == {failure.failure}


def test_a_copy_that_comes_after_the_end_is_admitted_again() -> None:
    copies = Copies()
    copies.admit([item("a")])
    copies.resolve(Outcome.failed(item("a"), Kind.TRANSIENT, "download", "cut off"))
    assert len(copies.admit([item("b")])) == 1


def test_copies_of_a_record_that_is_given_up_are_handed_back() -> None:
    copies = Copies()
    copies.admit([item("a"), item("b")])
    assert [one.message_id for one in copies.release(item("a"))] == ["b"]
    assert len(copies) == 0
