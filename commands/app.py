"""The command line's frame: errors are one line on stderr, exit codes are three.

0 done, 1 failed, 2 wrong usage or settings.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from model.errors import Expected

app = typer.Typer(
    name="run_flow.py",
    help="Earshot finds the oral-reading recordings that cannot be used.",
    epilog="Example: python run_flow.py demo",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only count what would be sent.")
]
Rate = Annotated[
    float | None, typer.Option(min=0.01, help="Messages a second at most.")
]


class CommandFailed(Expected):
    """A command could not do what it was asked; its text says why."""


#: The exit code of what was ended by Ctrl-C: 128 and the signal's number.
INTERRUPTED = 130


def run(arguments: list[str]) -> NoReturn:
    """Run a command line and end the process with its exit code."""
    try:
        code = app(arguments, prog_name="run_flow.py", standalone_mode=False)
    except TyperException as error:
        _end(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _end("interrupted", INTERRUPTED)
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except Exception as error:
        if "--debug" in arguments:
            raise
        known = isinstance(error, Expected)
        _end(str(error) if known else _unexpected(error), 1)
    if code == INTERRUPTED:  # what typer makes of Ctrl-C
        _end("interrupted", INTERRUPTED)
    raise SystemExit(code if isinstance(code, int) else 0)


def _unexpected(error: Exception) -> str:
    return f"{type(error).__name__}: {error} (--debug shows where)"


def _end(message: str, code: int) -> NoReturn:
    if message.startswith("Usage:"):  # the help that stands for a missing command
        print(message, file=sys.stderr)
    else:
        print("earshot: " + " ".join(message.split()), file=sys.stderr)
    raise SystemExit(code)
