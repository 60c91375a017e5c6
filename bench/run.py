"""``make bench``: every row of docs/performance.md, in pairs, in one run.

The last line of stdout is one JSON object; the exit code is 1 when a row misses its
goal by more than a tenth. ``--short`` does the first four rows, ``--write`` writes
docs/performance.md and its plot.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import orjson

from bench.load import Load
from bench.report import Row, as_json, write
from bench.rows import PARTS
from bench.sizes import FULL, SHORT, Sizes

#: The parts of the short form, unless one is named.
_FIRST = ["pipeline", "transport"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit code."""
    asked = _parser().parse_args(arguments)
    if asked.write and (asked.part or asked.short):
        print("error: --write needs every row: no --part or --short", file=sys.stderr)
        return 2
    sizes = SHORT if asked.short else FULL
    names = _FIRST if asked.short else list(PARTS)
    rows = measured(
        [asked.part] if asked.part else names,
        replace(sizes, rounds=asked.rounds or sizes.rounds),
    )
    if asked.write:
        write(rows, Path("docs"))
    print(orjson.dumps(as_json(rows)).decode())
    return 0 if all(row.is_ok for row in rows) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="less, and the first rows")
    parser.add_argument("--part", choices=PARTS, help="one part alone")
    parser.add_argument(
        "--rounds", type=int, help="pairs of each part, 5 or 2 if short"
    )
    parser.add_argument("--write", action="store_true", help="write the document")
    return parser


def measured(names: Sequence[str], sizes: Sizes) -> list[Row]:
    """Measure parts; say on stderr what was reached, as soon as it was."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, Load(Path(folder)) as load:
        for name in names:
            rows += (found := PARTS[name](load, sizes))
            print(*(row.line() for row in found), sep="\n", file=sys.stderr)
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
