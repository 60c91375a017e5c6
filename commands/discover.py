"""``run_flow.py discover``: a date's records to the queue."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from commands.app import Debug, app
from flows.discovery.modes import Mode


@app.command(
    epilog="Example: python run_flow.py discover --source postgres --mode backfill "
    "--test-date 2026-02-23 --subject-name Hindi"
)
def discover(
    mode: Annotated[
        Mode,
        typer.Option(
            help="one_time: leaves the watermark alone; backfill: every record of "
            "the date; incremental: what changed since the watermark.",
        ),
    ] = "one_time",
    source: Annotated[
        str | None,
        typer.Option(help="postgres or mongo; DISCOVERY_SOURCE_TYPE where not given."),
    ] = None,
    test_date: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM-DD", help="TEST_DATE where not given."),
    ] = None,
    subject_name: Annotated[
        list[str] | None,
        typer.Option(help="Can be repeated; SUBJECT_NAME, or all, where not given."),
    ] = None,
    record_type: Annotated[
        list[str] | None, typer.Option(help="Can be repeated; all where not given.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Records changed from then on, such as 2026-02-23T09:30:00Z.",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Rows in a page; DISCOVERY_BATCH_SIZE where not given."),
    ] = None,
    max_records: Annotated[
        int | None, typer.Option(min=1, help="Look at no more than so many.")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Parts of the date read side by side.")
    ] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read, check and count; send nothing.")
    ] = False,
    restart: Annotated[
        bool,
        typer.Option("--restart", help="Begin a backfill that was cut short anew."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Take over from a run that is under way.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Put the records of a date that have no result yet on the queue."""
    from flows.discovery import start

    settings = start.settings_of(
        test_date=test_date,
        discovery_source_type=source,
        discovery_batch_size=batch_size,
    )
    order = start.order_of(
        settings,
        mode,
        subject_names=subject_name or (),
        record_types=tuple(record_type or ()),
        since=_moment(since),
        max_records=max_records,
        workers=workers,
        dry_run=dry_run,
        restart=restart,
        force=force,
    )
    raise typer.Exit(start.run(settings, order, debug=debug))


def _moment(text: str | None) -> datetime | None:
    from connectors.pages import moment

    found = moment(text)
    if text is not None and found is None:
        raise typer.BadParameter(
            f"--since {text!r}: expected a time such as 2026-02-23T09:30:00Z"
        )
    return found
