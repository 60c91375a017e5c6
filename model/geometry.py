"""The parts of the detector: a robust scale, a distance, and discriminants.

Each is fitted by a function and holds only NumPy arrays, so that an artifact reads
the same under every version of NumPy.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.covariance import ledoit_wolf

Array = npt.NDArray[np.float64]

#: Percentiles between which scales are measured, each side of the median by itself,
#: and the distance in deviations of a normal distribution to either.
_LOW, _HIGH, _DEVIATIONS = 10.0, 90.0, 1.2816
#: Smallest scale of one side as a share of the other's.
_LEAST_SIDE = 0.01
#: Added to the variances of scaled features: a hundred features from some hundred
#: recordings make directions that look more certain than they are.
_RIDGE = 1.0


@dataclass(frozen=True)
class Scale:
    """Robust deviations, measured on each side of the median by itself.

    Attributes
    ----------
    center : array, shape (n_features,)
    below, above : array, shape (n_features,)
        Deviation on either side.
    clip : float
        Scaled features are cut at this many deviations.
    """

    center: Array
    below: Array
    above: Array
    clip: float

    def __call__(self, data: Array) -> Array:
        """Scale features; the last axis is that of the features."""
        away = data - self.center
        scaled = away / np.where(away < 0, self.below, self.above)
        return np.clip(scaled, -self.clip, self.clip)


@dataclass(frozen=True)
class Cloud:
    """Where scaled recordings lie.

    Attributes
    ----------
    location : array, shape (n_features,)
    covariance, precision : array, shape (n_features, n_features)
    """

    location: Array
    covariance: Array
    precision: Array

    def distance(self, scaled: Array) -> Array:
        """Mahalanobis distance of each row."""
        away = scaled - self.location
        square = np.einsum("ij,ij->i", away @ self.precision, away)
        return np.asarray(np.sqrt(np.maximum(square, 0)))


@dataclass(frozen=True)
class Discriminants:
    """Directions in which known spoilings lie, and where they end.

    Attributes
    ----------
    directions : array, shape (n_features, n_kinds)
    means : array, shape (n_kinds, n_features)
        Of the recordings of each kind.
    precision : array, shape (n_features, n_features)
        Of the scatter within kinds.
    """

    directions: Array
    means: Array
    precision: Array

    def likeness(self, scaled: Array) -> Array:
        """Minus the squared Mahalanobis distance to each kind, shape (n, n_kinds).

        The greatest is the most alike: linear discriminant analysis.
        """
        away = scaled[:, None, :] - self.means
        likeness: Array = -np.einsum("nkf,nkf->nk", away @ self.precision, away)
        return likeness


def fit_scale(data: Array, clip: float) -> Scale:
    """Measure medians and deviations, shape (n_samples, n_features)."""
    low, middle, high = np.percentile(data, (_LOW, 50.0, _HIGH), axis=0)
    sides = np.stack([middle - low, high - middle]) / _DEVIATIONS
    sides = np.maximum(sides, _LEAST_SIDE * sides.max(axis=0))
    below, above = np.where(sides > 0, sides, 1.0)
    return Scale(middle, below, above, clip)


def fit_cloud(scaled: Array, core: float) -> Cloud:
    """Fit a covariance on the share `core` of the rows that is most central."""
    distance = _cloud(scaled).distance(scaled)
    return _cloud(scaled[distance <= np.quantile(distance, core)])


def fit_discriminants(cloud: Cloud, spoiled: Array) -> Discriminants:
    """Fit Fisher's discriminant between the cloud and each kind of spoiling.

    Parameters
    ----------
    cloud : Cloud
        Of the normal recordings.
    spoiled : array, shape (n_kinds, n, n_features)
        Scaled.
    """
    means = spoiled.mean(axis=1)
    scatters = np.stack([np.cov(kind.T) for kind in spoiled])
    ridge = _RIDGE * np.eye(len(cloud.location))
    shifts = (means - cloud.location)[:, :, None]
    directions = np.linalg.solve(cloud.covariance + scatters + ridge, shifts)
    precision = np.linalg.inv(scatters.mean(axis=0) + ridge)
    return Discriminants(directions[:, :, 0].T, means, precision)


def _cloud(scaled: Array) -> Cloud:
    covariance, _ = ledoit_wolf(scaled)
    precision = np.linalg.pinv(covariance, hermitian=True)
    return Cloud(scaled.mean(axis=0), covariance, precision)
