"""Whether the recordings that come are like those the model was trained on.

Train on one make of phone, listen to another, and everything is flagged. The scores
that the model gives show it: their distribution is compared with that of the
training recordings, scored as unseen, which travels in the artifact.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import log, sqrt

import numpy as np
import numpy.typing as npt

#: Scores compared: the newest ones. Enough to see a shift of a third of a deviation.
WINDOW = 500
#: Below this many scores there is no verdict.
LEAST_SCORES = 100
#: Largest difference between the distributions that is let pass. Good recordings of
#: other speakers stay below 0.2; a few per cent of anomalies add as much to it.
LIMIT = 0.3
#: A difference that chance alone explains more often than this is none.
_SIGNIFICANCE = 0.001


@dataclass(frozen=True, slots=True)
class DriftVerdict:
    """How the scores compare.

    Attributes
    ----------
    statistic
        Kolmogorov-Smirnov: the largest difference between the distributions,
        0 to 1; 0 as long as there are too few scores.
    count
        Scores compared.
    drifted
        Whether the model does not fit what it hears.
    message
        One line for the log, empty unless drifted.
    """

    statistic: float
    count: int
    drifted: bool
    message: str


class Drift:
    """A running comparison of scores with those of the training recordings.

    Parameters
    ----------
    sample : array, shape (n,)
        Anomaly scores of the training recordings: ``Model.sample``.
    window : int
        How many of the newest scores are compared.
    """

    def __init__(self, sample: npt.NDArray[np.floating], window: int = WINDOW) -> None:
        self._sample = np.asarray(sample, np.float64)
        self._scores: deque[float] = deque(maxlen=window)

    def update(self, scores: Iterable[float]) -> None:
        """Take in anomaly scores, oldest first."""
        self._scores.extend(scores)

    def verdict(self) -> DriftVerdict:
        """Compare the newest scores with the training's; once a minute is often."""
        count = len(self._scores)
        if count < LEAST_SCORES:
            return DriftVerdict(0.0, count, False, "")
        statistic = _statistic(np.array(self._scores), self._sample)
        by_chance = _by_chance(count, len(self._sample))
        drifted = statistic > max(LIMIT, by_chance)
        return DriftVerdict(statistic, count, drifted, _message(drifted, statistic))


def _statistic(
    scores: npt.NDArray[np.float64], sample: npt.NDArray[np.float64]
) -> float:
    """Return the Kolmogorov-Smirnov statistic of two samples.

    What ``scipy.stats.ks_2samp`` gives, without loading SciPy into each worker.
    """
    places = np.concatenate([scores, sample])
    below = [
        np.searchsorted(np.sort(part), places, side="right") / len(part)
        for part in (scores, sample)
    ]
    return float(np.abs(below[0] - below[1]).max())


def _by_chance(scores: int, sample: int) -> float:
    """Return the statistic that chance alone exceeds as often as `_SIGNIFICANCE`.

    The first term of Kolmogorov's series, solved for the statistic; the next one is
    1e-14 here. Source: Knuth, The Art of Computer Programming, volume 2, 3.3.1.
    """
    size = scores * sample / (scores + sample)
    return sqrt(-log(_SIGNIFICANCE / 2) / 2 / size)


def _message(drifted: bool, statistic: float) -> str:
    if not drifted:
        return ""
    return (
        "this model does not fit what it hears: retrain "
        f"(scores differ from the training's by {statistic:.2f}, limit {LIMIT})"
    )
