"""``run_flow.py check``: is all there that a pipeline stands on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from commands.app import Debug, app

if TYPE_CHECKING:
    from flows.steering.findings import Finding


@app.command(epilog="Example: python run_flow.py check --json")
def check(
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Look at settings, queues, Mongo, source, files and model; change nothing.

    A line each with ok, warning or error, and what to do. Ends with 1 if there is an
    error. To see that Mongo takes a write, a document is written and deleted again.
    """
    from flows.start import load_settings
    from flows.steering.checks import check_all

    if json:
        _refuse_wrong_settings()
    findings = check_all(load_settings())
    if json:
        _print_json(findings)
    else:
        _print_lines(findings)
    if any(one.level == "error" for one in findings):
        raise typer.Exit(1)


def _refuse_wrong_settings() -> None:
    """End with 2, and a document that says so, where a setting is wrong."""
    from flows.settings import Settings, SettingsError
    from flows.start import fail
    from flows.steering.findings import Finding

    try:
        Settings.load()
    except SettingsError as error:
        faults = [Finding("settings", "error", one, ".env") for one in error.faults]
        _print_json(faults)
        fail(*error.faults, code=2)


def _print_json(findings: Sequence[Finding]) -> None:
    document: dict[str, Any] = {
        "ok": not any(one.level == "error" for one in findings),
        "checks": [one.fields() for one in findings],
    }
    print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())


def _print_lines(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    colours = {"ok": "green", "warning": "yellow", "error": "bold red"}
    wide = max(len(one.check) for one in findings)
    for one in findings:
        line = Text(f"{one.level:7}", style=colours[one.level])
        line.append(f"  {one.check:{wide}}  {one.text}", style="default")
        if one.remedy:
            line.append(f" -> {one.remedy}", style="default")
        console.print(line)
