"""The embedded services leave nothing behind, whatever becomes of their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

PARENT = """
import os, sys, time
from pathlib import Path
from urllib.parse import urlsplit
from connectors.local import local_services

with local_services(Path(sys.argv[1])) as running:
    if sys.argv[2:] == ["fork"] and os.fork() == 0:
        time.sleep(60)
    print("up", flush=True)
    time.sleep(60)
"""


def start_parent(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a program that holds services, and wait until they are up."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(directory), *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "up\n"
    return parent


def everything_below(parent: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return each process of the services: guards, servers, and their children."""
    found: list[psutil.Process] = psutil.Process(parent.pid).children(recursive=True)
    # Three guards, three servers, and more than one child of postgres.
    assert len(found) > 7
    return found


def test_nothing_is_written_outside_the_directory(tmp_path: Path) -> None:
    home, temporary, inside = (tmp_path / name for name in ("home", "tmp", "inside"))
    home.mkdir()
    temporary.mkdir()
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(inside)],
        env={**os.environ, "HOME": str(home), "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    parent.terminate()
    parent.wait()
    parent.stdout.close()
    assert list(home.iterdir()) == list(temporary.iterdir()) == []


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_and_no_data_outlives_a_parent_that_dies(
    tmp_path: Path, signal_number: signal.Signals
) -> None:
    parent = start_parent(tmp_path)
    below = everything_below(parent)

    parent.send_signal(signal_number)
    parent.communicate()

    assert psutil.wait_procs(below, timeout=10)[1] == []
    assert not (tmp_path / "postgres").exists()


def test_a_fork_of_the_dead_parent_does_not_keep_the_services(tmp_path: Path) -> None:
    parent = start_parent(tmp_path, "fork")
    (fork,) = (
        process
        for process in psutil.Process(parent.pid).children()
        if "connectors.local.guard" not in process.cmdline()
    )
    below = [process for process in everything_below(parent) if process != fork]

    parent.kill()

    assert psutil.wait_procs(below, timeout=10)[1] == []
    fork.kill()
    parent.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_no_server_outlives_its_guard(tmp_path: Path) -> None:
    parent = start_parent(tmp_path)
    below = everything_below(parent)

    for guard in psutil.Process(parent.pid).children():
        guard.kill()
    parent.kill()
    parent.communicate()

    assert psutil.wait_procs(below, timeout=10)[1] == []
