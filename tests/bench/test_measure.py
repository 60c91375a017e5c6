"""What is read of processes and their endpoints."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from bench.measure import Running, free_port, metric
from bench.supply import Supply

_SPIN = """
import time
end = time.process_time() + 0.5
while time.process_time() < end:
    pass
time.sleep(60)
"""


class _Metrics(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # noqa: N802
        """Answer as a worker does."""
        self.send_response(200)
        self.end_headers()
        for operation, count in (("receive", 3), ("delete", 4)):
            line = f'requests_total{{operation="{operation}"}} {count}\n'
            self.wfile.write(line.encode())
        self.wfile.write(b"requests_total_of_others 100\n")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), _Metrics) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_a_metric_is_summed_over_its_labels(endpoint: int) -> None:
    assert metric(endpoint, "requests_total") == 7


def test_a_metric_that_is_not_there_is_no_zero(endpoint: int) -> None:
    with pytest.raises(LookupError, match="missing_total"):
        metric(endpoint, "missing_total")


def test_an_endpoint_that_is_not_there_is_no_zero() -> None:
    with pytest.raises(OSError, match="refused"):
        metric(free_port(), "requests_total")


def test_cpu_is_of_this_moment_and_of_all_processes(tmp_path: Path) -> None:
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_SPIN!r}])"
    command = [sys.executable, "-c", code]
    with Running(command, [dict(os.environ)] * 2, tmp_path / "log") as running:
        while running.cpu < 1.0:
            time.sleep(0.05)
        assert len(running.seen) == 4
        assert running.peak(parent=False) > 1
    assert running.memory == 0


def test_a_child_that_was_just_forked_does_not_count_its_parents_memory(
    tmp_path: Path,
) -> None:
    code = "import os, time\nos.fork()\ntime.sleep(60)"
    command = [sys.executable, "-c", code]
    with Running(command, [dict(os.environ)], tmp_path / "log") as running:
        while len(running.seen) < 2:
            time.sleep(0.05)
        assert running.memory > 0
        assert running.peak(parent=True) > 1
        assert running.peak(parent=False) == 0


def test_what_a_fork_server_forks_counts(tmp_path: Path) -> None:
    """A child is as large as it makes itself after it was forked."""
    code = "import os, time\nlarge = b'' if os.fork() else b'x' * (64 << 20)\n"
    server = f"{code}time.sleep(60)"
    worker = (
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {server!r}])"
    )
    command = [sys.executable, "-c", worker]
    with Running(command, [dict(os.environ)], tmp_path / "log") as running:
        while len(running.seen) < 3:
            time.sleep(0.05)
        time.sleep(0.5)
        assert running.memory > 64
        assert running.peak(parent=False) > 64


def _supply(sent: list[str], left: list[int], depth: int, count: int) -> Supply:
    return Supply(
        "q",
        [str(n) for n in range(count)],
        send=lambda url, bodies: sent.extend(bodies),
        left=lambda url: left[0],
        pool=ThreadPoolExecutor(1),
        depth=depth,
    )


def test_a_queue_is_kept_at_its_depth_until_all_has_gone_through_it() -> None:
    sent: list[str] = []
    left = [100]
    supply = _supply(sent, left, depth=100, count=250)
    assert len(sent) == 100
    assert supply.deleted() == 0
    left[0] = 30
    assert supply.deleted() == 70
    supply.top_up()
    assert supply.sent == 170
    left[0] = 0
    supply.deleted()
    supply.top_up()
    assert sent == [str(n) for n in range(250)]
    assert supply.deleted() == 250
