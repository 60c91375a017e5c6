"""One figure of a worker's capacity, and it is the benchmark's."""

from __future__ import annotations

import re
from pathlib import Path

from bench.capacity import RECORDINGS_A_SECOND
from bench.costs import Inputs
from bench.rows import RATE_ROW
from bench.simulate import Plan

DOCS = Path(__file__).parents[2] / "docs"


def test_costs_simulation_and_document_go_by_the_same_figure() -> None:
    assert Inputs().rate == Plan().rate == RECORDINGS_A_SECOND
    text = (DOCS / "scale.md").read_text(encoding="utf-8")
    assert f"take {RECORDINGS_A_SECOND:g} recordings" in text


def test_the_figure_is_below_what_was_measured_and_not_far() -> None:
    table = (DOCS / "performance.md").read_text(encoding="utf-8")
    found = re.search(rf"\| {RATE_ROW} \|.*\| (\d+), [a-z ]*plain \d+ \|", table)
    assert found, "no such row in docs/performance.md"
    measured = float(found[1])
    assert measured / 2 < RECORDINGS_A_SECOND <= measured
