"""What became of deliveries, counted in the workers' CSV files where they are here."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

#: Characters of a cell: errors may be long.
_CELL_LENGTH = 10_000_000


def csv_files(path: Path) -> list[Path]:
    """Return a CSV file, its siblings of other processes, and those put aside."""
    if not path.parent.is_dir():
        return []
    names = path.parent.glob(f"{path.stem}*{path.suffix}")
    own = (f"{path.stem}{path.suffix}", f"{path.stem}.")
    return sorted(one for one in names if one.name.startswith(own) and one.is_file())


def outcomes(files: Sequence[Path]) -> dict[tuple[str, str], int]:
    """Return how many deliveries of each test date ended with each status."""
    csv.field_size_limit(_CELL_LENGTH)
    counts: Counter[tuple[str, str]] = Counter()
    for path in files:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            for row in csv.DictReader(file):
                key = (row.get("test_date") or "", row.get("processing_status") or "")
                counts[key] += 1
    return dict(counts)
