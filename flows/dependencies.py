"""Systems that the worker waits for: an outage costs time, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import structlog
from tenacity import (
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_delay,
    stop_when_event_set,
    wait_random_exponential,
)

from connectors.errors import Unavailable
from flows.circuit import WAIT_SECONDS, Circuit

log = structlog.get_logger("earshot")

#: Seconds that a system may take to answer at the start.
START_SECONDS = 10.0
#: Seconds between two looks at whether it is one's turn to try.
_LOOK_AGAIN_SECONDS = 0.05

T = TypeVar("T")


class Stopped(Exception):
    """What asked a system ends: it waits for no answer any longer."""


class Dependencies:
    """Calls outside systems, waits while they are down, and says which are.

    Each has a circuit: the first failure opens it, and while it is open one caller at
    a time tries again, however many wait.

    Parameters
    ----------
    stop
        Once it is set, no system is asked any more.
    """

    def __init__(self, stop: threading.Event | None = None) -> None:
        self._stop = stop or threading.Event()
        self._circuits: dict[str, Circuit] = {}
        self._lock = threading.Lock()

    @property
    def down(self) -> frozenset[str]:
        """The systems that do not answer now."""
        return frozenset(name for name, is_down in self.states.items() if is_down)

    @property
    def states(self) -> dict[str, bool]:
        """Every system that has ever been down, and whether it is now."""
        with self._lock:
            circuits = list(self._circuits.values())
        return {circuit.name: circuit.is_open for circuit in circuits}

    def call(self, work: Callable[[], T]) -> T:
        """Return what `work` returns; wait while its system is `Unavailable`.

        Raises
        ------
        Stopped
            When `stop` was set before there was an answer.
        """
        awaited: Circuit | None = None
        while not self._stop.is_set():
            try:
                result = work()
            except Unavailable as error:
                failed = self._note_down(error)
                if awaited is not failed:
                    self._note_up(awaited)
                awaited = failed
                self._wait(awaited)
            except Exception:
                self._note_up(awaited)
                raise
            else:
                self._note_up(awaited)
                return result
        raise Stopped

    def _wait(self, circuit: Circuit) -> None:
        while not self._stop.is_set() and not circuit.admits():
            self._stop.wait(_LOOK_AGAIN_SECONDS)

    def _circuit(self, system: str) -> Circuit:
        with self._lock:
            return self._circuits.setdefault(system, Circuit(system))

    def _note_down(self, error: Unavailable) -> Circuit:
        circuit = self._circuit(error.system)
        if circuit.failed(error):
            log.error("dependency_down", system=error.system, error=str(error))
        return circuit

    def _note_up(self, circuit: Circuit | None) -> None:
        if circuit is not None and circuit.succeeded():
            log.warning("dependency_up", system=circuit.name)


def reach(check: Callable[[], T], stop: threading.Event | None = None) -> T:
    """Return what `check` returns; wait `START_SECONDS` at most for its system.

    Parameters
    ----------
    stop
        Once it is set, there is no further try.

    Raises
    ------
    Unavailable
        When it was still down then.
    """
    ended = stop or threading.Event()
    retrying = Retrying(
        retry=retry_if_exception_type(Unavailable),
        wait=wait_random_exponential(WAIT_SECONDS, 2.0),
        stop=stop_after_delay(START_SECONDS) | stop_when_event_set(ended),
        sleep=sleep_using_event(ended),
        reraise=True,
    )
    return retrying(check)
