"""What a check finds, and checks run side by side, each bounded in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any, Literal

from model.display import printable
from model.errors import Expected

Level = Literal["ok", "warning", "error"]
#: Seconds that all checks together may take; each system's own timeouts are shorter.
CHECK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report.

    Attributes
    ----------
    remedy
        What to do: a command or a setting. None where nothing is to be done.
    """

    check: str
    level: Level
    text: str
    remedy: str | None = None

    def fields(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


#: A check: it returns what it found, and raises where it could not look.
Check = Callable[[], Iterable[Finding]]


def run_checks(
    checks: Mapping[str, tuple[Check, str]], seconds: float = CHECK_SECONDS
) -> list[Finding]:
    """Run checks side by side; return what they found, in their order.

    Parameters
    ----------
    checks
        By its name: the check, and the remedy where it cannot look at all.
    seconds
        After which what has not answered counts as an error.
    """
    answers: SimpleQueue[tuple[str, list[Finding]]] = SimpleQueue()
    for name, (check, remedy) in checks.items():
        threading.Thread(
            target=lambda *given: answers.put(_answer(*given)),
            args=(name, check, remedy),
            daemon=True,  # one that hangs does not keep the process
        ).start()
    found: dict[str, list[Finding]] = {}
    deadline = time.monotonic() + seconds
    while len(found) < len(checks):
        try:
            name, findings = answers.get(timeout=max(0, deadline - time.monotonic()))
        except Empty:
            break
        found[name] = findings
    return [
        _shown(finding)
        for name, (_, remedy) in checks.items()
        for finding in found.get(name, [_silent(name, seconds, remedy)])
    ]


def _answer(name: str, check: Check, remedy: str) -> tuple[str, list[Finding]]:
    try:
        return name, list(check())
    except Expected as error:
        return name, [Finding(name, "error", str(error), remedy)]
    except Exception as error:
        return name, [
            Finding(name, "error", f"{type(error).__name__}: {error}", remedy)
        ]


def _silent(name: str, seconds: float, remedy: str) -> Finding:
    return Finding(name, "error", f"no answer within {seconds:g} s", remedy)


def _shown(one: Finding) -> Finding:
    """Return a finding that can be printed: names of tables and hosts are not ours."""
    remedy = None if one.remedy is None else printable(one.remedy)
    return replace(one, text=printable(one.text), remedy=remedy)
