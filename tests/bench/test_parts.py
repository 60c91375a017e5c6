"""A run is measured while the program is full, and counts only what was done."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import parts
from bench.load import Load
from bench.measure import Look
from bench.programs import BARE, Program, skipped

PROGRAM = Program(["none"], margin=10)


class Running:
    """A worker that deletes a message a second, and whose first are free."""

    def until(self, supply: Any, deleted: int) -> Look:
        """Say that so many were deleted: each second of work costs half of CPU."""
        found = max(deleted, 20)
        return Look(at=float(found), deleted=found, cpu=100 + max(0, found - 20) / 2)

    def peak(self, *, parent: bool) -> float:
        """Return a memory."""
        return 2.0 if parent else 1.0


def _measured(count: int) -> parts.Run:
    supply: Any = SimpleNamespace(count=count)
    running: Any = Running()
    return parts._measured(supply, running, PROGRAM.margin)


def test_rate_and_cpu_are_of_the_same_messages() -> None:
    run = _measured(100)
    assert run.rate == pytest.approx(1)
    assert run.cpu == pytest.approx(0.5)
    assert (run.parent, run.child) == (2, 1)


def test_too_few_messages_are_no_measurement() -> None:
    with pytest.raises(ValueError, match="too few"):
        _measured(30)


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    with Load(tmp_path_factory.mktemp("bench")) as started:
        yield started


@pytest.mark.parametrize("done", [False, True])
def test_a_program_that_deletes_and_does_nothing_is_found_out(
    load: Load, done: bool
) -> None:
    supply = load.supply(200, ["s3://none/none.wav"], done=done, depth=50)
    # It writes no rows: the file is there as one with none.
    empty = str(load.folder / "empty.csv")
    Path(empty).write_text("result_document_id,processing_status\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="200 messages were deleted, 0 left"):
        parts.drain(load, supply, BARE.told(CSV_OUTPUT_PATH=empty))


def test_what_a_dying_program_said_is_told(load: Load) -> None:
    dying = replace(BARE, command=[sys.executable, "-c", "raise SystemExit('ouch')"])
    with pytest.raises(RuntimeError, match="ouch"):
        parts.drain(load, load.supply(200, ["s3://none/none.wav"]), dying)


def test_a_task_that_celery_does_not_know_is_found_out(load: Load) -> None:
    lying = [sys.executable, "-c", "import bench.bare_loop as b, sys; "]
    lying[-1] += (
        "print('ERROR: unregistered task', file=sys.stderr, flush=True); b.main()"
    )
    supply = load.supply_of(["{}"] * 200, "nothing", depth=50)
    with pytest.raises(RuntimeError, match="unregistered"):
        parts.drain(load, supply, replace(BARE, command=lying))


def test_only_a_record_that_was_skipped_counts_and_once(tmp_path: Path) -> None:
    file = tmp_path / "results.csv"
    lines = (
        "a,skipped_existing",
        "a,skipped_existing",
        "b,completed",
        "c,skipped_existing",
    )
    header = "result_document_id,processing_status"
    file.write_text("\n".join((header, *lines)), encoding="utf-8")
    assert skipped([file]) == 2
