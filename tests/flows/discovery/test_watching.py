"""What a run shows to people and machines, and the lease that it holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from structlog.testing import capture_logs

from connectors.mongo_state import States
from flows.discovery import lease, progress
from flows.discovery.ending import Ending
from flows.discovery.lease import Lease, LeaseHeld, LeaseLost
from flows.discovery.progress import Progress
from flows.discovery.report import report
from tests.system.pipeline import eventually

SUMMARY = {
    "scanned": 3,
    "skipped_existing": 1,
    "sent": 2,
    "failed": 0,
    "watermark": "2026-02-23T09:00:00.000000Z",
}


def test_on_a_terminal_there_is_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress(100, lambda: SUMMARY, terminal=True)
    shown.start()
    shown.add(120)
    shown.close()
    captured = capsys.readouterr()
    assert "120/120" in captured.err
    assert captured.out == ""


def test_elsewhere_there_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.01)
    with capture_logs() as logs:
        shown = Progress(100, lambda: SUMMARY, terminal=False)
        shown.add(50)
        shown.start()
        eventually(lambda: len(logs) > 1)
        shown.close()
    assert logs[0]["event"] == "discovery_progress"
    assert (logs[0]["read"], logs[0]["expected"], logs[0]["sent"]) == (50, 100, 2)


class PushGateway:
    """Takes what is pushed."""

    def __init__(self) -> None:
        self.pushed: list[tuple[str, str]] = []
        pushed = self.pushed

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                length = int(self.headers["Content-Length"])
                pushed.append((self.path, self.rfile.read(length).decode()))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def gateway() -> Iterator[PushGateway]:
    found = PushGateway()
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def test_a_run_is_pushed_to_a_gateway(gateway: PushGateway) -> None:
    report(
        SUMMARY,
        collection="recordings",
        seconds=1.5,
        succeeded=True,
        push_url=f"http://127.0.0.1:{gateway.server.server_port}",
        textfile=None,
    )
    ((path, body),) = gateway.pushed
    assert path == "/metrics/job/earshot_discovery/source_collection/recordings"
    assert 'records_sent{source_collection="recordings"} 2.0' in body
    assert 'earshot_discovery_seconds{source_collection="recordings"} 1.5' in body


def test_a_lease_is_held_until_it_is_released(states: States) -> None:
    first, second = (Lease(states, "key", Ending()) for _ in range(2))
    first.take(force=False)
    with pytest.raises(LeaseHeld, match="--force overrides it"):
        second.take(force=False)
    first.release()
    second.take(force=False)
    second.release()
    assert states.load("key") == {}


def test_a_run_whose_lease_is_taken_over_ends(
    states: States, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(lease, "NOTICE_SECONDS", 0.2)
    ending = Ending()
    first, second = Lease(states, "key", ending), Lease(states, "key", Ending())
    first.take(force=False)
    second.take(force=True)
    eventually(lambda: ending.stopped)
    assert isinstance(ending.error, LeaseLost)
    first.release()
    assert states.load("key") != {}
    second.release()


def held_elsewhere(host: str) -> dict[str, object]:
    """Return the lease of a process that this machine does not have."""
    return {
        "run": "other",
        "host": host,
        "process": 2**22 + 1,
        "expires_at": "2999-01-01T00:00:00.000000Z",
    }


def test_the_lease_of_a_process_here_that_has_died_is_free(states: States) -> None:
    states.seize_lease("key", held_elsewhere(lease._host()))
    living = Lease(states, "key", Ending())
    living.take(force=False)
    living.release()


def test_that_of_another_machine_is_not(states: States) -> None:
    states.seize_lease("key", held_elsewhere("elsewhere"))
    with pytest.raises(LeaseHeld, match="on elsewhere"):
        Lease(states, "key", Ending()).take(force=False)
