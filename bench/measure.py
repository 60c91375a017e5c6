"""A worker started as a user starts it, measured from outside."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil
from prometheus_client.parser import text_string_to_metric_families

from bench.load import ROOT
from bench.supply import Supply

#: Seconds between two looks at the queue and at the memory, and after which a run is
#: given up.
LOOK_SECONDS, GIVE_UP_SECONDS = 0.05, 900.0
#: A look at a deep queue costs the emulated SQS much: it is to have so many times what
#: a look takes for the worker.
_REST = 4
_MIB = 1024 * 1024
_LOG_BYTES = 2_000


@dataclass(frozen=True)
class Look:
    """What was seen in one moment.

    Attributes
    ----------
    at
        Seconds since the start.
    deleted
        Messages that had left the queue.
    cpu
        CPU seconds of all the processes since their start.
    """

    at: float
    deleted: int
    cpu: float


@dataclass
class Seen:
    """What was seen of one process: CPU seconds, and its highest memory in MiB."""

    cpu: float = 0.0
    peak: float = 0.0


class Running:
    """Processes that run until the block's end, and what they use meanwhile.

    One is started for each of `environments`.
    """

    def __init__(
        self, command: list[str], environments: list[dict[str, str]], log: Path
    ) -> None:
        self.began = time.monotonic()
        self.environments, self.log = environments, log
        with log.open("wb") as errors:
            self._processes = [
                subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                )
                for environment in environments
            ]
        self.parents = {process.pid for process in self._processes}
        self.seen: dict[int, Seen] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._thread.join()
        tree = self._tree()
        for one in tree:
            one.kill()
        psutil.wait_procs(tree)
        for process in self._processes:
            process.wait()

    @property
    def cpu(self) -> float:
        """CPU seconds of the processes and their children up to this moment."""
        self._note()
        return sum(seen.cpu for seen in list(self.seen.values()))

    @property
    def memory(self) -> float:
        """Memory of all that run now, in MiB."""
        return self._note()

    def peak(self, *, parent: bool) -> float:
        """Return the highest memory of a parent or of a child, in MiB."""
        seen = list(self.seen.items())
        return max(
            (s.peak for p, s in seen if (p in self.parents) is parent), default=0
        )

    def said(self) -> str:
        """Return the end of what the processes wrote to stderr."""
        return self.log.read_bytes()[-_LOG_BYTES:].decode(errors="replace")

    def until(self, supply: Supply, deleted: int) -> Look:
        """Keep up the supply until so many of it were deleted; return what is then.

        Raises
        ------
        TimeoutError, RuntimeError
            If that takes too long, or a process ends.
        """
        while True:
            asked = time.monotonic()
            found = supply.deleted()
            answered = time.monotonic()
            if found >= deleted:
                return Look(answered - self.began, found, self.cpu)
            self.expect_life()
            supply.top_up()
            time.sleep(max(LOOK_SECONDS, _REST * (answered - asked)))

    def expect_life(self) -> None:
        """Raise `RuntimeError` or `TimeoutError` if a run can come to no end."""
        if any(process.poll() is not None for process in self._processes):
            raise RuntimeError(f"a process ended: {self.said()}")
        if time.monotonic() - self.began > GIVE_UP_SECONDS:
            raise TimeoutError(f"not done within {GIVE_UP_SECONDS:g} s: {self.said()}")

    def _watch(self) -> None:
        while not self._ending.wait(LOOK_SECONDS):
            self._note()

    def _note(self) -> float:
        """Note what each process has used; return the memory of all, in MiB."""
        total = 0.0
        for one in self._tree():
            with suppress(psutil.NoSuchProcess), one.oneshot():
                times, memory = one.cpu_times(), one.memory_info().rss / _MIB
                seen = self.seen.setdefault(one.pid, Seen())
                seen.cpu = max(seen.cpu, times.user + times.system)
                if not self._is_copy(one):
                    seen.peak = max(seen.peak, memory)
                    total += memory
        return total

    def _is_copy(self, one: psutil.Process) -> bool:
        """Tell whether a process has a worker's memory, between fork and exec.

        What a fork server forks stays as it is.
        """
        parent = one.parent()
        if parent is None or parent.pid not in self.parents:
            return False
        return bool(one.cmdline() == parent.cmdline())

    def _tree(self) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for pid in self.parents:
            try:
                parent = psutil.Process(pid)
                found += [parent, *parent.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
        return found


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def metric(port: int, name: str) -> float:
    """Return the sum of a worker's samples of a metric.

    Raises
    ------
    OSError, LookupError
        If nobody answers on the port, or without such a metric.
    """
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    samples = [
        one.value for family in families for one in family.samples if one.name == name
    ]
    if not samples:
        raise LookupError(f"no {name} on port {port}")
    return sum(samples)


def sqs_requests(running: Running) -> float:
    """Return how many requests the first of the workers has made to SQS."""
    port = int(running.environments[0]["METRICS_PORT"])
    return metric(port, "earshot_sqs_requests_total")
