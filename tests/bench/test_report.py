"""A row's goal, its slack and its spread."""

from __future__ import annotations

from math import nan
from pathlib import Path

import pytest

from bench.report import BEGIN, END, Row, as_json, write
from bench.rows import _p99


@pytest.mark.parametrize(
    ("reached", "at_least", "ok"),
    [
        (9.0, True, True),
        (8.11, True, True),
        (8.09, True, False),
        (9.0, False, True),
        (9.89, False, True),
        (9.91, False, False),
        (0.0, True, False),
        (0.0, False, True),
        (nan, True, False),
        (nan, False, False),
    ],
)
def test_a_goal_may_be_missed_by_a_tenth_and_no_more(
    reached: float, at_least: bool, ok: bool
) -> None:
    assert Row("a", [reached], 9, at_least).is_ok is ok


@pytest.mark.parametrize(
    ("reached", "at_least", "share"),
    [(18, True, 2), (4.5, True, 0.5), (18, False, 0.5), (4.5, False, 2)],
)
def test_a_share_above_one_is_on_the_good_side(
    reached: float, at_least: bool, share: float
) -> None:
    assert Row("a", [reached], 9, at_least).share == share


def test_a_row_without_a_goal_cannot_miss_it() -> None:
    row = Row("a", [0.0])
    assert row.is_ok
    assert row.wanted == ""


def test_a_row_reaches_the_median_of_its_repeats_and_tells_their_spread() -> None:
    row = Row("a", [3.0, 100.0, 1.0])
    assert row.reached == 3
    assert row.spread == (1.0, 100.0)
    assert "1 to 100" in row.line()
    assert Row("a", [3.0]).spread_in_words == "one run"


def test_one_slow_recording_in_a_hundred_does_not_hide_from_p99() -> None:
    assert _p99([0.1] * 98 + [2.0] * 2) == pytest.approx(2)
    assert _p99([0.1] * 100) == pytest.approx(0.1)


def test_the_json_has_every_row_with_goal_spread_and_partner() -> None:
    rows = [Row("a", [1.0, 2.0, 3.0], 4, partner="plain 7"), Row("b", [1.0])]
    found = as_json(rows)
    assert found["rows"][0] == {
        "name": "a",
        "value": 2.0,
        "goal": "≥ 4",
        "ok": False,
        "spread": [1.0, 3.0],
        "repeats": 3,
        "measured": "plain 7",
    }
    assert found["rows"][1]["goal"] is None
    assert found["missed"] == ["a"]


def test_the_document_gets_a_line_for_each_row_and_keeps_the_rest(
    tmp_path: Path,
) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    write([Row("a row", [1.0, 2.0, 3.0], 4, False, "plain 7")], tmp_path)
    text = document.read_text(encoding="utf-8")
    assert "| a row | 2 | ≤ 4 | 1 to 3 | plain 7 |" in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert (tmp_path / "images" / "performance.png").is_file()
