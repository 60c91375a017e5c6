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

from model.geometry import (
    Array,
    Cloud,
    Discriminants,
    Scale,
    fit_cloud,
    fit_discriminants,
    fit_scale,
)

#: So many that a fit that leaves one out is as good as the full one: with 20, half
#: as many unseen recordings as asked for were flagged.
_FOLDS = 60
#: The greatest of the parts decides, as in the maximum norm, but smoothly.
_NORM = 8.0
#: The percentile of unseen normal recordings that has the score 1.
_UNIT_PERCENTILE = 95.0
_LEAST_WIDTH = 1e-9


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
    scale_ : Scale
    cloud_ : Cloud
    discriminants_ : Discriminants or None
    middles_, widths_ : arrays, shape (n_kinds + 1,)
        Median, and 95th percentile above it, of each part in unseen recordings.
    unit_ : tuple of float
        Norms of the parts that have the scores 0 and 1.
    sample_ : array, shape (n_samples,)
        Anomaly scores of the training data as unseen, ascending.
    offset_ : float
        ``score_samples`` below it is an outlier.
    """

    scale_: Scale
    cloud_: Cloud
    discriminants_: Discriminants | None

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
        self._learn(data, spoiled)
        self._calibrate(parts)
        return self

    def score_samples(self, X: npt.ArrayLike) -> Array:
        """Score; 0 is typical, -1 the most unusual 5 % of the normal, lower worse."""
        return -self._calibrated(self._norm(self._parts(self._validated(X))))

    def decision_function(self, X: npt.ArrayLike) -> Array:
        """Score relative to the threshold; negative is an outlier."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return 1 for an inlier, -1 for an outlier."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def deviations(self, X: npt.ArrayLike) -> Array:
        """Deviation of each feature from its median, in robust deviations."""
        return self.scale_(self._validated(X))

    def likeness(self, X: npt.ArrayLike) -> Array:
        """How much recordings are like each kind of spoiling, greater is more.

        Returns
        -------
        array, shape (n_samples, n_kinds)
            No columns when fitted without spoiled recordings.
        """
        scaled = self.deviations(X)
        if self.discriminants_ is None:
            return np.empty((len(scaled), 0))
        return self.discriminants_.likeness(scaled)

    def _validated(self, X: npt.ArrayLike) -> Array:
        check_is_fitted(self)
        data: Array = validate_data(self, X, dtype=np.float64, reset=False)
        return data

    def _learn(self, data: Array, spoiled: Array | None) -> None:
        self.scale_ = fit_scale(data, self.clip)
        self.cloud_ = fit_cloud(self.scale_(data), self.core)
        self.discriminants_ = (
            None
            if spoiled is None
            else fit_discriminants(self.cloud_, self.scale_(spoiled))
        )

    def _parts(self, data: Array) -> Array:
        """Distance and discriminants, not yet comparable, shape (n, n_kinds + 1)."""
        scaled = self.scale_(data)
        distance = self.cloud_.distance(scaled)[:, None]
        if self.discriminants_ is None:
            return distance
        return np.hstack([distance, scaled @ self.discriminants_.directions])

    def _norm(self, parts: Array) -> Array:
        ratios = np.maximum((parts - self.middles_) / self.widths_, 0.0)
        return np.asarray((ratios**_NORM).sum(axis=1) ** (1 / _NORM))

    def _calibrated(self, norm: Array) -> Array:
        middle, unit = self.unit_
        return (norm - middle) / (unit - middle)

    def _unseen_parts(self, data: Array, spoiled: Array | None) -> Array:
        """Parts of each row under a fit that has not seen it."""
        folds = np.arange(len(data)) % min(_FOLDS, len(data))
        parts: Array | None = None
        for fold in range(int(folds.max()) + 1):
            seen = folds != fold
            kept = None if spoiled is None else spoiled[:, seen[: spoiled.shape[1]]]
            self._learn(data[seen], kept)
            unseen = self._parts(data[~seen])
            if parts is None:
                parts = np.empty((len(data), unseen.shape[1]))
            parts[~seen] = unseen
        assert parts is not None  # there are at least two rows
        return parts

    def _calibrate(self, parts: Array) -> None:
        self.middles_ = np.median(parts, axis=0)
        upper = np.percentile(parts, _UNIT_PERCENTILE, axis=0)
        self.widths_ = np.maximum(upper - self.middles_, _LEAST_WIDTH)
        norms = self._norm(parts)
        middle, unit = np.percentile(norms, (50.0, _UNIT_PERCENTILE))
        self.unit_ = (float(middle), float(max(unit, middle + _LEAST_WIDTH)))
        self.sample_ = np.sort(self._calibrated(norms))
        self.offset_ = -float(np.quantile(self.sample_, 1 - self.flag_rate))
