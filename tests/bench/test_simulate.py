"""The simulated school day: nothing is lost in it, and the scaler is KEDA's."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from bench.simulate import Cluster, Plan, arrivals_of, desired, summary

SMALL = Plan(recordings=50_000, rate=5.0, per_pod=500, most=10)


def test_a_seed_gives_the_same_day_again() -> None:
    once, again = (summary(SMALL, Cluster(SMALL).run()) for _ in range(2))
    assert once == again
    other = replace(SMALL, seed=2)
    assert summary(other, Cluster(other).run())["arrived"] != once["arrived"]


@pytest.mark.parametrize("most", [1, 3, 50])
def test_what_arrived_is_done_or_still_on_the_queue(most: int) -> None:
    cluster = Cluster(replace(SMALL, most=most))
    day = cluster.run()
    assert day.arrived == day.done + cluster.backlog
    assert abs(day.arrived - SMALL.recordings) < 1_000
    assert max(day.pods) <= most
    assert sum(count for _, count in day.waits) == day.done


def test_more_pods_make_a_shorter_wait_and_fewer_a_longer_one() -> None:
    waits = [
        summary(plan, Cluster(plan).run())["wait_p99"]
        for plan in (replace(SMALL, most=most) for most in (1, 3, 10))
    ]
    assert waits == sorted(waits, reverse=True)
    assert waits[0] > 2 * waits[-1]


def test_nothing_comes_outside_the_hours() -> None:
    shares = arrivals_of(SMALL)
    assert shares.sum() == pytest.approx(1)
    a_step = 24 / len(shares)
    assert shares[: int(8 / a_step)].sum() == 0
    assert shares[int(15 / a_step) + 1 :].sum() == 0


@pytest.mark.parametrize(
    ("backlog", "pods", "wanted"),
    [(0, 3, 1), (500, 1, 1), (501, 1, 2), (9_999, 1, 5), (9_999, 6, 10)],
)
def test_the_scaler_wants_a_pod_for_each_share_but_grows_no_faster_than_it_may(
    backlog: int, pods: int, wanted: int
) -> None:
    assert desired(SMALL, backlog, pods) == wanted


def test_the_command_prints_a_day_and_draws_it(tmp_path: Path) -> None:
    plot = tmp_path / "images" / "day.png"
    arguments = ("--recordings", "20000", "--plot", str(plot))
    ended = subprocess.run(
        [sys.executable, "-m", "bench.simulate", *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        timeout=120,
        check=True,
    )
    day = orjson.loads(ended.stdout)
    assert day["plan"]["recordings"] == 20_000
    assert day["done"] == day["arrived"]
    assert plot.read_bytes().startswith(b"\x89PNG")
