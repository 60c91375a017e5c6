"""The estimator, on numbers alone."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from model.estimator import Detector
from model.geometry import Array


def cloud(count: int, features: int = 12, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(features, features))
    return rng.normal(size=(count, features)) @ mixing


CHECKS = list(estimator_checks_generator(Detector()))


@pytest.mark.parametrize(
    ("estimator", "check"), CHECKS, ids=[check.func.__name__ for _, check in CHECKS]
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_accepts_the_detector(estimator: Detector, check: object) -> None:
    check(estimator)  # type: ignore[operator]


def test_a_lower_score_is_more_abnormal() -> None:
    detector = Detector().fit(cloud(300))
    near, far = detector.score_samples(np.stack([np.zeros(12), np.full(12, 40.0)]))
    assert far < near


def test_the_decision_is_the_score_above_the_offset() -> None:
    data = cloud(200)
    detector = Detector().fit(data)
    decision = detector.decision_function(data)
    np.testing.assert_allclose(
        decision, detector.score_samples(data) - detector.offset_
    )
    np.testing.assert_array_equal(detector.predict(data) == -1, decision < 0)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_the_asked_share_of_unseen_normals_is_flagged(rate: float) -> None:
    detector = Detector(flag_rate=rate).fit(cloud(600, seed=1))
    flagged = np.mean(detector.predict(cloud(4000, seed=2)) == -1)
    assert flagged == pytest.approx(rate, abs=0.01 + 0.3 * rate)


def test_scores_mean_the_same_after_retraining() -> None:
    fresh = cloud(3000, seed=5)
    scores = [
        -Detector().fit(cloud(500, seed=seed)).score_samples(fresh) for seed in (3, 4)
    ]
    for score in scores:
        assert np.median(score) == pytest.approx(0.0, abs=0.25)
        assert np.percentile(score, 95) == pytest.approx(1.0, abs=0.2)


def test_anomalies_in_the_training_data_hardly_matter() -> None:
    data = cloud(400, seed=6)
    anomalies = cloud(40, seed=7) + 12.0
    mixed = np.vstack([data, anomalies[:20]])
    scores = -Detector().fit(mixed).score_samples(np.vstack([data, anomalies[20:]]))
    assert scores[400:].min() > np.percentile(scores[:400], 95)


def test_spoiled_examples_sharpen_a_direction_that_distance_misses() -> None:
    data = cloud(300, 60, seed=8)
    shift = np.zeros(60)
    shift[:3] = 0.6 * data[:, :3].std(axis=0)
    spoiled = (data + shift)[None]
    fresh, bad = cloud(500, 60, seed=9), cloud(500, 60, seed=10) + shift
    gap = [
        np.median(-d.score_samples(bad)) - np.median(-d.score_samples(fresh))
        for d in (Detector().fit(data), Detector().fit(data, spoiled=spoiled))
    ]
    assert gap[1] > gap[0]


def test_likeness_names_the_nearest_kind() -> None:
    data = cloud(200, seed=11)
    spoiled = np.stack([data + 5.0, data - 5.0])
    detector = Detector().fit(data, spoiled=spoiled)
    np.testing.assert_array_equal(
        detector.shape_.likeness(data[:20] - 5.0).argmax(axis=1), np.ones(20)
    )


def test_without_spoiled_examples_there_is_nothing_to_be_like() -> None:
    assert Detector().fit(cloud(50)).shape_.likeness(cloud(3)).shape == (3, 0)
