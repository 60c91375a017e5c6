"""Child processes: what kills one costs one recording, and the next has another."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

import flows.children
from connectors.memory import MemoryFile
from flows.budget import ByteBudget
from flows.child import MEMORY_BYTES
from flows.downloads import Fetched
from flows.extraction import Extracted, extract_features
from flows.inference import Extraction, Measured
from model.audio import AudioLimits
from model.outcomes import Kind, Outcome
from tests import recordings
from tests.flows.test_copies import item

GOOD = recordings.tone(0.3)
TIMEOUT = 2.0


def obey(path: str, limits: AudioLimits, cpu_seconds: float) -> Extracted:
    """Do in the child what the recording says, as a codec with a defect would."""
    data, good = Path(path).read_bytes(), MemoryFile(GOOD)
    if data == b"crash":
        ctypes.string_at(0)
    if data == b"hang":
        time.sleep(600)
    if data == b"swallow":
        np.ones(2 * MEMORY_BYTES // 8)
    if data == b"exit":
        os._exit(3)
    if data == b"burn":
        extract_features(good.path, limits, 1)
        while True:
            pass
    if data == b"interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    return extract_features(good.path, limits, cpu_seconds)


@contextmanager
def extraction(timeout: float = TIMEOUT) -> Iterator[Extraction]:
    made = Extraction(1, timeout, AudioLimits(), extract=obey)
    try:
        yield made
    finally:
        made.close()


def end(made: Extraction, data: bytes) -> Measured | Outcome:
    return made.submit(Fetched(item("m"), MemoryFile(data))).result(60)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"crash", "ended with -11"),
        (b"hang", "not done within 2 s"),
        (b"swallow", "more memory than a recording may take"),
        (b"exit", "ended with 3"),
    ],
)
def test_a_recording_that_ruins_its_child_costs_that_recording_only(
    data: bytes, words: str
) -> None:
    with extraction() as made:
        futures = [
            made.submit(Fetched(item(str(n)), MemoryFile(one)))
            for n, one in enumerate([GOOD, data, GOOD])
        ]
        before, ruined, after = (future.result(60) for future in futures)
    assert isinstance(before, Measured)
    assert isinstance(after, Measured)
    assert isinstance(ruined, Outcome) and ruined.failure is not None
    assert ruined.failure.kind is Kind.TRANSIENT
    assert words in ruined.failure.reason


def test_a_child_that_uses_up_its_cpu_time_is_killed_and_replaced() -> None:
    with extraction(timeout=60) as made:
        ruined = end(made, b"burn")
        assert isinstance(ruined, Outcome) and ruined.failure is not None
        assert f"ended with -{int(signal.SIGXCPU)}" in ruined.failure.reason
        assert isinstance(end(made, GOOD), Measured)


def test_children_do_not_heed_the_terminals_interrupt() -> None:
    with extraction() as made:
        assert isinstance(end(made, b"interrupt"), Measured)


def test_the_bytes_of_a_recording_are_released_however_it_ends() -> None:
    budget = ByteBudget(100)
    made = Extraction(1, TIMEOUT, AudioLimits(), on_end=budget.release, extract=obey)
    try:
        for data in (GOOD, b"exit"):
            budget.reserve("m", 50)
            end(made, data)
            assert budget.used == 0
    finally:
        made.close()


def children() -> list[psutil.Process]:
    """Return the children of this process that decode: those of its fork server."""
    servers = [
        p for p in psutil.Process().children() if "forkserver" in str(p.cmdline())
    ]
    return [child for server in servers for child in server.children()]


def test_a_child_that_is_killed_while_it_has_no_work_is_replaced() -> None:
    with extraction() as made:
        assert isinstance(end(made, GOOD), Measured)
        before = {child.pid for child in children()}
        for child in children():
            child.kill()
        psutil.wait_procs(children(), timeout=5)
        assert isinstance(end(made, GOOD), Measured)
        assert before.isdisjoint({child.pid for child in children()})


def test_children_that_no_longer_move_are_replaced_with_their_pool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flows.children, "GRACE_SECONDS", 1.0)
    with extraction() as made:
        assert isinstance(end(made, GOOD), Measured)
        stopped = children()
        for child in stopped:
            child.suspend()
        assert isinstance(end(made, GOOD), Measured)
        _, alive = psutil.wait_procs(stopped, timeout=10)
        assert not alive


PARENT = """
import sys, time
from tests.flows.test_inference import GOOD, extraction, end
with extraction() as made:
    end(made, GOOD)
    print("ready", flush=True)
    time.sleep(60)
"""


def test_children_die_with_their_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == "ready\n"
        children = psutil.Process(parent.pid).children(recursive=True)
        assert children
        parent.kill()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert multiprocessing.active_children() == []
