"""What makes a process a child: it dies with its parent and stays within bounds."""

from __future__ import annotations

import gc
import math
import multiprocessing
import os
import resource
import signal
import threading
import time

#: Bytes that a child may allocate beyond what it has at its start.
MEMORY_BYTES = 1 << 30


def prepare() -> None:
    """Make this process a child: it dies with its parent and stays within bounds."""
    gc.freeze()  # what was loaded stays: not to be looked through again and again
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's is the parent's affair
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = _data_bytes() + MEMORY_BYTES
    if soft == resource.RLIM_INFINITY or soft > most:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


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
