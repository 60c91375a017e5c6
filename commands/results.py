"""``run_flow.py results`` and ``reprocess``: what was found, and finding it anew."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import orjson
import typer

from commands.app import CommandFailed, Debug, DryRun, Rate, app
from commands.tables import say, show_table

if TYPE_CHECKING:
    from connectors.mongo_results import ResultPages, Wanted
    from flows.settings import Settings
    from flows.steering.results import Pages

_TestDate = Annotated[
    str | None,
    typer.Option(metavar="YYYY-MM-DD", help="TEST_DATE where not given."),
]


@app.command(
    epilog="Example: python run_flow.py results --test-date 2026-02-23 --flagged "
    "--format csv --output flagged.csv"
)
def results(
    test_date: _TestDate = None,
    flagged: Annotated[
        bool, typer.Option("--flagged", help="Only the anomalous ones.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option(help="Only with this in one of the reasons.")
    ] = None,
    school: Annotated[
        str | None, typer.Option(metavar="UDISE", help="Only of this school.")
    ] = None,
    format: Annotated[
        Literal["table", "csv", "json", "parquet"],
        typer.Option(help="json gives the whole results, one array; parquet a file."),
    ] = "table",
    output: Annotated[
        Path | None, typer.Option(help="A file; stdout where not given.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Show the results of a date, or write them to a file."""
    from connectors.mongo_results import Wanted
    from flows.discovery.start import settings_of

    if format == "parquet" and output is None:
        raise typer.BadParameter("--format parquet: expected --output FILE")
    if format == "table" and output is not None:
        raise typer.BadParameter("--output: expected --format csv, json or parquet")
    settings = settings_of(test_date=test_date)
    wanted = Wanted(f"{settings.test_date}", flagged, reason, school)
    with _result_pages(settings) as found:
        if format == "table":
            _show(wanted, found)
        else:
            _write(found.pages(wanted), format, output)


@contextmanager
def _result_pages(settings: Settings) -> Iterator[ResultPages]:
    from connectors.mongo import Database
    from connectors.mongo_results import ResultPages

    uri = settings.mongo_uri.get_secret_value()
    with closing(Database(uri, settings.mongo_db_name)) as database:
        database.check()  # a page may take long, to say that nobody is there may not
        yield ResultPages(database.collection(settings.mongo_result_collection))


def _show(wanted: Wanted, found: ResultPages) -> None:
    rows = [
        (
            *(one.get(name) for name in ("udise", "student_id", "subject_name")),
            "yes" if one.get("is_anomaly") else "no",
            f"{one.get('anomaly_score', 0):.2f}",
            "; ".join(one.get("reasons") or ()),
            one.get("audio_s3_url"),
        )
        for page in found.pages(wanted, {"features": 0, "history": 0})
        for one in page
    ]
    columns = ("school", "student", "subject", "flagged", "score", "reasons", "audio")
    title = f"{len(rows)} results of {wanted.test_date}"
    show_table(title, columns, rows, right=("score",))


def _write(pages: Pages, format: str, output: Path | None) -> None:
    from flows.steering.results import WRITERS, NotInstalled, whole_file

    write = WRITERS[format]
    try:
        if output is None:
            write(pages, sys.stdout.buffer)
            sys.stdout.flush()
            return
        with whole_file(output) as file:
            count = write(pages, file)
    except NotInstalled as error:
        raise CommandFailed(str(error)) from None
    say(f"{count} results in {output}")


@app.command(
    epilog="Example: python run_flow.py reprocess --test-date 2026-02-23 "
    "--model-below 240-99fb3861 --rate 20"
)
def reprocess(
    model_below: Annotated[
        str,
        typer.Option(
            metavar="VERSION",
            help="Results by a model older than this. Versions of numbers (1.2, 1.10) "
            "are compared as such; those that train gives have no order, so each other "
            "version counts as older: name the one that the workers use now.",
        ),
    ],
    test_date: _TestDate = None,
    rate: Rate = None,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> None:
    """Send records that an older model has judged to the workers again.

    Start the workers with the new model first. Each record gets a new result in place
    of the old one, whose score, reasons and model are kept in its `history`; until
    then it has the old one. Prints what was sent as one line of JSON.
    """
    from flows.discovery.start import settings_of
    from flows.signals import interrupt_at_sigterm

    if not model_below.strip():
        raise typer.BadParameter(f"--model-below {model_below!r}: expected a version")
    settings = settings_of(test_date=test_date)
    interrupt_at_sigterm()
    with _result_pages(settings) as found:
        failed = _reprocess(settings, found, model_below.strip(), rate, dry_run)
    if failed:
        raise typer.Exit(1)


def _reprocess(
    settings: Settings,
    found: ResultPages,
    model_below: str,
    rate: float | None,
    dry_run: bool,
) -> int:
    """Send the records; print what was sent, also when cut short; return the failed."""
    from commands.redriving import progress
    from flows.steering.pace import Pace
    from flows.steering.reprocess import Reprocess, sender_of

    run = Reprocess(
        found,
        None if dry_run else sender_of(settings),
        model_below=model_below,
        group_by=settings.message_group_by,
        pace=Pace(rate),
    )
    try:
        with progress("results", None) as advance:
            for looked_at in run.run(f"{settings.test_date}"):
                advance(looked_at)
    finally:
        print(orjson.dumps(run.done.line()).decode(), flush=True)
    return run.done.failed
