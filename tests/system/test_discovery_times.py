"""Discoveries of records whose times are wrong: in the future, or no times at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS

from tests.connectors.strict_mongo import strict_mongo
from tests.system.discoveries import Discoveries, after_nine
from tests.system.pipeline import Pipeline

#: In the year 33,658.
FAR = DatetimeMS(10**15)


@pytest.fixture
def discoveries(pipeline: Pipeline) -> Discoveries:
    return Discoveries(pipeline)


@pytest.fixture
def strict(discoveries: Discoveries) -> Iterator[Discoveries]:
    """Discoveries on a server that holds all that MongoDB does."""
    with strict_mongo() as mongo:
        discoveries.pipeline.mongo_uri = mongo.uri
        yield discoveries


def add(
    discoveries: Discoveries, source: str, seconds: float | None, **more: Any
) -> str:
    """Put a record into a source; return its id there."""
    if source == "postgres":
        return str(discoveries.add_row(seconds, **more))
    return f"{discoveries.add_document(seconds, **more)}:teacher_record:7"


@pytest.mark.parametrize("source", ["postgres", "mongo"])
@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_time_in_the_future_is_sent_once_and_hides_nothing(
    discoveries: Discoveries, source: str, workers: str
) -> None:
    future = datetime.now(UTC) + timedelta(days=400)
    run = ("--source", source, "--mode", "incremental", "--workers", workers)
    for seconds in (1, 2):
        add(discoveries, source, seconds)
    ahead = add(discoveries, source, None, updated_at=future)
    first = discoveries.run(*run)
    assert first.counts() == (3, 0, 3, 0)
    assert first.summary["watermark"] == "2026-02-23T09:00:02.000000Z"
    (warning,) = first.events("time_in_future")
    assert warning["source_record_id"] == ahead
    assert discoveries.run(*run).counts() == (0, 0, 0, 0)
    add(discoveries, source, 1000)
    third = discoveries.run(*run)
    assert third.counts() == (1, 0, 1, 0)
    assert third.summary["watermark"] == "2026-02-23T09:16:40.000000Z"
    # The watermark has left the overlap behind, but not the record in the future.
    assert discoveries.run(*run).counts() == (0, 0, 0, 0)
    assert len(set(discoveries.take_ids())) == 4


def test_the_times_of_a_date_that_has_not_begun_count_up_to_its_end(
    discoveries: Discoveries,
) -> None:
    day = datetime(2999, 1, 1, 9, tzinfo=UTC)
    for at in (day, day + timedelta(seconds=5), day + timedelta(days=40)):
        discoveries.add_row(None, test_date="2999-01-01", updated_at=at)
    run = ("--mode", "incremental", "--test-date", "2999-01-01")
    ended = discoveries.run(*run)
    assert ended.counts() == (3, 0, 3, 0)
    assert ended.summary["watermark"] == "2999-01-01T09:00:05.000000Z"
    assert len(ended.events("time_in_future")) == 1
    assert discoveries.run(*run).counts() == (0, 0, 0, 0)


@pytest.mark.parametrize("size", ["1", "2", "500"])
def test_a_date_that_python_cannot_hold_is_a_failed_record_and_costs_no_other(
    strict: Discoveries, size: str
) -> None:
    kept = [strict.add_document(seconds) for seconds in (1, 2)]
    wrong = [strict.add_document(None, updated_at=FAR) for _ in range(3)]
    run = ("--source", "mongo", "--batch-size", size)
    ended = strict.run(*run, "--mode", "backfill", code=1)
    assert ended.counts() == (5, 0, 2, 3)
    assert ended.summary["watermark"] == "2026-02-23T09:00:02.000000Z"
    failed = ended.events("record_failed")
    assert [line["source_record_id"].split(":")[0] for line in failed] == [
        str(key) for key in wrong
    ]
    assert all("source_updated_at" in line["reason"] for line in failed)
    assert {key.split(":")[0] for key in strict.take_ids()} == set(map(str, kept))
    again = strict.run(*run, "--mode", "incremental", code=1)
    assert again.counts() == (3, 0, 0, 3)
    assert again.summary["watermark"] == "2026-02-23T09:00:02.000000Z"


def test_a_date_before_year_1_holds_the_watermark_like_any_first_that_failed(
    strict: Discoveries,
) -> None:
    strict.add_document(None, updated_at=DatetimeMS(-(10**15)))
    strict.add_document(1)
    ended = strict.run("--source", "mongo", "--mode", "backfill", code=1)
    assert ended.counts() == (2, 0, 1, 1)
    assert ended.summary["watermark"] is None


def test_a_recording_made_at_no_time_fails_alone(strict: Discoveries) -> None:
    subjects = [
        {"subject_id": n, "subject_name": "Hindi", "audio_s3_url": f"s3://b/{n}.wav"}
        for n in range(2)
    ]
    subjects[0]["created_at"], subjects[1]["created_at"] = FAR, after_nine(0)
    key = strict.add_document(1, teacher_record={"subjects": subjects})
    ended = strict.run("--source", "mongo", code=1)
    assert ended.counts() == (2, 0, 1, 1)
    (line,) = ended.events("record_failed")
    assert line["source_record_id"] == f"{key}:teacher_record:0"
    assert strict.take_ids() == [f"{key}:teacher_record:1"]
