"""The short form of `make chaos`: half a minute of it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.chaos.run import Plan, run
from tests.system.pipeline import ROOT, eventually


def test_whatever_fails_every_record_ends_in_one_way(tmp_path: Path) -> None:
    ledger, chaos = run(Plan.of(30, records=200, workers=2, seed=3), tmp_path)
    assert ledger.clean, ledger
    assert ledger.sent == 200
    assert chaos.workers.faults == []


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_no_worker_outlives_a_chaos_program_that_is_killed(tmp_path: Path) -> None:
    options = ["--seconds", "60", "--records", "20", "--workers", "2", "--seed", "1"]
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos", *options],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: workers_at_work(program.pid))
        below = psutil.Process(program.pid).children(recursive=True)
    finally:
        program.kill()
        program.wait()
    left = psutil.wait_procs(below, timeout=20)[1]
    assert left == []


def workers_at_work(pid: int) -> list[psutil.Process]:
    """Return the workers below a process that have come so far as to have children."""
    found = []
    for child in psutil.Process(pid).children():
        with suppress(psutil.Error):  # it has ended meanwhile
            if "run_flow" in child.cmdline() and child.children():
                found.append(child)
    return found
