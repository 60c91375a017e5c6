"""``run_flow.py demo``: the whole pipeline on embedded services."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from commands.app import CommandFailed, Debug, app


@app.command(epilog="Example: python run_flow.py demo --items 24")
def demo(
    items: Annotated[
        int, typer.Option(min=5, max=2000, help="Recordings that pupils read.")
    ] = 48,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the services up until Ctrl-C.")
    ] = False,
    output: Annotated[
        Path, typer.Option(help="Where the demo's folder is made.")
    ] = Path("output"),
    debug: Debug = False,
) -> None:
    """Run the whole pipeline here: no account, no docker."""
    try:
        from demo.report import Report
        from demo.run import DemoFailed, play
    except ModuleNotFoundError as error:
        raise CommandFailed(
            f"the demo is not installed: {error} (make setup)"
        ) from error
    from rich.console import Console

    ok = False
    try:
        for played in play(items, output, keep=keep):
            report = Report(played)
            report.show(Console())
            print(orjson.dumps(report.line()).decode(), flush=True)
            ok = report.ok
    except DemoFailed as error:
        raise CommandFailed(str(error)) from error
    if not ok:
        raise CommandFailed("not every record ended as it should: see worker.log")
