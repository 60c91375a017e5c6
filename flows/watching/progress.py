"""Whether stages that hold work finish some: looked at every second, off their way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

X = TypeVar("X")
Y = TypeVar("Y")

#: Seconds between two looks, and those after which the looks themselves are late.
LOOK_SECONDS, LATE_SECONDS = 1.0, 15.0


class Tracked:
    """Counts what a step has taken on and finished, by its futures."""

    def __init__(self) -> None:
        self._taken = self._finished = 0
        self._lock = threading.Lock()

    def around(self, submit: Callable[[X], Future[Y]]) -> Callable[[X], Future[Y]]:
        """Return a step's submit that counts."""

        def counted(value: X) -> Future[Y]:
            with self._lock:
                self._taken += 1
            future = submit(value)
            future.add_done_callback(self._end)
            return future

        return counted

    @property
    def finished(self) -> int:
        """What it has finished so far."""
        return self._finished

    @property
    def held(self) -> int:
        """What it has taken on and not finished."""
        return self._taken - self._finished

    def _end(self, done: Future[Any]) -> None:
        with self._lock:
            self._finished += 1


@dataclass(slots=True)
class Stage:
    """A stage of the worker, as far as its progress goes.

    Attributes
    ----------
    seconds
        Within which it finishes something while it holds work.
    held
        Returns how much it holds; what waits for a system that is down is not to be
        counted.
    finished
        Returns a number that changes whenever it finishes something.
    """

    name: str
    seconds: float
    held: Callable[[], int]
    finished: Callable[[], int]
    _seen: int = -1
    _moved_at: float = field(default_factory=time.monotonic)

    def look(self) -> None:
        """Note whether it has moved since the last look, or had no reason to."""
        finished = self.finished()
        if finished != self._seen or not self.held():
            self._seen, self._moved_at = finished, time.monotonic()

    @property
    def fault(self) -> str | None:
        """What is wrong with it, None when it moves."""
        still = time.monotonic() - self._moved_at
        if still <= self.seconds or not self.held():
            return None
        return f"holds {self.held()} and finished nothing for {still:.0f} s"


class Progress:
    """Looks at stages, on a thread of its own."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = stages
        self._looked_at = time.monotonic()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def faults(self) -> dict[str, str | None]:
        """Return what is wrong with each stage, and with the looks themselves."""
        late = time.monotonic() - self._looked_at > LATE_SECONDS
        return {
            **{stage.name: stage.fault for stage in self._stages},
            "watching": "nobody looks at the stages" if late else None,
        }

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            for stage in self._stages:
                stage.look()
            self._looked_at = time.monotonic()
