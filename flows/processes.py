"""Several worker processes under one parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from types import FrameType

import structlog
from bytewax.run import cli_main

from flows.signals import exit_at_signal
from flows.start import load_settings, start_worker
from flows.watching.fleet import Fleet
from flows.watching.health import serve
from flows.watching.line import Ends

log = structlog.get_logger("earshot")

_LOOK_AGAIN_SECONDS = 0.1
#: Seconds within which a replacement that ends could not start.
_NEW_SECONDS = 30.0
#: Seconds between two tries to replace a worker, at most.
_WAIT_MAX_SECONDS = 30.0


def run_one(*, debug: bool = False, ends: Ends | None = None) -> None:
    """Run one worker in this process until it ends.

    Parameters
    ----------
    ends
        Where its parent asks for its health, None where it has no parent.
    """
    exit_at_signal()
    worker = start_worker(debug=debug)
    try:
        cli_main(worker.flow(ends))
    finally:
        worker.close()


@dataclass(frozen=True, slots=True)
class _Replacement:
    """When a worker is started in another's place, after so many vain tries."""

    at: float
    tries: int


class Workers:
    """Worker processes; metrics and health of all are served here.

    One that something outside has killed is replaced, and tried again where the
    replacement cannot start, since what it needs may be out of reach for a while. One
    that ends with an error otherwise has said why, and the others drain. Should the
    parent die, they drain too.
    """

    def __init__(self, count: int) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._context = multiprocessing.get_context("spawn")
        self._fleet = Fleet()
        self._stopping = False
        self._running: dict[int, SpawnProcess] = {}
        self._replacements: dict[int, _Replacement] = {}
        for index in range(count):
            self._start(index)

    def run(self) -> int:
        """Wait until all have ended and return the highest exit code."""
        settings, worst = load_settings(), 0
        where = settings.metrics_host, settings.metrics_port
        with serve(*where, self._fleet.answers()):
            while self._running or self._replacements:
                time.sleep(_LOOK_AGAIN_SECONDS)
                worst = max(worst, self._look())
        return worst

    def _look(self) -> int:
        """Replace what has died; return the highest exit code of what has ended."""
        worst = 0
        self._fleet.looked()
        self._start_what_is_due()
        for index, process in list(self._running.items()):
            if process.exitcode is not None:
                worst = max(worst, self._ended(index, process.exitcode))
        return worst

    def _start(self, index: int) -> None:
        ends = self._fleet.open(index)
        process = self._context.Process(target=work, args=(ends,))
        process.start()
        ends.close()
        self._running[index] = process

    def _start_what_is_due(self) -> None:
        for index, replacement in list(self._replacements.items()):
            if self._stopping:
                del self._replacements[index]
            elif index not in self._running and replacement.at <= time.monotonic():
                self._start(index)

    def _ended(self, index: int, code: int) -> int:
        del self._running[index]
        if self._stopping or not code:
            self._replacements.pop(index, None)
            self._fleet.ended(index)
            return max(0, code)
        if code < 0 or self._is_new(index):
            log.error("worker_replaced", worker=index, exit_code=code)
            self._replacements[index] = self._next(index)
            self._fleet.ended(index, f"it ended with {code} and is replaced")
            return 0
        self._fleet.ended(index)
        log.error("worker_failed", worker=index, exit_code=code)
        self._stop(signal.SIGTERM)
        return code

    def _is_new(self, index: int) -> bool:
        """Tell whether a worker is a replacement that has just been started."""
        last = self._replacements.get(index)
        return last is not None and time.monotonic() < last.at + _NEW_SECONDS

    def _next(self, index: int) -> _Replacement:
        """Return the next replacement: at once, or later the more tries went wrong."""
        tries = self._replacements[index].tries + 1 if self._is_new(index) else 0
        wait = min(_WAIT_MAX_SECONDS, 2.0**tries) if tries else 0
        return _Replacement(time.monotonic() + wait, tries)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop(number)

    def _stop(self, number: int) -> None:
        self._stopping = True
        for process in self._running.values():
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, number)


def work(ends: Ends | None = None) -> None:
    """Run one worker in a child process: it drains when its parent dies."""
    exit_at_signal()
    threading.Thread(target=_drain_with_parent, daemon=True).start()
    run_one(ends=ends)


def _drain_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
