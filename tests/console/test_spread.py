"""Features stand beside those of the training."""

from __future__ import annotations

import numpy as np
import pytest

from console.spread import features_of, share_below
from model.detector import load_model


@pytest.fixture(scope="module")
def middle() -> dict[str, float]:
    model = load_model()
    center = model.scorer.shape.scale.center
    return dict(zip(model.feature_names, map(float, center), strict=True))


def test_the_most_unusual_feature_comes_first(middle: dict[str, float]) -> None:
    model = load_model()
    scale, index = model.scorer.shape.scale, model.feature_names.index("peak_db")
    value = middle["peak_db"] - 3 * float(scale.below[index])
    first, second, *_ = features_of(model, {**middle, "peak_db": value})
    assert first.name == "peak_db"
    assert first.deviations == pytest.approx(-3)
    assert first.low < first.middle < first.high
    # Where the training's 10th percentile was: 1.2816 deviations below.
    assert first.low == pytest.approx(first.middle - 1.2816 * scale.below[index])
    assert second.deviations == 0


def test_what_is_no_number_or_unknown_is_left_out(middle: dict[str, float]) -> None:
    model = load_model()
    values = {**middle, "peak_db": "loud", "rms_db": float("nan"), "unknown": 1.0}
    found = {one.name for one in features_of(model, values)}
    assert found == set(model.feature_names) - {"peak_db", "rms_db"}
    assert features_of(model, {}) == []


def test_a_score_is_placed_among_the_training_recordings() -> None:
    model = load_model()
    # Scores are calibrated so: 0 is the median, 1 the 95th percentile.
    assert share_below(model, 0.0) == pytest.approx(0.5, abs=0.02)
    assert share_below(model, 1.0) == pytest.approx(0.95, abs=0.02)
    assert share_below(model, 100.0) == 1.0
    assert np.isclose(share_below(model, -100.0), 0.0)
