"""The benchmark's command: what it refuses, and when it fails."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
import pytest

from bench import run
from bench.report import Row
from bench.sizes import Sizes


@pytest.mark.parametrize("less", [("--part", "depth"), ("--short",)])
def test_a_document_of_some_rows_is_not_written(
    less: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main([*less, "--write"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "--write" in said


@pytest.mark.parametrize(("reached", "code"), [(9.0, 0), (8.2, 0), (8.0, 1)])
def test_the_exit_code_tells_of_a_goal_missed_by_more_than_a_tenth(
    reached: float,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[tuple[list[str], int]] = []

    def measured(names: Sequence[str], sizes: Sizes) -> list[Row]:
        asked.append((list(names), sizes.rounds))
        return [Row("a", [reached], 9)]

    monkeypatch.setattr(run, "measured", measured)
    assert run.main(["--part", "depth", "--rounds", "7"]) == code
    assert asked == [(["depth"], 7)]
    line = orjson.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["missed"] == (["a"] if code else [])
