"""Tables on a terminal, and in a pipe as wide as they are."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from model.display import printable

#: Columns of a table that nobody's terminal bounds.
_ENDLESS = 10_000


def show_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
) -> None:
    """Print a table to stdout; no cell can move the cursor or change a colour.

    Parameters
    ----------
    right
        The columns that are numbers.
    """
    table = Table(title=printable(title), title_justify="left")
    for name in columns:
        justify = "right" if name in right else "left"
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(Text("" if x is None else printable(str(x))) for x in row))
    width = None if sys.stdout.isatty() else _ENDLESS
    Console(width=width, highlight=False).print(table)


def say(line: str) -> None:
    """Print a line about the result to stderr: it is no part of it."""
    print(f"earshot: {printable(line)}", file=sys.stderr)
