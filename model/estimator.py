"""A one-class detector for data that nobody labelled.

Two things make a recording anomalous: it is far from all that was learnt, or it
lies where known spoilings take good recordings. The first is a Mahalanobis distance
under a Ledoit-Wolf covariance (Ledoit & Wolf 2004, "A well-conditioned estimator
for large-dimensional covariance matrices") of the most central part of the data;
the second are Fisher's linear discriminants (Fisher 1936), one for each kind of
spoiling. The greatest of these parts decides.
"""

from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from model.fitting import fit_calibration, fit_shape
from model.geometry import Array, Calibration, Scorer, Shape

#: So many that a fit that leaves one out is as good as the full one: with 20, half
#: as many unseen recordings as asked for were flagged.
_FOLDS = 60


class Detector(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Distance from normal recordings, sharpened towards known spoilings.

    Parameters
    ----------
    flag_rate : float, default 0.05
        Share of the training data, each row scored by a fit that has not seen it,
        above the threshold.
    core : float, default 0.88
        Share of the training data, the most central, that the covariance is
        fitted on; the rest may be anomalies.
    clip : float, default 5
        Scaled features are cut at this many deviations.

    Attributes
    ----------
    shape_ : Shape
    calibration_ : Calibration
    sample_ : array, shape (n_samples,)
        Anomaly scores of the training data as unseen, ascending.
    offset_ : float
        ``score_samples`` below it is an outlier.
    """

    shape_: Shape
    calibration_: Calibration

    def __init__(
        self, *, flag_rate: float = 0.05, core: float = 0.88, clip: float = 5.0
    ) -> None:
        self.flag_rate = flag_rate
        self.core = core
        self.clip = clip

    def fit(
        self, X: npt.ArrayLike, y: object = None, *, spoiled: Array | None = None
    ) -> Self:
        """Learn from mostly normal data.

        Parameters
        ----------
        X : array, shape (n_samples, n_features)
        y : ignored
        spoiled : array, shape (n_kinds, m, n_features), m <= n_samples, optional
            Row i of each kind is row i of `X`, spoiled. Without it the distance
            alone decides.
        """
        data = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        parts = self._unseen_parts(data, spoiled)
        self.shape_ = self._shape(data, spoiled)
        self.calibration_ = fit_calibration(parts)
        self.sample_ = np.sort(self.calibration_.scores(parts))
        self.offset_ = -float(np.quantile(self.sample_, 1 - self.flag_rate))
        return self

    def scorer(self) -> Scorer:
        """Return what was learnt, to score without scikit-learn."""
        check_is_fitted(self)
        return Scorer(self.shape_, self.calibration_, -self.offset_)

    def score_samples(self, X: npt.ArrayLike) -> Array:
        """Score; 0 is typical, -1 the most unusual 5 % of the normal, lower worse."""
        return -self.scorer().scores(self._validated(X))

    def decision_function(self, X: npt.ArrayLike) -> Array:
        """Score relative to the threshold; negative is an outlier."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return 1 for an inlier, -1 for an outlier."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _validated(self, X: npt.ArrayLike) -> Array:
        check_is_fitted(self)
        data: Array = validate_data(self, X, dtype=np.float64, reset=False)
        return data

    def _shape(self, data: Array, spoiled: Array | None) -> Shape:
        return fit_shape(data, spoiled, core=self.core, clip=self.clip)

    def _unseen_parts(self, data: Array, spoiled: Array | None) -> Array:
        """Parts of each row under a fit that has not seen it."""
        folds = np.arange(len(data)) % min(_FOLDS, len(data))
        parts: Array | None = None
        for fold in range(int(folds.max()) + 1):
            seen = folds != fold
            kept = None if spoiled is None else spoiled[:, seen[: spoiled.shape[1]]]
            unseen = self._shape(data[seen], kept).parts(data[~seen])
            if parts is None:
                parts = np.empty((len(data), unseen.shape[1]))
            parts[~seen] = unseen
        assert parts is not None  # there are at least two rows
        return parts
