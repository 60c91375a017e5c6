"""Systems that the worker waits for: an outage costs time, and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
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


class Dependencies:
    """Calls outside systems, waits while they are down, and says which are.

    Each has a circuit: the first failure opens it, and while it is open one caller at
    a time tries again, however many wait.
    """

    def __init__(self) -> None:
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
        """Return what `work` returns; wait while its system is `Unavailable`."""
        awaited: Circuit | None = None
        while True:
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

    def _wait(self, circuit: Circuit) -> None:
        while not circuit.admits():
            time.sleep(_LOOK_AGAIN_SECONDS)

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
