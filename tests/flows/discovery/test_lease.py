"""A lease taken over, lost, and taken though no answer came."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from connectors.errors import Unavailable
from connectors.mongo import Document
from connectors.mongo_state import States
from flows.dependencies import reach
from flows.discovery import lease
from flows.discovery.ending import Ending
from flows.discovery.lease import Lease
from tests.flows.discovery.test_watching import held_elsewhere

NOTICE_SECONDS = 0.5


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(lease, "NOTICE_SECONDS", NOTICE_SECONDS)


def seconds_to_take_by_force(states: States) -> float:
    taken = Lease(states, "key", Ending())
    began = time.monotonic()
    taken.take(force=True)
    took = time.monotonic() - began
    taken.release()
    return took


def test_who_takes_a_lease_over_waits_until_its_holder_has_noticed(
    states: States,
) -> None:
    ending = Ending()
    first = Lease(states, "key", ending)
    first.take(force=False)
    assert seconds_to_take_by_force(states) >= NOTICE_SECONDS
    assert ending.stopped


@pytest.mark.parametrize(
    "holder",
    [
        held_elsewhere(lease._host()),
        held_elsewhere("elsewhere") | {"expires_at": "2026-01-01T00:00:00.000000Z"},
        None,
    ],
    ids=["has died", "has expired", "nobody"],
)
def test_nobody_waits_for_one_that_cannot_be_under_way(
    states: States, holder: dict[str, object] | None
) -> None:
    if holder is not None:
        states.seize_lease("key", holder)
    assert seconds_to_take_by_force(states) < NOTICE_SECONDS


class AnswersLost(States):
    """State documents of which the first lease is taken, and nobody told."""

    lost = False

    def take_lease(
        self, key: str, lease: Mapping[str, Any], *, now: str
    ) -> Document | None:
        """Take a lease; see `States.take_lease`."""
        found = super().take_lease(key, lease, now=now)
        if not self.lost:
            self.lost = True
            raise Unavailable("mongo", "the answer was lost")
        return found


def test_a_lease_whose_first_answer_was_lost_is_ours(states: States) -> None:
    lossy = AnswersLost(states._collection)
    taken = Lease(lossy, "key", Ending())
    reach(lambda: taken.take(force=False))
    assert lossy.lost and states.load("key")["run"] == taken._run
    taken.release()
    assert states.load("key") == {}
