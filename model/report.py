"""The pictures and the page of an evaluation."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

matplotlib.use("Agg")

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem; text-align: right; }
td:first-child, th:first-child { text-align: left; } img { max-width: 100%; }
tr:nth-child(even) { background: #f2f2f2; }
</style></head><body>
<h1>$title</h1><p>$summary</p>
<table><tr><th>kind</th><th>recordings</th><th>AUC</th><th>partial AUC</th>
<th>recall at 1 % FPR</th><th>at 5 %</th></tr>
$rows
</table>
<h2>Receiver operating characteristic</h2><img src="roc.png" alt="ROC curve">
<h2>Scores</h2><img src="scores.png" alt="Scores by kind">
</body></html>
""")


def plot_roc(scores: Array, anomalous: Flags, path: Path) -> None:
    """Draw the pooled ROC curve into a PNG."""
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    rates, recalls, _ = roc_curve(anomalous, scores)
    axes.plot(rates, recalls)
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    axes.set_xlabel("normal recordings flagged")
    axes.set_ylabel("anomalies flagged")
    figure.savefig(path, dpi=120)


def plot_scores(
    scores: Array, kinds: Sequence[str], threshold: float, path: Path
) -> None:
    """Draw the scores of each kind, and the threshold, into a PNG."""
    labels = np.asarray(kinds)
    names = sorted(
        set(kinds), key=lambda kind: float(np.median(scores[labels == kind]))
    )
    figure = Figure(figsize=(8, 1.5 + 0.3 * len(names)), layout="constrained")
    axes = figure.subplots()
    for height, name in enumerate(names):
        shown = scores[labels == name]
        axes.plot(shown, np.full(len(shown), height), "o", markersize=4, alpha=0.5)
    axes.axvline(threshold, linestyle="--", color="black", linewidth=1)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("anomaly score (dashed: threshold)")
    figure.savefig(path, dpi=120)


def write_page(title: str, figures: Mapping[str, Any], path: Path) -> None:
    """Write the page that shows the figures and the pictures beside it."""
    mean, worst = figures["mean"], figures["worst"]
    summary = (
        f"Mean over the kinds: AUC {mean['auc']:.4f}, partial AUC "
        f"{mean['partial_auc']:.4f}. Worst kind: {worst['kind']}, "
        f"AUC {worst['auc']:.4f}. Normal recordings flagged: "
        f"{figures['normal_flagged']:.1%}."
    )
    rows = [_row(kind, values) for kind, values in figures["kinds"].items()]
    rows.append(_row("all", figures["pooled"]))
    page = _PAGE.substitute(
        title=escape(title), summary=escape(summary), rows="\n".join(rows)
    )
    path.write_text(page, encoding="utf-8")


def _row(kind: str, values: Mapping[str, float]) -> str:
    names = ("auc", "partial_auc", "recall_at_fpr_0.01", "recall_at_fpr_0.05")
    cells = [escape(kind), f"{values['count']}", *(f"{values[n]:.3f}" for n in names)]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
