"""What the CSV file says of an outcome."""

from __future__ import annotations

from connectors.csv import neutralised
from model.outcomes import NUMERIC_COLUMNS, Outcome


def row_of(outcome: Outcome) -> list[str]:
    """Return an outcome's cells, in the order of the columns."""
    return [_cell(name, value) for name, value in outcome.csv_cells().items()]


def _cell(name: str, value: str | None) -> str:
    if value is None:
        return ""
    return value if name in NUMERIC_COLUMNS else neutralised(value)
