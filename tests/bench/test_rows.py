"""Rows are made of pairs, round by round."""

from __future__ import annotations

import pytest

from bench.depth import Pair, Taken
from bench.parts import Run
from bench.rows import _depth_rows, ratios
from bench.soak import Soak


def _run(cpu: float) -> Run:
    return Run(rate=1, first=1, cpu=cpu, parent=1, child=1)


def test_a_ratio_is_of_the_two_runs_of_one_round() -> None:
    rounds = [{"a": _run(8), "b": _run(2)}, {"a": _run(3), "b": _run(3)}]
    assert ratios(rounds, "a", "b", "cpu") == [4, 1]


def test_what_a_bare_loop_loses_in_a_deep_queue_is_not_the_workers() -> None:
    shallow = [Pair(bare=Taken(2_000), ours=Taken(1_000))] * 3
    deep = [
        Pair(bare=Taken(200), ours=Taken(100)),
        Pair(bare=Taken(200), ours=Taken(50)),
        Pair(bare=Taken(100), ours=Taken(100)),
    ]
    raw, beside = _depth_rows("deep over shallow", shallow, deep, 0.9)
    assert raw.samples == pytest.approx([0.1, 0.05, 0.1])
    assert raw.goal is None
    assert beside.samples == pytest.approx([1, 0.5, 2])
    assert beside.is_ok


def test_memory_grows_from_the_median_of_the_early_sights() -> None:
    found = Soak(early=[90, 100, 400], late=[100, 110], parent=1, child=1)
    assert found.growth == pytest.approx([0, 10])
