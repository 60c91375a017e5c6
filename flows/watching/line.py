"""Between a parent and one of its workers: questions about metrics and health.

A pipe for each kind of question, so that one that takes its time (a look at a system
that is down) holds up no other. A pipe ends with its process, however that ends, and
leaves nothing behind.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from flows.watching.health import Answers

#: Seconds from its start in which a worker that has not answered yet is starting.
START_SECONDS = 60.0
#: What can be asked, and the seconds that the answer may take: within what Prometheus
#: (10 s) and the image's health check (3 s) wait for.
QUESTIONS = {"metrics": 8.0, "live": 2.5, "ready": 8.0}


class NoAnswer(Exception):
    """A worker does not answer; says why."""


class HasEnded(NoAnswer):
    """A worker is no more: its parent is about to see it."""


@dataclass(frozen=True, slots=True)
class Ends:
    """A worker's ends of its pipes, by question."""

    pipes: dict[str, Connection]

    def answer(self, answers: Answers) -> None:
        """Answer the parent's questions, each kind on a thread of its own."""
        asked: dict[str, Callable[[], object]] = {
            "metrics": lambda: list(answers.registry.collect()),
            "live": answers.live,
            "ready": answers.ready,
        }
        for question, pipe in self.pipes.items():
            threading.Thread(
                target=_answer_all,
                args=(pipe, asked[question]),
                name=f"answer-{question}",
                daemon=True,
            ).start()

    def close(self) -> None:
        """Close them in a process that does not answer by them."""
        for pipe in self.pipes.values():
            pipe.close()


def _answer_all(pipe: Connection, answer: Callable[[], object]) -> None:
    try:
        pipe.send(None)  # ready to be asked
        while True:
            pipe.recv()
            pipe.send(answer())
    except (EOFError, OSError):
        return  # the parent has ended, and so will this process


class _Question:
    """The parent's end of one pipe; at most one question is on its way."""

    def __init__(self, pipe: Connection, seconds: float) -> None:
        self._pipe, self._seconds = pipe, seconds
        self._lock = threading.Lock()
        # The first that comes says that the worker is ready to be asked.
        self._owed = 1
        self.started = False

    def ask(self) -> Any:
        """Return the answer. Raises `NoAnswer`."""
        deadline = time.monotonic() + self._seconds
        if not self._lock.acquire(timeout=self._seconds):
            raise NoAnswer(f"no answer within {self._seconds:g} s")
        try:
            self._collect(deadline)
            self._pipe.send(None)
            self._owed = 1
            return self._collect(deadline)
        except (EOFError, OSError):
            raise HasEnded("its process has ended") from None
        finally:
            self._lock.release()

    def close(self) -> None:
        with self._lock:
            self._pipe.close()

    def _collect(self, deadline: float) -> Any:
        """Return the answer that is owed, None when none is."""
        answer = None
        if self._owed:
            # One that has not started yet is not waited for.
            patience = deadline - time.monotonic() if self.started else 0.0
            if not self._pipe.poll(max(0.0, patience)):
                raise NoAnswer(f"no answer within {self._seconds:g} s")
            answer = self._pipe.recv()
            self._owed, self.started = 0, True
        return answer


class Line:
    """The parent's ends of the pipes to one worker."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._questions: dict[str, _Question] = {}
        theirs: dict[str, Connection] = {}
        for question, seconds in QUESTIONS.items():
            ours, theirs[question] = multiprocessing.Pipe()
            self._questions[question] = _Question(ours, seconds)
        self.ends = Ends(theirs)

    @property
    def is_starting(self) -> bool:
        """Whether the worker may yet be on its way to its first answer."""
        started = any(question.started for question in self._questions.values())
        return not started and time.monotonic() - self._began < START_SECONDS

    def ask(self, question: str) -> Any:
        """Return a worker's answer. Raises `NoAnswer`."""
        return self._questions[question].ask()

    def close(self) -> None:
        """Close the pipes; who waits for an answer has it or not."""
        for question in self._questions.values():
            question.close()
