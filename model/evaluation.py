"""Evaluate a model on labelled recordings."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.audio import AudioError, AudioLimits
from model.figures import figures_of
from model.recordings import features_of, read_rows
from model.report import plot_roc, plot_scores, write_page
from model.verdict import Model
from model.waveform import FloatArray

_COLUMNS = ("path", "kind", "is_anomaly")
_TRUE = frozenset(("1", "true", "yes"))
_FALSE = frozenset(("0", "false", "no"))
_DEFAULT_LIMITS = AudioLimits()


class EvaluationError(Exception):
    """Labels that cannot be evaluated; the message is one line."""


def evaluate(
    labels: Path, model: Model, output: Path, limits: AudioLimits = _DEFAULT_LIMITS
) -> dict[str, Any]:
    """Score labelled recordings; write plots and a page.

    Parameters
    ----------
    labels
        CSV with the columns ``path`` (relative to the file), ``kind`` and
        ``is_anomaly`` (0/1, true/false, yes/no).
    model
        The model to judge.
    output
        Folder for ``index.html``, ``roc.png`` and ``scores.png``.
    limits
        Recordings beyond are skipped.

    Returns
    -------
    dict
        ``model``, ``pooled``, ``kinds``, ``mean`` and ``worst`` over the kinds,
        ``normal_flagged`` (share above the threshold), ``threshold`` and
        ``skipped`` (path to error).

    Raises
    ------
    ManifestError
        The CSV cannot be read or has not these columns.
    EvaluationError
        A label is neither true nor false, or a class has no recordings.
    """
    rows = read_rows(labels, _COLUMNS)
    truths = [_truth(row["is_anomaly"]) for row in rows]
    vectors, skipped = _vectors([labels.parent / r["path"] for r in rows], limits)
    used = [i for i, vector in enumerate(vectors) if vector is not None]
    kinds = [rows[i]["kind"] for i in used]
    anomalous = np.array([truths[i] for i in used], bool)
    if not anomalous.any() or anomalous.all():
        raise EvaluationError(f"{labels}: needs normal and anomalous recordings")
    verdicts = model.judge(np.stack([v for v in vectors if v is not None]))
    scores = np.array([verdict.anomaly_score for verdict in verdicts])
    figures = {
        "model": f"{model.name} {model.version}",
        "threshold": model.threshold,
        "normal_flagged": float(np.mean(scores[~anomalous] > model.threshold)),
        **figures_of(scores, kinds, anomalous),
        "skipped": skipped,
    }
    _write(figures, scores, kinds, anomalous, output)
    return figures


def _write(
    figures: dict[str, Any],
    scores: npt.NDArray[np.float64],
    kinds: list[str],
    anomalous: npt.NDArray[np.bool_],
    output: Path,
) -> None:
    output.mkdir(parents=True, exist_ok=True)
    plot_roc(scores, anomalous, output / "roc.png")
    plot_scores(scores, kinds, figures["threshold"], output / "scores.png")
    title = f"Evaluation of {figures['model']}"
    write_page(title, figures, output / "index.html")


def _truth(label: str) -> bool:
    text = label.strip().lower()
    if text not in _TRUE | _FALSE:
        raise EvaluationError(f"is_anomaly must be 0 or 1, not {label!r}")
    return text in _TRUE


def _vectors(
    paths: list[Path], limits: AudioLimits
) -> tuple[list[FloatArray | None], dict[str, str]]:
    vectors: list[FloatArray | None] = []
    skipped: dict[str, str] = {}
    for path in paths:
        try:
            vectors.append(features_of(path, limits))
        except (AudioError, OSError) as error:
            vectors.append(None)
            skipped[str(path)] = str(error)
    return vectors, skipped
