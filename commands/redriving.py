"""Sending what was put aside round again, with its progress shown."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
import typer
from rich.console import Console
from rich.progress import Progress

from commands.app import CommandFailed
from model.display import duration
from model.times import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.steering.places import Place, Places
    from flows.steering.redrive import Redriven


def redrive(
    places: Places,
    place: Place,
    reason: str | None,
    older_than: str | None,
    rate: float | None,
    *,
    dry_run: bool,
) -> None:
    """Move messages to the work queue; prints what was done, also when cut short."""
    from flows.steering.letters import Filter
    from flows.steering.pace import Pace
    from flows.steering.redrive import HIDE_SECONDS, Redrive, unseen, unseen_line

    meant = Filter(utc_now() - _span(older_than), reason)
    depth = places.depth(place)
    sender = None if dry_run else places.sender()
    with (
        places.statuses(place) as statuses,
        places.look(place, hide=HIDE_SECONDS) as look,
    ):
        run = Redrive(look, sender, statuses=statuses, meant=meant, pace=Pace(rate))
        try:
            with progress("looking", depth.total) as advance:
                for looked_at in run.run():
                    advance(looked_at)
            run.done.unseen = unseen(
                run.done, depth.total, lambda: places.depth(place).total
            )
        finally:
            _end(run.done)
    if run.done.unseen:
        raise CommandFailed(unseen_line(run.done.unseen, depth.name))
    if run.done.failed:
        raise typer.Exit(1)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show how far something is, on a terminal; give what moves it on."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


def _end(done: Redriven) -> None:
    print(orjson.dumps(done.line()).decode(), flush=True)


def _span(text: str | None) -> timedelta:
    try:
        return duration(text) if text is not None else timedelta()
    except ValueError as error:
        raise typer.BadParameter(f"--older-than {text!r}: {error}") from None
