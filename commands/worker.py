"""``run_flow.py worker``: as many worker processes as asked for."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from commands.app import Debug, app

#: Seconds of silence that count as empty where ``IDLE_EXIT_SECONDS`` is not set.
EMPTY_AFTER_SECONDS = 5


@app.command(
    epilog="Example: python run_flow.py worker --processes 4   (or, for one process: "
    "python -m bytewax.run run_flow)"
)
def worker(
    processes: Annotated[
        int, typer.Option(min=1, max=256, help="Worker processes to run.")
    ] = 1,
    until_empty: Annotated[
        bool,
        typer.Option(
            "--until-empty",
            help="End once the queue has given nothing for IDLE_EXIT_SECONDS "
            f"({EMPTY_AFTER_SECONDS} where that is not set).",
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Judge the recordings on the queue until told to stop (SIGTERM, Ctrl-C)."""
    from flows.processes import Workers, run_one
    from flows.start import load_settings

    if until_empty:
        os.environ["IDLE_EXIT_SECONDS"] = str(_idle_exit())
    load_settings()
    if processes == 1:
        run_one(debug=debug)
    else:
        raise typer.Exit(Workers(processes).run())


def _idle_exit() -> float:
    from flows.start import load_settings

    return load_settings().idle_exit_seconds or EMPTY_AFTER_SECONDS
