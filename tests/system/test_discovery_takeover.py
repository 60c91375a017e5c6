"""A run that takes over from another: nothing is lost, and one at a time writes."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from flows.discovery.lease import LeaseLost
from flows.discovery.plan import Order
from flows.discovery.run import Discovery
from flows.settings import Settings
from tests.system.discoveries import TEST_DATE, Discoveries
from tests.system.pipeline import Pipeline

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


@pytest.mark.parametrize("error", [LeaseLost("taken over"), ValueError("a defect")])
def test_what_another_run_has_taken_over_is_not_written_to(
    discoveries: Discoveries, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    for name, value in discoveries.pipeline.settings(TEST_DATE=TEST_DATE).items():
        monkeypatch.setenv(name, value)
    order = Order(date.fromisoformat(TEST_DATE), "backfill")
    discovery = Discovery(Settings.load(), order)
    discovery.ending.fail(error)
    discovery.save()
    discovery.close()
    written = 0 if isinstance(error, LeaseLost) else 1
    assert len(discoveries.state()) == written
