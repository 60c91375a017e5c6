"""What a run shows while it goes on: a bar on a terminal, a line now and then else."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.text import Text

log = structlog.get_logger("earshot")

#: Seconds between two lines where there is no terminal.
LINE_SECONDS = 10.0


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f}/s")


class Progress:
    """Shows how far a run is.

    Parameters
    ----------
    total
        Rows or documents to read, as estimated.
    summary
        Gives the run's counts as they are now.
    terminal
        Whether a person watches.
    """

    def __init__(
        self,
        total: int,
        summary: Callable[[], dict[str, Any]],
        *,
        terminal: bool | None = None,
    ) -> None:
        self._total, self._summary = total, summary
        self._read = 0
        self._ended = threading.Event()
        self._bar = _bar() if _is_terminal(terminal) else None
        self._task = self._bar.add_task("", total=total) if self._bar else None
        self._lines = threading.Thread(target=self._write_lines, daemon=True)

    def start(self) -> None:
        """Begin to show."""
        if self._bar is not None:
            self._bar.start()
        else:
            self._lines.start()

    def add(self, read: int) -> None:
        """Show that so many more rows or documents were read."""
        self._read += read
        if self._bar is not None and self._task is not None:
            # An estimate: what is read can be more.
            total = max(self._total, self._read)
            self._bar.update(self._task, completed=self._read, total=total)

    def close(self) -> None:
        """End it."""
        self._ended.set()
        if self._bar is not None:
            self._bar.stop()

    def _write_lines(self) -> None:
        began = time.monotonic()
        while not self._ended.wait(LINE_SECONDS):
            rate = self._read / (time.monotonic() - began)
            log.info(
                "discovery_progress",
                read=self._read,
                expected=self._total,
                read_per_second=round(rate),
                **self._summary(),
            )


def _is_terminal(terminal: bool | None) -> bool:
    return sys.stderr.isatty() if terminal is None else terminal


def _bar() -> Bar:
    return Bar(
        TextColumn("reading"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
