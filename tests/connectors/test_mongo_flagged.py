"""Flagged results come the worst first, each once, and are counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from connectors.mongo import Document
from connectors.mongo_flagged import STEP, Choice, Flagged, Spot, head_of
from connectors.mongo_overview import Overview, Tally
from tests.console.results import normal, result


@pytest.fixture
def stored(mongo_uri: str, database: str) -> Iterator[Collection[dict[str, Any]]]:
    client: MongoClient[dict[str, Any]] = MongoClient(mongo_uri)
    with client:
        yield client[database]["results"]


def every(documents: Sequence[Document]) -> list[Document]:
    return list(documents)


def names(documents: Sequence[Document]) -> list[str]:
    return [document["student_id"] for document in documents]


def test_the_worst_come_first_and_pages_give_each_once(
    stored: Collection[dict[str, Any]],
) -> None:
    # Equal scores: a page's edge may lie among them.
    scores = [float(n % 5) for n in range(30)]
    stored.insert_many(
        [result(f"r{n}", anomaly_score=score) for n, score in enumerate(scores)]
    )
    stored.insert_one(normal("ordinary"))
    found, after = [], None
    while page := Flagged(stored).page(Choice(), after, 7, every):
        found += page
        after = Spot.of(page[-1])
    assert [one["anomaly_score"] for one in found] == sorted(scores, reverse=True)
    assert sorted(names(found)) == sorted(f"r{n}" for n in range(30))


def test_a_page_is_filled_though_most_are_dropped(
    stored: Collection[dict[str, Any]],
) -> None:
    count = STEP + 20
    stored.insert_many(
        [result(f"r{n}", anomaly_score=float(count - n)) for n in range(count)]
    )
    last = {f"r{n}" for n in range(count - 3, count)}

    def keep(documents: Sequence[Document]) -> list[Document]:
        return [one for one in documents if one["student_id"] in last]

    page = Flagged(stored).page(Choice(), None, 2, keep)
    assert names(page) == [f"r{count - 3}", f"r{count - 2}"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(), "abcd"),
        (Choice(test_date="2026-02-24"), "b"),
        (Choice(subject_name="हिन्दी"), "c"),
        (Choice(udise="other"), "d"),
        (Choice(reason="no speech"), "ab"),
        (Choice(reason="almost no speech"), "c"),
        (Choice(reason="no speech", test_date="2026-02-23"), "a"),
        (Choice(reason=".*"), ""),
    ],
)
def test_results_are_chosen(
    stored: Collection[dict[str, Any]], choice: Choice, expected: str
) -> None:
    stored.insert_many(
        [
            result("a", reasons=["no speech: tones"]),
            result("b", reasons=["gaps", "no speech: noise"], test_date="2026-02-24"),
            result("c", reasons=["almost no speech: 6 %"], subject_name="हिन्दी"),
            result("d", udise="other"),
        ]
    )
    found = Flagged(stored).page(choice, None, 10, every)
    assert sorted(names(found)) == list(expected)


def test_results_are_counted_by_field_and_by_reason(
    stored: Collection[dict[str, Any]],
) -> None:
    stored.insert_many(
        [
            result("a", reasons=["clipped: 2 %", "noisy"], udise=None),
            result("b", reasons=["clipped: 61.3 %"]),
            normal("c"),
            normal("d", test_date="2026-02-24"),
            {"_id": "of yesterday", "test_date": "2026-02-23"},
        ]
    )
    overview = Overview(stored)
    assert overview.tallies("test_date") == [
        Tally("2026-02-23", 3, 2),
        Tally("2026-02-24", 1, 0),
    ]
    assert overview.tallies("udise", "2026-02-23") == [
        Tally("", 1, 1),
        Tally("27251600101", 2, 1),
    ]
    assert overview.reasons() == {"clipped": 2, "noisy": 1}
    assert overview.reasons("2026-02-24") == {}


@pytest.mark.parametrize(
    ("reason", "head"),
    [("clipped: 2 % of the samples at 0 dBFS", "clipped"), ("noisy", "noisy")],
)
def test_a_reason_has_a_head(reason: str, head: str) -> None:
    assert head_of(reason) == head
