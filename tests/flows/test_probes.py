"""A worker that stops fails its health check; one that waits does not."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from connectors.errors import Unavailable
from flows.probes import POLL_SECONDS, TAKE_SECONDS, Probes


def probes(**parts: Any) -> Probes:
    now = time.monotonic()
    consumer: Any = SimpleNamespace(
        poller=SimpleNamespace(turned_at=now - parts.get("polled", 0)),
        taken_at=now - parts.get("taken", 0),
        stopping=parts.get("stopping", False),
    )
    settle: Any = SimpleNamespace(alive=parts.get("alive", True))
    return Probes(consumer, settle, checks=parts.get("checks", {}))


def wrong(found: Any) -> list[str]:
    return [name for name, fault in found.items() if fault]


def test_a_worker_that_polls_takes_and_settles_is_live() -> None:
    assert wrong(probes().live()) == []


@pytest.mark.parametrize(
    ("stopped", "part"),
    [
        ({"polled": POLL_SECONDS + 1}, "polling"),
        ({"taken": TAKE_SECONDS + 1}, "flow"),
        ({"alive": False}, "settling"),
    ],
)
def test_a_worker_that_stops_fails_its_health_check(
    stopped: dict[str, Any], part: str
) -> None:
    assert wrong(probes(**stopped).live()) == [part]


def test_a_worker_that_drains_is_live_though_it_polls_no_more() -> None:
    assert wrong(probes(polled=POLL_SECONDS + 1, stopping=True).live()) == []


def test_a_worker_whose_server_is_down_is_live_and_not_ready() -> None:
    def away() -> None:
        raise Unavailable("mongo", "away")

    made = probes(checks={"mongo": away, "queue": lambda: None})
    assert wrong(made.live()) == []
    assert wrong(made.ready()) == ["mongo"]
