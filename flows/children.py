"""Child processes that are replaced, and their pool too, should it break.

pebble replaces a child that dies at its work. One that dies idle, or while it holds
the pool's lock, breaks the whole pool; then the work that was under way goes to a new
one.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import structlog
from pebble import ProcessExpired, ProcessPool

from flows.child import prepare

log = structlog.get_logger("earshot")

T = TypeVar("T")

#: One thread each: two processes do 1.9 times the work of one, two threads 1.06. And
#: glibc is to keep what a recording's arrays took for the next one's: to give it back
#: and fault it in again is 1,600 page faults, and took 2.6 of the 10.4 ms of CPU of
#: each (by perf, once).
_ENVIRONMENT = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
) | dict.fromkeys(
    ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), str(32 * 1024 * 1024)
)
#: Python's tracker of semaphores, a process of its own, would report at a sudden end
#: what it then cleans up: the one line that says why we end must stay the only one.
_QUIET_TRACKER = "ignore:resource_tracker"
#: Pools in which a task is tried.
_TRIES = 3
#: Seconds beyond a task's time in which a pool that works has ended some task.
GRACE_SECONDS = 20.0
_LOOK_AGAIN_SECONDS = 0.5


@dataclass(eq=False, slots=True)
class _Task(Generic[T]):
    args: tuple[Any, ...]
    answer: Future[T] = field(default_factory=Future)
    running: Future[T] | None = None
    tries: int = 0


class Children(Generic[T]):
    """Runs a function in child processes, each task within its time.

    A task's future raises `TimeoutError` when its child was killed at `timeout`
    seconds, `pebble.ProcessExpired` when the child died, or what the function raised.

    Parameters
    ----------
    work
        What a child does, importable by its name.
    timeout
        Seconds for one task.
    on_failure
        Called with what ended the thread that looks after the pool.

    Attributes
    ----------
    restarts
        Children that were replaced.
    """

    def __init__(
        self,
        processes: int,
        timeout: float,
        work: Callable[..., T],
        on_failure: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self._on_failure = on_failure
        os.environ.update(_ENVIRONMENT)
        if _QUIET_TRACKER not in sys.warnoptions:
            sys.warnoptions.append(_QUIET_TRACKER)
        self._processes, self._timeout, self._work = processes, timeout, work
        self.restarts = 0
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([work.__module__])
        self._pool = self._new_pool()
        self._pending: set[_Task[T]] = set()
        self._progress_at = time.monotonic()
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._thread = threading.Thread(
            target=self._watch, name="children", daemon=True
        )
        self._thread.start()

    def submit(self, *args: object) -> Future[T]:
        """Start on a task; the future's result is what the function returns."""
        task: _Task[T] = _Task(args)
        with self._lock:
            if not self._pending:
                self._progress_at = time.monotonic()
            self._pending.add(task)
            self._schedule(task)
        return task.answer

    def close(self) -> None:
        """End the children at once."""
        self._closing.set()
        self._thread.join()
        _stop(self._pool)

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self._processes, initializer=prepare, context=self._context
        )

    def _schedule(self, task: _Task[T]) -> None:
        task.tries += 1
        try:
            running = self._start(task)
        except RuntimeError:
            self._renew()
            running = self._start(task)
        task.running = running
        running.add_done_callback(lambda done: self._ended(task, done))

    def _start(self, task: _Task[T]) -> Future[T]:
        running: Future[T] = self._pool.schedule(
            self._work, args=task.args, timeout=self._timeout
        )
        return running

    def _ended(self, task: _Task[T], done: Future[T]) -> None:
        with self._lock:
            if task.running is not done or task not in self._pending:
                return  # tried in another pool since
            self._progress_at = time.monotonic()
            error = done.exception()
            if isinstance(error, TimeoutError | ProcessExpired):
                self.restarts += 1
            # A pool that is being closed breaks, too, and must have no successor.
            broken = isinstance(error, BrokenProcessPool) and not self._closing.is_set()
            if broken and task.tries < _TRIES:
                self._schedule(task)
                return
            self._pending.discard(task)
        if error is None:
            task.answer.set_result(done.result())
        else:
            task.answer.set_exception(error)

    def _watch(self) -> None:
        try:
            while not self._closing.wait(_LOOK_AGAIN_SECONDS):
                with self._lock:
                    self._renew_if_stuck()
        except Exception as error:
            self._on_failure(error)

    def _renew_if_stuck(self) -> None:
        """Replace a pool in which nothing moves: a lock may have died with a child."""
        still = time.monotonic() - self._progress_at
        if self._pending and still > self._timeout + GRACE_SECONDS:
            self._renew()
            for task in list(self._pending):
                self._try_again(task)

    def _try_again(self, task: _Task[T]) -> None:
        if task.tries < _TRIES:
            self._schedule(task)
            return
        self._pending.discard(task)
        task.running = None
        task.answer.set_exception(TimeoutError())

    def _renew(self) -> None:
        log.warning("child_pool_replaced", tasks=len(self._pending))
        # On a thread of its own: we may be on one of the old pool's.
        threading.Thread(target=_stop, args=(self._pool,), daemon=True).start()
        self._pool = self._new_pool()
        self.restarts += self._processes
        self._progress_at = time.monotonic()


def _stop(pool: ProcessPool) -> None:
    pool.stop()
    pool.join()
