"""What runs in the child processes: decode and features, nothing else.

Audio comes from outside. A codec that crashes, hangs or swallows memory must cost one
recording, so it meets it here, and the parent only ever sees the numbers.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import resource
import signal
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.audio import SAMPLE_RATE, AudioLimits, decode
from model.features import extract

#: Bytes that a child may allocate beyond what it has at its start.
MEMORY_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Extracted:
    """The numbers of one recording: its feature vector, and what the file is.

    Attributes
    ----------
    began, ended
        When the child worked on it: ``time.monotonic`` counts for all processes of a
        machine alike.
    """

    vector: NDArray[np.float32]
    audio: dict[str, Any]
    began: float = 0.0
    ended: float = 0.0


def prepare() -> None:
    """Make this process a child: it dies with its parent and stays within bounds."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's is the parent's affair
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = _data_bytes() + MEMORY_BYTES
    if soft == resource.RLIM_INFINITY or soft > most:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def extract_features(
    path: str, limits: AudioLimits, cpu_seconds: float = math.inf
) -> Extracted:
    """Return the numbers of the recording in a file; raises `AudioError`.

    Beyond `cpu_seconds` of CPU time, counted over all threads, the process is killed.
    """
    began = time.monotonic()
    limit_cpu(cpu_seconds)
    samples, info = decode(Path(path).read_bytes(), limits)
    vector = extract(samples, SAMPLE_RATE)
    return Extracted(vector, asdict(info), began, time.monotonic())


def limit_cpu(seconds: float) -> None:
    """Let this process use so many seconds more: the system counts from its start."""
    if seconds == math.inf:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    most = math.ceil(time.process_time() + seconds) + 1
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (most, hard))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _data_bytes() -> int:
    """Return the bytes of this process that count towards its data limit."""
    try:
        with open("/proc/self/status") as status:
            lines = dict(line.split(":", 1) for line in status)
        return int(lines["VmData"].split()[0]) * 1024
    except (OSError, KeyError):
        return 0
