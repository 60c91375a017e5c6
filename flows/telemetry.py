"""Logs on stderr, and the counts of what was done."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from typing import Any

import orjson
import structlog

from model.redaction import redact

log = structlog.get_logger("earshot")

#: Seconds between two ``throughput`` lines.
REPORT_SECONDS = 60.0


def configure_logging(level: str, style: str | None) -> None:
    """Send every log line to stderr.

    Parameters
    ----------
    level
        The lowest level that is written.
    style
        ``console``, ``json``, or None for console on a terminal and JSON elsewhere.
    """
    console = style == "console" or (style is None and sys.stderr.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if console
        else structlog.processors.JSONRenderer(serializer=_json)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        logger_factory=lambda *_: _LINES,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Libraries()], force=True)


class _Lines:
    """Writes a line at a time, or those of `together` at once.

    Each is a system call, for which a thread gives up the interpreter's lock and then
    queues for it again.
    """

    def __init__(self) -> None:
        self._held = threading.local()

    def msg(self, line: str) -> None:
        """Write a line."""
        if (held := getattr(self._held, "lines", None)) is None:
            _write(f"{line}\n")
        else:
            held.append(line)

    log = debug = info = warn = warning = error = critical = exception = msg

    def hold(self) -> None:
        """Keep this thread's lines."""
        self._held.lines = []

    def write_held(self) -> None:
        """Write the lines that this thread has kept."""
        lines, self._held.lines = self._held.lines, None
        if lines:
            _write("".join(f"{line}\n" for line in lines))


def _write(lines: str) -> None:
    # Whoever read them is gone: nobody is left to tell, and the work goes on.
    with suppress(OSError):
        sys.stderr.write(lines)


_LINES = _Lines()


@contextmanager
def together() -> Iterator[None]:
    """Write this thread's log lines of the block at once."""
    _LINES.hold()
    try:
        yield
    finally:
        _LINES.write_held()


class _Libraries(logging.Handler):
    """Other libraries' log lines, in our form: they may hold signed URLs too."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        log.log(
            record.levelno,
            "library_message",
            library=record.name,
            message=record.getMessage(),
            **({"error": str(error)} if error else {}),
        )


def _json(event: MutableMapping[str, Any], **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()


def _without_secrets(
    _: Any, __: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Mask credentials; a line end in a value cannot forge a line of its own."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = redact(value.replace("\n", "\\n").replace("\r", "\\r"))
    return event


class Tally:
    """How many deliveries ended how, and a line each minute that says so."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._reported_at = time.monotonic()
        self._reported = 0

    def count(self, status: str, reason: str = "") -> None:
        """Count the end of one delivery.

        Parameters
        ----------
        reason
            One of few: the stage where it failed.
        """
        with self._lock:
            self._counts[status, reason] += 1

    def by_reason(self) -> dict[tuple[str, str], int]:
        """Return the deliveries that have ended so far, by status and reason."""
        with self._lock:
            return dict(self._counts)

    def snapshot(self) -> dict[str, int]:
        """Return the deliveries that have ended so far, by status."""
        counts: Counter[str] = Counter()
        for (status, _), count in self.by_reason().items():
            counts[status] += count
        return dict(counts)

    def report(self, *, now: bool = False) -> None:
        """Log the throughput when a minute has passed, or at once."""
        seconds = time.monotonic() - self._reported_at
        if seconds < REPORT_SECONDS and not now:
            return
        counts = self.snapshot()
        total = sum(counts.values())
        log.info(
            "throughput",
            acknowledged_per_minute=round((total - self._reported) * 60 / seconds, 1),
            **counts,
        )
        self._reported_at, self._reported = time.monotonic(), total
