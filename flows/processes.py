"""Several worker processes under one parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.context import SpawnProcess
from types import FrameType

import structlog
from bytewax.run import cli_main

from flows.signals import exit_at_signal
from flows.start import load_settings, start_worker

log = structlog.get_logger("earshot")

_LOOK_AGAIN_SECONDS = 0.1
_LAST_PORT = 65_535


def run_one(*, debug: bool = False) -> None:
    """Run one worker in this process until it ends."""
    exit_at_signal()
    worker = start_worker(debug=debug)
    try:
        cli_main(worker.flow())
    finally:
        worker.close()


class Workers:
    """Worker processes; each has the next port for its metrics.

    One that something outside has killed is replaced. One that ends with an error
    has said why, and the others drain. Should the parent die, they drain too.
    """

    def __init__(self, count: int) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._context = multiprocessing.get_context("spawn")
        self._stopping = False
        self._running: dict[int, SpawnProcess] = {}
        for index in range(count):
            self._running[index] = self._start(index)

    def run(self) -> int:
        """Wait until all have ended and return the highest exit code."""
        worst = 0
        while self._running:
            time.sleep(_LOOK_AGAIN_SECONDS)
            for index, process in list(self._running.items()):
                if process.exitcode is not None:
                    worst = max(worst, self._ended(index, process.exitcode))
        return worst

    def _start(self, index: int) -> SpawnProcess:
        process = self._context.Process(target=work, args=(index,))
        process.start()
        return process

    def _ended(self, index: int, code: int) -> int:
        if code < 0 and not self._stopping:
            log.error("worker_replaced", worker=index, signal=-code)
            self._running[index] = self._start(index)
            return 0
        del self._running[index]
        if code > 0 and not self._stopping:
            log.error("worker_failed", worker=index, exit_code=code)
            self._stop(signal.SIGTERM)
        return max(0, code)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop(number)

    def _stop(self, number: int) -> None:
        self._stopping = True
        for process in self._running.values():
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, number)


def work(index: int) -> None:
    """Run one worker in a child process: it drains when its parent dies."""
    exit_at_signal()
    threading.Thread(target=_drain_with_parent, daemon=True).start()
    port = load_settings().metrics_port
    free = 0 < port <= _LAST_PORT - index
    os.environ["METRICS_PORT"] = str(port + index if free else 0)
    run_one()


def _drain_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
