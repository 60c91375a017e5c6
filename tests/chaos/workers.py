"""Worker processes that are killed, drained and replaced, and their children."""

from __future__ import annotations

import os
import random
import signal
import sys
from contextlib import suppress
from typing import Self

import psutil

from tests.system.pipeline import Pipeline, WorkerProcess
from tests.tied import tied

_OUTAGE = "is unavailable"
_COMMAND = ("-m", "bytewax.run", "run_flow")


class Workers:
    """So many workers at any time; all are ended at the end, children included.

    Should this process be killed, they die with it.
    """

    def __init__(
        self, pipeline: Pipeline, settings: dict[str, str], count: int
    ) -> None:
        self._pipeline, self._settings, self._count = pipeline, settings, count
        self._running: list[WorkerProcess] = []
        self._draining: list[WorkerProcess] = []
        self._hurt: set[int] = set()
        self.faults: list[str] = []

    def __enter__(self) -> Self:
        self.tend()
        return self

    def __exit__(self, *error: object) -> None:
        for process in (*self._running, *self._draining):
            self._end(process)

    def tend(self) -> None:
        """Replace what has ended; note what ended as it should not."""
        for process in list(self._running):
            if process.exit_code is not None:
                self._running.remove(process)
                self._look_at_end(process)
        for process in list(self._draining):
            if process.exit_code is not None:
                self._draining.remove(process)
                process.kill()
                if process.exit_code:
                    self.faults.append(f"a drain ended with {process.exit_code}")
        while len(self._running) < self._count:
            self._running.append(self._start())

    def kill(self, chance: random.Random) -> None:
        """Kill one."""
        process = chance.choice(self._running)
        self._running.remove(process)
        self._end(process)

    def drain(self, chance: random.Random) -> None:
        """Ask one to end."""
        process = chance.choice(self._running)
        if process.events("worker_started"):
            self._running.remove(process)
            self._draining.append(process)
            process.signal(signal.SIGTERM)

    def hurt_child(self, chance: random.Random, number: signal.Signals) -> None:
        """Send a signal to a decoding child of one."""
        process = chance.choice(self._running)
        children = _decoding(process.pid)
        if children:
            pid = chance.choice(children)
            self._hurt.add(pid)
            _send(pid, number)

    def drain_all(self, seconds: float) -> None:
        """Ask all to end and wait for it."""
        for process in self._running:
            process.signal(signal.SIGTERM)
        for process in (*self._running, *self._draining):
            if code := process.wait(seconds):
                self.faults.append(f"a drain ended with {code}")
        self._running, self._draining = [], []

    def _start(self) -> WorkerProcess:
        return WorkerProcess(
            tied([sys.executable, *_COMMAND]),
            self._pipeline.settings(**self._settings),
            self._pipeline.folder,
        )

    def _end(self, process: WorkerProcess) -> None:
        # One that is stopped cannot see that its parent is gone.
        for pid in self._hurt:
            _send(pid, signal.SIGKILL)
        self._hurt.clear()
        process.kill()

    def _look_at_end(self, process: WorkerProcess) -> None:
        # One that is started in an outage says so and ends: whoever started it
        # starts another.
        self._end(process)
        said = [x for x in process.stderr.splitlines() if not x.startswith("{")]
        if not (process.exit_code == 1 and len(said) == 1 and _OUTAGE in said[0]):
            last = said[-1] if said else "nothing said"
            self.faults.append(f"a worker ended with {process.exit_code}: {last}")


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(OSError):
        os.kill(pid, number)


def _decoding(pid: int) -> list[int]:
    """Return the children that decode: those of the process's fork server."""
    with suppress(psutil.Error):
        own = psutil.Process(pid)
        return [c.pid for c in own.children(recursive=True) if c.ppid() != pid]
    return []
