"""A trained model and what it says of a recording."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from model.geometry import Scorer
from model.reasons import explain


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one recording.

    Attributes
    ----------
    is_anomaly
        Whether the score lies above the threshold.
    anomaly_score
        Higher is more anomalous: 0 is typical, 1 is reached by one normal
        recording in twenty.
    prediction_label
        ``normal`` or ``anomaly``.
    reasons
        What is wrong in words, the main reason first; empty when normal.
    """

    is_anomaly: bool
    anomaly_score: float
    prediction_label: Literal["normal", "anomaly"]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Model:
    """A fitted detector with its name.

    Attributes
    ----------
    name, version
        Identity in results; the version follows from what was learnt.
    feature_names
        The columns that it expects.
    kinds
        The kinds of spoiling that its scorer knows, in the scorer's order.
    scorer
        What was learnt.
    sample
        Anomaly scores of unseen normal recordings, ascending: what drift is
        measured against.
    card
        What the model card says beyond this.
    """

    name: str
    version: str
    feature_names: tuple[str, ...]
    kinds: tuple[str, ...]
    scorer: Scorer
    sample: npt.NDArray[np.float64]
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def threshold(self) -> float:
        """The anomaly score above which a recording is flagged."""
        return self.scorer.threshold

    def judge(self, X: npt.NDArray[np.floating[Any]]) -> list[Verdict]:
        """Judge recordings.

        Parameters
        ----------
        X : array, shape (n, len(feature_names))

        Returns
        -------
        list of Verdict
            In the order of the rows.
        """
        if not len(X):
            return []
        scores = self.scorer.scores(np.asarray(X, np.float64))
        verdicts = [Verdict(False, float(score), "normal", ()) for score in scores]
        for i in np.flatnonzero(scores > self.threshold):
            reasons = self._reasons(X[i])
            verdicts[i] = Verdict(True, float(scores[i]), "anomaly", reasons)
        return verdicts

    def _reasons(self, row: npt.NDArray[np.floating[Any]]) -> tuple[str, ...]:
        likeness = self.scorer.shape.likeness(np.asarray(row[None, :], np.float64))[0]
        return explain(_named(self.feature_names, row), _named(self.kinds, likeness))


def _named(
    names: Sequence[str], values: npt.NDArray[np.floating[Any]]
) -> dict[str, float]:
    return dict(zip(names, map(float, values), strict=True))
