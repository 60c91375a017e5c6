"""A benchmark's rows: as JSON, and as docs/performance.md's table and plot."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib
import psutil

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
#: By how much a row may miss its goal on a shared machine.
SLACK = 0.1
_VERSIONS = ("bytewax", "boto3", "numpy", "librosa", "celery", "ministack")


@dataclass(frozen=True)
class Row:
    """One row: what was reached, against what goal.

    Attributes
    ----------
    samples
        What each repeat gave, in the unit that the name says.
    goal
        None where there is none: the row tells what a choice costs.
    at_least
        Whether more is better.
    partner
        What was measured, and of the other program in the same run.
    figure
        What makes one figure of the samples.
    """

    name: str
    samples: Sequence[float]
    goal: float | None = None
    at_least: bool = True
    partner: str = ""
    figure: Callable[[Sequence[float]], float] = median

    @property
    def reached(self) -> float:
        """The figure of all samples."""
        return float(self.figure(self.samples))

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the most of the samples."""
        return min(self.samples), max(self.samples)

    @property
    def share(self) -> float:
        """How far it is on the good side of its goal: 1 is reached."""
        if self.goal is None:
            return 1.0
        if self.at_least:
            return self.reached / self.goal
        return self.goal / max(self.reached, 1e-9)

    @property
    def is_ok(self) -> bool:
        """Whether the goal was reached, or missed by no more than the slack."""
        if self.goal is None:
            return True
        if self.at_least:
            return self.reached >= self.goal * (1 - SLACK)
        return self.reached <= self.goal * (1 + SLACK)

    @property
    def wanted(self) -> str:
        """Its goal in words."""
        sign = "≥" if self.at_least else "≤"
        return "" if self.goal is None else f"{sign} {self.goal:g}"

    @property
    def spread_in_words(self) -> str:
        """The spread, or that there was one sample only."""
        least, most = self.spread
        return "one run" if len(self.samples) == 1 else f"{least:.3g} to {most:.3g}"

    def line(self) -> str:
        """Return the row for a reader at a terminal."""
        mark = "ok  " if self.is_ok else "MISS"
        return (
            f"{mark} {self.name}: {self.reached:.3g} ({self.wanted or 'no goal'}; "
            f"{self.spread_in_words}) {self.partner}"
        )


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """Return rows, those that missed their goal by more than the slack, and machine."""
    return {
        "rows": [
            {
                "name": row.name,
                "value": round(row.reached, 4),
                "goal": row.wanted or None,
                "ok": row.is_ok,
                "spread": [round(end, 4) for end in row.spread],
                "repeats": len(row.samples),
                "measured": row.partner,
            }
            for row in rows
        ],
        "missed": [row.name for row in rows if not row.is_ok],
        "machine": _machine(),
    }


def write(rows: Sequence[Row], docs: Path) -> None:
    """Put the table between its marks in the document, and draw the plot."""
    path = docs / "performance.md"
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    command = f"By `make bench ARGS=--write` on {_machine()}."
    table = "\n".join([BEGIN, "", *_table(rows), "", command, "", END])
    path.write_text(before + table + after, encoding="utf-8")
    _plot(rows, docs / "images" / "performance.png")


def _table(rows: Sequence[Row]) -> list[str]:
    lines = ["| | reached | goal | spread | measured |", "|---|---|---|---|---|"]
    for row in rows:
        cells = (
            *(row.name, f"{row.reached:.3g}", row.wanted),
            *(row.spread_in_words, row.partner),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _machine() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in _VERSIONS)
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{psutil.cpu_count()} cores of a shared {platform.machine()} machine with "
        f"{memory:.0f} GiB, the emulated services on the same cores; "
        f"Python {platform.python_version()}, {versions}"
    )


def _plot(rows: Sequence[Row], path: Path) -> None:
    """Draw how far each row is on the good side of its goal."""
    rows = [row for row in rows if row.goal is not None]
    shares = [row.share for row in rows]
    figure, axes = plt.subplots(figsize=(8, 0.4 * len(rows) + 1.2))
    colours = ["tab:green" if share >= 1 else "tab:orange" for share in shares]
    axes.barh(range(len(rows)), [min(share, 4) for share in shares], color=colours)
    axes.axvline(1, color="0.3", linestyle="--", linewidth=1)
    axes.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("times its goal (1 is reached; cut at 4)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
