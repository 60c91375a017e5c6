"""``run_flow.py reviews``: what people said, for ``evaluate`` and ``train``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from commands.app import Debug, app
from commands.console import load_console_settings
from commands.tables import say

if TYPE_CHECKING:
    from console.export import Exported
    from console.settings import ConsoleSettings

reviews = typer.Typer(
    help="What people said about flagged recordings.",
    epilog="Example: python run_flow.py reviews export --labels labels.csv "
    "--audio reviewed/",
    no_args_is_help=True,
)
app.add_typer(reviews, name="reviews")


@reviews.command(
    epilog="Example: python run_flow.py reviews export --manifest normal.csv "
    "--normals 400 --audio reviewed/"
)
def export(
    audio: Annotated[Path, typer.Option(help="Folder that the recordings go to.")],
    labels: Annotated[
        Path | None,
        typer.Option(help="CSV for evaluate: path, kind and is_anomaly."),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(help="CSV for train: the false alarms, which are normal."),
    ] = None,
    normals: Annotated[
        int,
        typer.Option(min=0, help="With --manifest: so many more that are not flagged."),
    ] = 0,
    debug: Debug = False,
) -> None:
    """Write what was reviewed as labels or as a manifest, with the recordings.

    The newest review of a recording counts; those that are unsure are left out. The
    recordings are fetched under the worker's rules. Prints one line of JSON; exit
    code 1 if a recording could not be fetched.
    """
    if (labels is None) == (manifest is None):
        raise typer.BadParameter("expected one of --labels and --manifest")
    if normals and manifest is None:
        raise typer.BadParameter("--normals: expected --manifest FILE")
    settings = load_console_settings()
    done = _export(settings, audio, labels, manifest, normals)
    for id, why in done.missing.items():
        say(f"{id}: {why}")
    print(orjson.dumps(done.line()).decode(), flush=True)
    if done.missing:
        raise typer.Exit(1)


def _export(
    settings: ConsoleSettings,
    audio: Path,
    labels: Path | None,
    manifest: Path | None,
    normals: int,
) -> Exported:
    from commands.redriving import progress
    from connectors.download import Downloader
    from connectors.mongo import Database
    from connectors.mongo_flagged import Flagged
    from connectors.mongo_reviews import Reviews
    from console import export
    from flows import wiring

    uri = settings.mongo_uri.get_secret_value()
    with (
        closing(Database(uri, settings.mongo_db_name)) as database,
        closing(Downloader(wiring.download_limits(settings))) as downloader,
    ):
        database.check()
        flagged = Flagged(database.collection(settings.mongo_result_collection))
        reviews = Reviews(database.collection(settings.mongo_review_collection))
        if labels is not None:
            found = export.labelled(flagged, reviews)
            columns: tuple[str, ...] = export.LABEL_COLUMNS
        else:
            found = export.normals(flagged, reviews, normals)
            columns = export.MANIFEST_COLUMNS
        output = labels or manifest
        assert output is not None, "export has looked"
        with progress("recordings", len(found)) as advance:
            return export.export(
                *(found, columns, output, audio, downloader),
                threads=settings.download_max_concurrency,
                advance=lambda: advance(1),
            )
