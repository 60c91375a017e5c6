"""The short form of `make chaos`: half a minute of it."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.run import Plan, run


def test_whatever_fails_every_record_ends_in_one_way(tmp_path: Path) -> None:
    ledger, chaos = run(Plan.of(30, records=200, workers=2, seed=3), tmp_path)
    assert ledger.clean, ledger
    assert ledger.sent == 200
    assert chaos.workers.faults == []
