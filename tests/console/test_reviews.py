"""Reviews are added and never changed; the newest of a recording counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database

from connectors.errors import Misconfigured
from connectors.mongo_reviews import NOTE_LENGTH, Review, Reviews, Verdict
from tests.console.results import key, result

AT = datetime(2026, 3, 1, tzinfo=UTC)


def said(name: str, verdict: Verdict, minutes: int = 0) -> Review:
    review = Review.of(result(name), verdict, "asha", "listened twice")
    return replace(review, reviewed_at=AT + timedelta(minutes=minutes))


def test_the_newest_review_counts_and_all_are_kept(
    reviews: Reviews, places: Database[dict[str, Any]]
) -> None:
    later, earlier = said("a", "false_alarm", 5), said("a", "confirmed")
    for review in (later, earlier, said("b", "unsure")):
        reviews.add(review)
    assert reviews.newest([key("a"), key("c")]) == {key("a"): later}
    assert reviews.of(key("a")) == [later, earlier]
    assert reviews.counts() == {"confirmed": 0, "false_alarm": 1, "unsure": 1}
    assert sorted(reviews.all_newest(), key=lambda r: r.verdict) == [
        later,
        said("b", "unsure"),
    ]
    assert places["anomaly_reviews"].count_documents({}) == 3


def test_of_two_reviews_at_one_moment_the_one_written_last_counts(
    reviews: Reviews,
) -> None:
    reviews.add(said("a", "confirmed"))
    reviews.add(said("a", "unsure"))
    assert reviews.newest([key("a")])[key("a")].verdict == "unsure"
    assert [one.verdict for one in reviews.all_newest()] == ["unsure"]


def test_a_review_tells_what_was_looked_at(reviews: Reviews) -> None:
    reviews.add(Review.of(result("a"), "confirmed", "asha", " x" * NOTE_LENGTH))
    (found,) = reviews.of(key("a"))
    assert found.note == ("x" + " x" * NOTE_LENGTH)[:NOTE_LENGTH]
    assert (found.model_version, found.anomaly_score) == ("1.2", 2.5)
    assert found.reasons == ("silent: nothing above -83 dBFS",)
    assert abs(found.reviewed_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_review_that_somebody_else_wrote_wrongly_is_told(
    reviews: Reviews, places: Database[dict[str, Any]]
) -> None:
    places["anomaly_reviews"].insert_one(
        {"result_document_id": key("a"), "verdict": "perhaps", "reviewed_at": AT}
    )
    with pytest.raises(Misconfigured, match="a review says 'perhaps'"):
        reviews.of(key("a"))
