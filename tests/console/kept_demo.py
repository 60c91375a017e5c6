"""A demo whose services stay up, and the console's command as it prints it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.system.pipeline import ROOT

#: Seconds after which a demo is given up.
_PATIENCE_SECONDS = 200
_HINT = "To listen to what was flagged:"


@contextmanager
def kept_demo(folder: Path, items: int) -> Iterator[str]:
    """Run the demo; give the lines that it says to type for the console."""
    log = folder / "demo.log"
    command = [sys.executable, "run_flow.py", "demo", "--keep"]
    options = ["--items", str(items), "--output", str(folder)]
    with log.open("wb") as file:
        demo = subprocess.Popen(
            command + options,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=file,
            stdin=subprocess.DEVNULL,
            # As in a terminal, whatever started us ignores.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not (lines := _hinted(log)):
            assert demo.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield lines
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(60)


@contextmanager
def typed(lines: str) -> Iterator[None]:
    """Type lines into a shell of its own, and end what they started at last."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    shell = subprocess.Popen(
        ["sh", "-c", lines], cwd=ROOT, env=kept, start_new_session=True
    )
    try:
        yield
    finally:
        os.killpg(shell.pid, signal.SIGTERM)
        shell.wait(30)


def wait_for(url: str) -> None:
    """Wait until a console answers."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with urlopen(f"{url}/_stcore/health", timeout=1):
                return
        except (URLError, OSError):
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.2)


def _hinted(log: Path) -> str:
    _, found, rest = log.read_text().partition(_HINT)
    lines = [line.strip() for line in rest.splitlines() if line.strip()]
    return "\n".join(lines) if found and lines[1:] else ""
