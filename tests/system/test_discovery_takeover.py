"""A run that takes over from another: nothing is lost, and one at a time writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from pymongo import MongoClient

from connectors.errors import Unavailable
from flows.discovery.plan import Order
from flows.discovery.run import Discovery
from flows.settings import Settings
from tests.system.discoveries import TEST_DATE, Discoveries
from tests.system.pipeline import Pipeline, eventually

ROWS, PAGE = 10_000, 10
LOST = "earshot: another run took this one's lease over"


@pytest.fixture
def discoveries(pipeline: Pipeline) -> Discoveries:
    return Discoveries(pipeline)


def test_force_ends_the_first_run_and_goes_on_where_it_was(
    discoveries: Discoveries,
) -> None:
    discoveries.add_rows(ROWS)
    backfill = ("--mode", "backfill", "--batch-size")
    first = discoveries.start(*backfill, str(PAGE))
    discoveries.wait_for_its_middle(first)
    second = discoveries.start(*backfill, "500", "--force")
    assert first.wait() == 1, first.stderr
    assert [line for line in first.stderr.splitlines() if line[:1] != "{"] == [LOST]
    assert second.wait() == 0, second.stderr
    (taken,), (began,) = (
        second.events(name) for name in ("lease_taken_over", "discovery_started")
    )
    (noticed,) = first.events("discovery_finished")
    assert taken["timestamp"] < noticed["timestamp"] < began["timestamp"]
    assert second.events("discovery_resumed")
    sent = Counter(discoveries.take_ids())
    assert set(sent) == {str(row) for row in discoveries.rows}
    assert sent.total() - ROWS <= PAGE
    (state,) = discoveries.state()
    assert state["watermark"] == second.summary["watermark"]
    assert state["scan_backfill"] is None


@pytest.fixture
def discovery(
    discoveries: Discoveries, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Discovery]:
    for name, value in discoveries.pipeline.settings(TEST_DATE=TEST_DATE).items():
        monkeypatch.setenv(name, value)
    order = Order(date.fromisoformat(TEST_DATE), "backfill")
    opened = Discovery(Settings.load(), order)
    yield opened
    opened.close()


def places(discoveries: Discoveries) -> list[Any]:
    """Return how far runs came; a lease is no place."""
    return [state for state in discoveries.state() if "run" not in state]


def test_a_run_that_ends_badly_writes_down_how_far_it_came(
    discoveries: Discoveries, discovery: Discovery
) -> None:
    discovery.ending.fail(Unavailable("sqs", "the queue took no message"))
    discovery.save()
    assert len(places(discoveries)) == 1


@pytest.mark.parametrize("earlier", [None, Unavailable("sqs", "it took no message")])
def test_what_another_run_has_taken_over_is_not_written_to(
    discoveries: Discoveries, discovery: Discovery, earlier: Exception | None
) -> None:
    if earlier is not None:
        discovery.ending.fail(earlier)
    with MongoClient[Any](discoveries.pipeline.mongo_uri) as client:
        states = client[discoveries.pipeline.database]["anomaly_pipeline_state"]
        states.update_one({"run": {"$exists": True}}, {"$set": {"run": "another"}})
    eventually(lambda: discovery.ending.stopped and discovery._lease.lost)
    discovery.save()
    assert places(discoveries) == []
