"""What a detector has learnt, and how it scores: plain NumPy, read back in no time.

An artifact holds these and nothing of scikit-learn, so that it reads the same under
every version of NumPy, and a worker that only scores need not load the rest.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: The greatest of the parts decides, as in the maximum norm, but smoothly.
_NORM = 8.0


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


@dataclass(frozen=True)
class Shape:
    """Where normal recordings lie, and where known spoilings take them."""

    scale: Scale
    cloud: Cloud
    discriminants: Discriminants | None

    def parts(self, data: Array) -> Array:
        """Distance and discriminants, not yet comparable, shape (n, n_kinds + 1)."""
        scaled = self.scale(data)
        distance = self.cloud.distance(scaled)[:, None]
        if self.discriminants is None:
            return distance
        return np.hstack([distance, scaled @ self.discriminants.directions])

    def likeness(self, data: Array) -> Array:
        """How much recordings are like each kind of spoiling, greater is more.

        Returns
        -------
        array, shape (n_samples, n_kinds)
            No columns when fitted without spoiled recordings.
        """
        scaled = self.scale(data)
        if self.discriminants is None:
            return np.empty((len(scaled), 0))
        return self.discriminants.likeness(scaled)


@dataclass(frozen=True)
class Calibration:
    """What makes the parts comparable, and their norm a score.

    Attributes
    ----------
    middles, widths : arrays, shape (n_kinds + 1,)
        Median, and 95th percentile above it, of each part in unseen recordings.
    unit : tuple of float
        Norms of the parts that have the scores 0 and 1.
    """

    middles: Array
    widths: Array
    unit: tuple[float, float]

    def scores(self, parts: Array) -> Array:
        """Return anomaly scores: 0 is typical, 1 the most unusual 5 % of the normal."""
        middle, unit = self.unit
        return (part_norm(parts, self.middles, self.widths) - middle) / (unit - middle)


@dataclass(frozen=True)
class Scorer:
    """A fitted detector without the means to fit one.

    Attributes
    ----------
    threshold
        The anomaly score above which a recording is flagged.
    """

    shape: Shape
    calibration: Calibration
    threshold: float

    def scores(self, data: Array) -> Array:
        """Return the anomaly score of each row, higher is more anomalous."""
        return self.calibration.scores(self.shape.parts(data))


def part_norm(parts: Array, middles: Array, widths: Array) -> Array:
    """Return how far each row's parts are from their medians, as one number."""
    ratios = np.maximum((parts - middles) / widths, 0.0)
    return np.asarray((ratios**_NORM).sum(axis=1) ** (1 / _NORM))
