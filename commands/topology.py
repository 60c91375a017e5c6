"""``run_flow.py topology``: what the flows are made of."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import typer

from commands.app import Debug, app

Flow = Literal["worker", "discovery"]


@app.command(epilog="Example: python run_flow.py topology --flow worker --format text")
def topology(
    flow: Annotated[
        Flow | None, typer.Option(help="The one to show; both where not given.")
    ] = None,
    format: Annotated[
        Literal["mermaid", "text", "json"], typer.Option(help="How it is shown.")
    ] = "mermaid",
    debug: Debug = False,
) -> None:
    """Show the worker's and discovery's graphs, as they run: no service is needed."""
    from flows.steering import topology as pictures

    names: tuple[Flow, ...] = (flow,) if flow else get_args(Flow)
    show = {
        "mermaid": pictures.mermaid,
        "text": pictures.text,
        "json": pictures.json,
    }[format]
    print(show(*names))
