"""Fit the parts of the detector: a robust scale, a distance, and discriminants."""

import numpy as np
from sklearn.covariance import ledoit_wolf

from model.geometry import (
    Array,
    Calibration,
    Cloud,
    Discriminants,
    Scale,
    Shape,
    part_norm,
)

#: Percentiles between which scales are measured, each side of the median by itself,
#: and the distance in deviations of a normal distribution to either.
_LOW, _HIGH, _DEVIATIONS = 10.0, 90.0, 1.2816
#: Smallest scale of one side as a share of the other's.
_LEAST_SIDE = 0.01
#: Added to the variances of scaled features: a hundred features from some hundred
#: recordings make directions that look more certain than they are.
_RIDGE = 1.0
#: The percentile of unseen normal recordings that has the score 1.
_UNIT_PERCENTILE = 95.0
_LEAST_WIDTH = 1e-9


def fit_shape(data: Array, spoiled: Array | None, *, core: float, clip: float) -> Shape:
    """Fit all that says where recordings lie.

    Parameters
    ----------
    data : array, shape (n_samples, n_features)
    spoiled : array, shape (n_kinds, n, n_features), or None
    core
        Share of the rows, the most central, that the covariance is fitted on.
    clip
        Scaled features are cut at this many deviations.
    """
    scale = fit_scale(data, clip)
    cloud = fit_cloud(scale(data), core)
    if spoiled is None:
        return Shape(scale, cloud, None)
    return Shape(scale, cloud, fit_discriminants(cloud, scale(spoiled)))


def fit_calibration(parts: Array) -> Calibration:
    """Fit the scale of the scores on the parts of recordings that no fit has seen."""
    middles = np.median(parts, axis=0)
    upper = np.percentile(parts, _UNIT_PERCENTILE, axis=0)
    widths = np.maximum(upper - middles, _LEAST_WIDTH)
    norms = part_norm(parts, middles, widths)
    middle, unit = np.percentile(norms, (50.0, _UNIT_PERCENTILE))
    highest = float(max(unit, middle + _LEAST_WIDTH))
    return Calibration(middles, widths, (float(middle), highest))


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
