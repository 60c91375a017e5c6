"""A worker process's end: a drain at the first signal, at once at the second."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from types import FrameType
from typing import NoReturn

import structlog

from connectors.sqs import Consumer
from model.errors import Expected

log = structlog.get_logger("earshot")

#: Seconds in which what is left at the drain's deadline is made visible again.
_RETURN_SECONDS = 2.0
#: A terminal's Ctrl-C reaches a worker directly and through its parent: within this
#: time it is one signal.
SAME_SIGNAL_SECONDS = 0.3


class Drain:
    """Ends a consumer's flow by signal.

    The first SIGTERM or SIGINT stops receiving; what is under way is finished within
    `timeout` seconds, the rest is returned, and the process ends with 0. A second
    signal ends it at once: every step is safe to be killed at.
    """

    def __init__(self, consumer: Consumer, timeout: float) -> None:
        self._consumer, self._timeout = consumer, timeout
        self._signalled_at: float | None = None

    def install(self) -> None:
        """Take over the signals; from the main thread only."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._signalled_at is None:
            self._signalled_at = now
        elif now - self._signalled_at > SAME_SIGNAL_SECONDS:
            os._exit(128 + number)
        else:
            return
        threading.Thread(target=self._drain, args=(number,), daemon=True).start()

    def _drain(self, number: int) -> None:
        """Stop, and end the process if the flow has not ended by the deadline."""
        held = len(self._consumer.leases)
        log.info("worker_draining", signal=signal.Signals(number).name, held=held)
        self._consumer.stop()
        time.sleep(self._timeout)
        left = len(self._consumer.leases)
        self._consumer.return_all(_RETURN_SECONDS)
        log.warning("worker_drained", returned=left, in_time=False)
        os._exit(0)


def end_with(error: BaseException, *, debug: bool = False) -> NoReturn:
    """End the process at once with 1, and one line on stderr where that says all.

    A defect of the program still prints its traceback. Nothing is waited for:
    every step is safe to be killed at.
    """
    expected = None if debug else _expected(error)
    if expected is None:
        traceback.print_exception(error)
    else:
        print(f"earshot: {expected}", file=sys.stderr)
    sys.stderr.flush()
    os._exit(1)


def end_in_one_line() -> None:
    """Let an exception that nothing caught end the process as `end_with` does."""
    sys.excepthook = lambda kind, error, trace: end_with(error)


def _expected(error: BaseException | None) -> BaseException | None:
    """Return the expected error behind one that bytewax has wrapped."""
    while error is not None:
        if isinstance(error, Expected):
            return error
        error = error.__cause__ or error.__context__
    return None
