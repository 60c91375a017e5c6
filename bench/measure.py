"""A worker started as a user starts it, measured from outside."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from bench.load import ROOT

#: Seconds between two looks at the processes, and after which a run is given up.
LOOK_SECONDS, GIVE_UP_SECONDS = 0.05, 900.0
_MIB = 1024 * 1024


@dataclass
class Seen:
    """What was seen of one process: CPU seconds, and its memory in MiB."""

    cpu: float = 0.0
    peak: float = 0.0
    now: float = 0.0


class Running:
    """Processes that run until the block's end, and what they use meanwhile."""

    def __init__(
        self, commands: list[list[str]], environments: list[dict[str, str]], log: Path
    ) -> None:
        self.began = time.monotonic()
        self._log = log.open("wb")
        self._processes = [
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=self._log,
            )
            for command, environment in zip(commands, environments, strict=True)
        ]
        self.parents = {process.pid for process in self._processes}
        self.seen: dict[int, Seen] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._thread.join()
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGKILL)
            process.wait()
        self._log.close()

    @property
    def cpu(self) -> float:
        """CPU seconds of all the processes and their children so far."""
        return sum(seen.cpu for seen in list(self.seen.values()))

    def peak(self, *, parent: bool) -> float:
        """Return the highest memory of a parent or of a child, in MiB."""
        chosen = [
            s.peak for pid, s in self.seen.items() if (pid in self.parents) is parent
        ]
        return max(chosen, default=0.0)

    def memory(self) -> float:
        """Return the memory of all that run now, in MiB."""
        return sum(seen.now for seen in list(self.seen.values()))

    def wait(self, done: Callable[[], bool], seconds: float = GIVE_UP_SECONDS) -> float:
        """Wait for something; return when it was so, in seconds from the start."""
        while not done():
            if time.monotonic() - self.began > seconds:
                raise TimeoutError(f"not done within {seconds} s")
            if any(process.poll() is not None for process in self._processes):
                raise RuntimeError(f"a process ended: see {self._log.name}")
            time.sleep(LOOK_SECONDS)
        return time.monotonic() - self.began

    def _look(self) -> None:
        while not self._ending.wait(LOOK_SECONDS):
            for process in self._processes:
                self._note(process.pid)

    def _note(self, pid: int) -> None:
        try:
            parent = psutil.Process(pid)
            tree = [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for one in tree:
            try:
                with one.oneshot():
                    times, memory = one.cpu_times(), one.memory_info().rss / _MIB
            except psutil.NoSuchProcess:
                continue
            seen = self.seen.setdefault(one.pid, Seen())
            seen.cpu, seen.now = times.user + times.system, memory
            seen.peak = max(seen.peak, memory)
