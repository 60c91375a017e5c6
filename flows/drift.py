"""Whether the model fits what it hears, said in the log and the metrics."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog

from model.detector import Model
from model.drift import Drift, DriftVerdict

log = structlog.get_logger("earshot")

#: Seconds between two comparisons.
COMPARE_SECONDS = 60.0


class DriftWatch:
    """Compares the scores that are given with those of the training, each minute.

    Attributes
    ----------
    verdict
        Of the last comparison.
    """

    def __init__(self, model: Model) -> None:
        self._drift = Drift(model.sample)
        self._compared_at = time.monotonic()
        self.verdict = DriftVerdict(0.0, 0, False, "")

    def __call__(self, scores: Sequence[float]) -> None:
        """Take in the scores of a batch."""
        self._drift.update(scores)
        if time.monotonic() - self._compared_at >= COMPARE_SECONDS:
            self.compare()

    def compare(self) -> None:
        """Compare now; one line in the log when the model does not fit."""
        self._compared_at = time.monotonic()
        self.verdict = self._drift.verdict()
        if self.verdict.drifted:
            log.warning(
                "model_drift",
                message=self.verdict.message,
                statistic=round(self.verdict.statistic, 3),
                scores=self.verdict.count,
            )
