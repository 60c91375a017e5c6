"""Writes docs/performance.md's table and plot from a benchmark's rows."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import matplotlib
import psutil

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
_VERSIONS = ("bytewax", "boto3", "numpy", "librosa", "celery", "ministack")


@dataclass(frozen=True)
class Row:
    """One row: what was reached, against what goal.

    Attributes
    ----------
    goal
        None where there is none: the row tells what a choice costs.
    at_least
        Whether more is better.
    partner
        What was measured, and of the other program in the same run.
    """

    name: str
    reached: float
    goal: float | None
    at_least: bool = True
    partner: str = ""

    @property
    def share(self) -> float:
        """How far it is on the good side of its goal: 1 is reached."""
        if self.goal is None:
            return 1.0
        if self.at_least:
            return self.reached / self.goal
        return self.goal / max(self.reached, 1e-9)

    @property
    def wanted(self) -> str:
        """Its goal in words."""
        sign = "≥" if self.at_least else "≤"
        return "" if self.goal is None else f"{sign} {self.goal:g}"


def write(rows: Sequence[Row], docs: Path) -> None:
    """Put the table between its marks in the document, and draw the plot."""
    path = docs / "performance.md"
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    table = "\n".join([BEGIN, "", *_table(rows), "", _machine(), "", END])
    path.write_text(before + table + after, encoding="utf-8")
    _plot(rows, docs / "images" / "performance.png")


def _table(rows: Sequence[Row]) -> list[str]:
    lines = ["| | reached | goal | measured |", "|---|---|---|---|"]
    for row in rows:
        reached = f"{row.reached:.3g}"
        lines.append(f"| {row.name} | {reached} | {row.wanted} | {row.partner} |")
    return lines


def _machine() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in _VERSIONS)
    memory = psutil.virtual_memory().total / 2**30
    return (
        "By `make bench` or `make bench-short` with `ARGS=--write` on "
        f"{psutil.cpu_count()} cores of a shared {platform.machine()} machine with "
        f"{memory:.0f} GiB, the emulated services on "
        f"the same cores; Python {platform.python_version()}, {versions}."
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
