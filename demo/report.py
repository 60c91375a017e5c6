"""What the demo shows at its end: a table, a plot, and one line for programs."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, get_args

import matplotlib
import numpy as np
from rich.console import Console
from rich.table import Table

from demo.pupils import Kind
from demo.run import Played
from model.outcomes import Status

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402

#: What becomes of the records that are no ordinary ones, one of each.
EXPECTED_ODD = {
    "skipped_existing": 1,
    "skipped_ineligible": 1,
    "failed_pre_inference": 1,
}
_WHAT = {
    "completed": "judged by the model",
    "skipped_existing": "had a result from yesterday",
    "skipped_ineligible": "deleted from its source after discovery",
    "failed_pre_inference": "no such audio: in the dead-letter queue",
    "malformed": "no record: in the quarantine file",
}


class Report:
    """The demo's end.

    Attributes
    ----------
    ok
        Whether every record ended as it should.
    """

    def __init__(self, played: Played) -> None:
        self._played = played
        self._outcomes = _outcomes(played.csv)
        self._malformed = len(played.quarantine.read_text().splitlines())

    @property
    def ok(self) -> bool:
        """Whether every record ended as it should."""
        expected = {"completed": len(self._played.kinds), **EXPECTED_ODD}
        ends = (self._malformed, self._played.dead_lettered, self._played.left)
        return self._outcomes == expected and ends == (1, 1, 0)

    def line(self) -> dict[str, Any]:
        """Return the contract's JSON object."""
        return {
            "sent": self._played.sent,
            "outcomes": self._outcomes,
            "malformed": self._malformed,
            "flagged": sum(result["is_anomaly"] for result in self._played.results),
            "seconds": self._played.seconds,
            "output": str(self._played.folder),
        }

    def show(self, console: Console) -> None:
        """Print the tables and say where everything lies."""
        console.print(self._ends())
        console.print(self._kinds())
        folder = self._played.folder
        self.plot(folder / "scores.png")
        for what, name in (
            ("every outcome", "results.csv"),
            ("malformed messages", "quarantine.jsonl"),
            ("scores by kind", "scores.png"),
            ("the worker's log", "worker.log"),
        ):
            console.print(f"{what:20} {folder / name}", highlight=False)

    def plot(self, path: Path) -> None:
        """Draw every recording's score by kind, and the threshold."""
        scores = self._by_kind("anomaly_score")
        figure, axes = plt.subplots(figsize=(8, 0.6 * len(scores) + 1.4))
        rng = np.random.default_rng(0)
        for place, kind in enumerate(scores):
            colour = "tab:blue" if kind == "normal" else "tab:red"
            heights = place + rng.uniform(-0.15, 0.15, len(scores[kind]))
            axes.scatter(scores[kind], heights, s=22, color=colour, alpha=0.7)
        axes.axvline(1.0, color="0.4", linestyle="--", linewidth=1)
        axes.text(1.0, len(scores) - 0.45, " flagged from here", color="0.3")
        axes.set_yticks(range(len(scores)), [_words(kind) for kind in scores])
        axes.set_ylim(-0.6, len(scores) - 0.1)
        axes.set_xlabel("anomaly score")
        axes.spines[["top", "right"]].set_visible(False)
        figure.tight_layout()
        figure.savefig(path, dpi=120)
        plt.close(figure)

    def _ends(self) -> Table:
        table = Table(
            title=f"{self._played.sent} messages were sent", title_justify="left"
        )
        table.add_column("outcome")
        table.add_column("records", justify="right")
        table.add_column("")
        ends = {**self._outcomes, "malformed": self._malformed}
        for status, count in ends.items():
            table.add_row(status, str(count), _WHAT.get(status, ""))
        return table

    def _kinds(self) -> Table:
        flags, reasons = self._by_kind("is_anomaly"), self._by_kind("reasons")
        table = Table(title="what the model heard", title_justify="left")
        table.add_column("the recording is")
        table.add_column("flagged", justify="right")
        table.add_column("because")
        for kind, flagged in flags.items():
            why = Counter(told[0] for told in reasons[kind] if told).most_common(1)
            table.add_row(
                _words(kind),
                f"{sum(flagged)} of {len(flagged)}",
                why[0][0] if why else "",
            )
        return table

    def _by_kind(self, name: str) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = defaultdict(list)
        for result in self._played.results:
            found[self._played.kinds[result["audio_s3_url"]]].append(result[name])
        return {kind: found[kind] for kind in get_args(Kind) if kind in found}


def _outcomes(path: Path) -> dict[str, int]:
    """Return the records by the status of their last delivery."""
    with path.open(newline="") as file:
        last = {
            row["result_document_id"]: row["processing_status"]
            for row in csv.DictReader(file)
        }
    counts = Counter(last.values())
    return {s.value: counts[s] for s in Status if counts[s]}


def _words(kind: str) -> str:
    return kind.replace("_", " ")
