"""A circuit breaker: a system that is down is left alone, and tried again by one."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from pybreaker import STATE_CLOSED, STATE_OPEN, CircuitBreaker

#: Seconds before an open circuit is tried: doubled with each try up to the second,
#: and by chance down to half of that.
WAIT_SECONDS, WAIT_MAX_SECONDS = 0.5, 10.0
_MAX_DOUBLINGS = 10


class Circuit:
    """The circuit breaker of one system.

    States and counts are pybreaker's. Its own `call` holds a lock while the function
    runs, so that all callers would wait for the slowest: here the work is done
    outside, and the breaker is told how it went.

    Parameters
    ----------
    failures
        Failures in a row, without an answer between them, that open it.
    """

    def __init__(
        self,
        name: str,
        *,
        failures: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._breaker = CircuitBreaker(
            fail_max=failures, name=name, throw_new_error_on_trip=False
        )
        self._clock = clock
        self._lock = threading.Lock()
        self._trips = 0
        self._retry_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the system counts as down."""
        return bool(self._breaker.current_state != STATE_CLOSED)

    @property
    def is_due(self) -> bool:
        """Whether `admits` would say yes now."""
        return not self.is_open or self._trial_is_due()

    def admits(self) -> bool:
        """Tell whether the system may be asked now.

        While the circuit is open one caller is admitted after each wait, and has to
        say how it went.
        """
        with self._lock:
            if not self.is_open:
                return True
            if not self._trial_is_due():
                return False
            self._breaker.half_open()
            return True

    def succeeded(self) -> bool:
        """Note an answer; tell whether the circuit was open until now."""
        with self._lock:
            was_open = self.is_open
            if was_open:
                self._breaker.close()
                self._trips = 0
            else:
                self._breaker.call(lambda: None)
            return was_open

    def failed(self, error: Exception) -> bool:
        """Note that there was no answer; tell whether that opened the circuit."""
        with self._lock:
            was_open = self.is_open
            if self._breaker.current_state == STATE_OPEN:
                return False  # asked before it opened
            with suppress(type(error)):
                self._breaker.call(_raise, error)
            if self.is_open:
                self._postpone()
            return self.is_open and not was_open

    def _trial_is_due(self) -> bool:
        waiting = self._breaker.current_state == STATE_OPEN
        return waiting and self._clock() >= self._retry_at

    def _postpone(self) -> None:
        most = min(WAIT_MAX_SECONDS, WAIT_SECONDS * 2**self._trips)
        self._trips = min(self._trips + 1, _MAX_DOUBLINGS)
        self._retry_at = self._clock() + random.uniform(most / 2, most)


def _raise(error: Exception) -> NoReturn:
    raise error
