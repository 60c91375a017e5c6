"""No faster than asked for."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Waits so that no more than so many things a second are done.

    Parameters
    ----------
    rate
        A second; None for no bound.
    """

    def __init__(
        self,
        rate: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._rate, self._clock, self._sleep = rate, clock, sleep
        self._began: float | None = None
        self._done = 0

    def at_once(self, most: int) -> int:
        """Return how many to do together, at least 1: a second's worth at most."""
        return most if self._rate is None else max(1, min(most, int(self._rate)))

    def wait(self, count: int) -> None:
        """Wait until `count` more may have been done."""
        if self._rate is None:
            return
        if self._began is None:
            self._began = self._clock()
        self._done += count
        left = self._began + self._done / self._rate - self._clock()
        if left > 0:
            self._sleep(left)
