"""Systems that the worker waits for: an outage costs time, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import structlog
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from connectors.errors import Unavailable

log = structlog.get_logger("earshot")

#: Seconds between two tries of a system that is down: random, doubling up to this.
WAIT_SECONDS, WAIT_MAX_SECONDS = 0.5, 10.0
#: Seconds that a system may take to answer at the start.
START_SECONDS = 10.0

T = TypeVar("T")


class Dependencies:
    """Calls outside systems, waits while they are down, and says which are."""

    def __init__(self) -> None:
        self._down: set[str] = set()
        self._lock = threading.Lock()

    @property
    def down(self) -> frozenset[str]:
        """The systems that do not answer now."""
        return frozenset(self._down)

    def call(self, work: Callable[[], T]) -> T:
        """Return what `work` returns; wait while its system is `Unavailable`."""
        waited: set[str] = set()

        def note(state: RetryCallState) -> None:
            error = state.outcome and state.outcome.exception()
            if isinstance(error, Unavailable):
                waited.add(error.system)
                self._note_down(error)

        retrying = Retrying(
            retry=retry_if_exception_type(Unavailable),
            wait=wait_random_exponential(WAIT_SECONDS, WAIT_MAX_SECONDS),
            before_sleep=note,
        )
        result = retrying(work)
        self._note_up(waited)
        return result

    def _note_down(self, error: Unavailable) -> None:
        with self._lock:
            if error.system not in self._down:
                self._down.add(error.system)
                log.error("dependency_down", system=error.system, error=str(error))

    def _note_up(self, systems: set[str]) -> None:
        with self._lock:
            for system in systems & self._down:
                self._down.discard(system)
                log.warning("dependency_up", system=system)


def reach(check: Callable[[], T]) -> T:
    """Return what `check` returns; wait `START_SECONDS` at most for its system.

    Raises
    ------
    Unavailable
        When it was still down then.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(Unavailable),
        wait=wait_random_exponential(WAIT_SECONDS, 2.0),
        stop=stop_after_delay(START_SECONDS),
        reraise=True,
    )
    return retrying(check)
