"""``run_flow.py console``: people listen to what was flagged."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from commands.app import CommandFailed, Debug, app

if TYPE_CHECKING:
    from console.settings import ConsoleSettings


@app.command(epilog="Example: python run_flow.py console --port 8501")
def console(
    host: Annotated[
        str,
        typer.Option(help="Where to listen; beyond this machine only with sign-in."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 8501,
    debug: Debug = False,
) -> None:
    """Serve the console, where people listen to what was flagged and say if it is so.

    Sign-in is Streamlit's, by OpenID Connect: see [auth] in docs/console.md.
    """
    if find_spec("streamlit") is None:
        raise CommandFailed(
            "the console is not installed: pip install '.[console]' in the clone"
        )
    from console.serve import command, environment
    from console.signing_in import is_loopback, refusal
    from flows.start import fail

    load_console_settings()
    if why := refusal(host):
        fail(why, code=2)
    words = command(host, port, local=is_loopback(host))
    print(f"earshot: the console is at http://{_shown(host)}:{port}", file=sys.stderr)
    sys.stderr.flush()
    os.execve(sys.executable, words, environment(os.environ))


def load_console_settings() -> ConsoleSettings:
    """Return the console's settings; ends the process with 2 if one is wrong."""
    from console.settings import ConsoleSettings
    from flows.settings import SettingsError
    from flows.start import fail

    try:
        return ConsoleSettings.load()
    except SettingsError as error:
        fail(*error.faults, code=2)


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
