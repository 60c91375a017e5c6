"""Why a run ends before its end: an error, a signal, a lease lost."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from types import FrameType
from typing import Generic, NoReturn, TypeVar

import structlog
from pebble.concurrent import thread

from flows.dependencies import Dependencies, Stopped

log = structlog.get_logger("earshot")

T = TypeVar("T")
X = TypeVar("X")
Y = TypeVar("Y")


class Ending:
    """Tells every thread of a run that it ends, and keeps why.

    An exception must not leave a step: bytewax would end the process where it stands.
    The first error is kept, and the flow drains.

    Attributes
    ----------
    error
        What went wrong, None where nothing did.
    signal
        The signal that asked for the end, None where none did.
    stop
        Set when the run ends: no request begins any more.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.signal: int | None = None
        self.stop = threading.Event()
        self._dependencies = Dependencies(self.stop)

    @property
    def stopped(self) -> bool:
        """Whether the run ends."""
        return self.stop.is_set()

    def fail(self, error: BaseException) -> None:
        """End the run because of an error; the first one counts."""
        self.error = self.error or error
        self.stop.set()

    def install(self) -> None:
        """End the run at SIGTERM and SIGINT, at once at the second one."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def call(self, work: Callable[[], T]) -> T:
        """Return what `work` returns; wait while its system is `Unavailable`.

        Raises
        ------
        Stopped
            When the run ended meanwhile.
        """
        return self._dependencies.call(work)

    def guarded(self, work: Callable[[], T], otherwise: T) -> T:
        """Return what `work` returns; where it fails, end the run and go on."""
        try:
            return work()
        except Stopped:
            return otherwise
        except Exception as error:
            self.fail(error)
            return otherwise

    def result(self, future: Future[T], grace: float) -> T:
        """Return a future's result; when the run ends, wait so long for it, no longer.

        Raises
        ------
        TimeoutError
            When it was not there then.
        """
        while not self.stopped and not future.done():
            wait([future], _LOOK_AGAIN_SECONDS)
        return future.result(grace)

    def bounded(self, work: Callable[[], T], grace: float) -> T:
        """Return what `work` returns, done on a thread; see `result`."""
        return self.result(thread(daemon=True)(work)(), grace)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            os._exit(128 + number)
        self.signal = number
        self.stop.set()
        log.info("discovery_stopping", signal=signal.Signals(number).name)


class Window:
    """Bounds how many records are on their way at once."""

    def __init__(self, size: int, ending: Ending) -> None:
        self._size, self._ending = size, ending
        self._held = 0
        self._changed = threading.Condition()

    @property
    def count(self) -> int:
        """How many are on their way."""
        return self._held

    def take(self, count: int) -> None:
        """Wait until so many more fit in; more than the window itself go alone.

        Raises
        ------
        Stopped
            When the run ended meanwhile.
        """
        with self._changed:
            while self._held and self._held + count > self._size:
                self._changed.wait(_LOOK_AGAIN_SECONDS)
                if self._ending.stopped:
                    raise Stopped
            self._held += count

    def give(self, count: int) -> None:
        """Let so many out."""
        with self._changed:
            self._held -= count
            self._changed.notify_all()


class Concurrent(Generic[X, Y]):
    """A step that runs in threads; its errors end the run and never leave it.

    Parameters
    ----------
    nothing
        Makes what comes of an item where it fails.
    """

    def __init__(
        self,
        work: Callable[[X], Y],
        nothing: Callable[[], Y],
        threads: int,
        ending: Ending,
    ) -> None:
        self._work, self._nothing, self._ending = work, nothing, ending
        self._executor = ThreadPoolExecutor(threads)

    def __call__(self, item: X) -> Future[Y]:
        """Begin the work on an item."""
        return self._executor.submit(self._guarded, item)

    def close(self) -> None:
        """Begin no more work."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _guarded(self, item: X) -> Y:
        return self._ending.guarded(lambda: self._work(item), self._nothing())


def leave(code: int) -> NoReturn:
    """End the process here: a request that still hangs is not waited for."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # whoever read it is gone
            stream.flush()
    os._exit(code)


#: Seconds after which one that waits looks whether the run ends.
_LOOK_AGAIN_SECONDS = 0.2
