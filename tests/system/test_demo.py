"""The demo from the outside: what it prints, what it leaves, how it ends."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import psutil

from tests.system.pipeline import ROOT, eventually


def test_the_demo_ends_well_and_its_last_line_is_json(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "run_flow.py", "demo", "--items", "10", "--output", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    assert "run_flow.py demo --keep, then" in ended.stderr
    assert ended.stderr.rstrip().endswith("run_flow.py console")
    told = orjson.loads(ended.stdout.splitlines()[-1])
    assert list(told) == [
        "sent",
        "outcomes",
        "malformed",
        "flagged",
        "seconds",
        "output",
    ]
    assert told["outcomes"] == {
        "completed": 10,
        "skipped_existing": 1,
        "skipped_ineligible": 1,
        "failed_pre_inference": 1,
    }
    assert told["sent"] == 14
    assert told["malformed"] == 1
    assert told["flagged"] >= 2
    output = Path(told["output"])
    assert output.parent == tmp_path
    with (output / "results.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) >= 13
    assert len((output / "quarantine.jsonl").read_text().splitlines()) == 1
    assert (output / "scores.png").read_bytes().startswith(b"\x89PNG")


def test_a_demo_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    command = [sys.executable, "run_flow.py", "demo", "--output", str(tmp_path)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        eventually(lambda: _has_started(tmp_path))
        children = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(children) >= 4
    gone, alive = psutil.wait_procs(children, timeout=40)
    assert not alive


def _has_started(folder: Path) -> bool:
    """Tell whether the demo's worker is at work."""
    return any(
        "worker_started" in log.read_text() for log in folder.glob("*/worker.log")
    )
