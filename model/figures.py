"""How well scores tell anomalies from normal recordings."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

Array = npt.NDArray[np.float64]

#: False-positive rate up to which the partial area counts (McClish 1989,
#: "Analyzing a portion of the ROC curve").
MAX_FPR = 0.1


def figures_of(
    scores: Array, kinds: Sequence[str], anomalous: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """Compute the figures pooled, for each kind, and their mean over the kinds.

    Parameters
    ----------
    scores : array, shape (n,)
        Higher is more anomalous.
    kinds
        Kind of each recording; those of normal ones do not matter.
    anomalous : array, shape (n,)
    """
    normal = scores[~anomalous]
    labels = np.asarray(kinds)
    by_kind = {
        str(kind): _compare(normal, scores[anomalous & (labels == kind)])
        for kind in np.unique(labels[anomalous])
    }
    return {
        "pooled": _compare(normal, scores[anomalous]),
        "kinds": by_kind,
        "mean": _mean(by_kind),
        "worst": _worst(by_kind),
    }


def _compare(normal: Array, anomalies: Array) -> dict[str, float]:
    scores = np.concatenate([normal, anomalies])
    truth = np.repeat([0, 1], [len(normal), len(anomalies)])
    return {
        "count": len(anomalies),
        "auc": float(roc_auc_score(truth, scores)),
        "partial_auc": float(roc_auc_score(truth, scores, max_fpr=MAX_FPR)),
        "recall_at_fpr_0.01": _recall(normal, anomalies, 0.01),
        "recall_at_fpr_0.05": _recall(normal, anomalies, 0.05),
    }


def _recall(normal: Array, anomalies: Array, rate: float) -> float:
    """Share of the anomalies above a threshold that at most `rate` of normals pass."""
    allowed = int(rate * len(normal))
    threshold = np.sort(normal)[len(normal) - 1 - allowed]
    return float(np.mean(anomalies > threshold))


def _mean(by_kind: dict[str, dict[str, float]]) -> dict[str, float]:
    names = ("auc", "partial_auc", "recall_at_fpr_0.01", "recall_at_fpr_0.05")
    return {n: float(np.mean([f[n] for f in by_kind.values()])) for n in names}


def _worst(by_kind: dict[str, dict[str, float]]) -> dict[str, Any]:
    kind = min(by_kind, key=lambda name: by_kind[name]["auc"])
    return {"kind": kind, "auc": by_kind[kind]["auc"]}
