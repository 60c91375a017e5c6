"""A recording's features against those that the model was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from model.detector import Model

#: What the artifact keeps of a feature's spread are its 10th percentile, median and
#: 90th percentile, the outer ones as deviations: 1.2816 of a normal distribution's.
DEVIATIONS_AT_PERCENTILE = 1.2816


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of a recording beside the training recordings'.

    Attributes
    ----------
    low, middle, high
        10th percentile, median and 90th percentile of the training recordings.
    deviations
        How far the value is from the median, in deviations of its side.
    """

    name: str
    value: float
    low: float
    middle: float
    high: float
    deviations: float


def features_of(model: Model, values: Mapping[str, object]) -> list[Feature]:
    """Return the features of a result, the most unusual first.

    Those that the model does not know, or that are no numbers, are left out.
    """
    scale, found = model.scorer.shape.scale, []
    for index, name in enumerate(model.feature_names):
        value = values.get(name)
        if not isinstance(value, int | float) or not np.isfinite(value):
            continue
        middle = float(scale.center[index])
        below, above = float(scale.below[index]), float(scale.above[index])
        found.append(
            Feature(
                name,
                float(value),
                middle - DEVIATIONS_AT_PERCENTILE * below,
                middle,
                middle + DEVIATIONS_AT_PERCENTILE * above,
                (value - middle) / (below if value < middle else above),
            )
        )
    return sorted(found, key=lambda one: -abs(one.deviations))


def share_below(model: Model, score: float) -> float:
    """Return the share of the training recordings whose score is lower, 0 to 1."""
    return float(np.searchsorted(model.sample, score) / len(model.sample))
