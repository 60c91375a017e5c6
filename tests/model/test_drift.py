"""Drift: scores compared with those of the training."""

import numpy as np

from model.drift import LEAST_SCORES, LIMIT, Drift

SAMPLE = np.sort(np.random.default_rng(0).normal(0, 0.6, 240))


def normal(count: int, seed: int, shift: float = 0.0) -> list[float]:
    return list(np.random.default_rng(seed).normal(shift, 0.6, count))


def test_scores_like_the_training_are_no_drift() -> None:
    drift = Drift(SAMPLE)
    drift.update(normal(500, 1))
    verdict = drift.verdict()
    assert (verdict.drifted, verdict.message, verdict.count) == (False, "", 500)
    assert verdict.statistic < LIMIT / 2


def test_a_tenth_of_anomalies_is_no_drift() -> None:
    drift = Drift(SAMPLE)
    drift.update(normal(450, 2) + normal(50, 3, shift=6.0))
    assert not drift.verdict().drifted


def test_other_phones_are_drift_and_one_line_says_to_retrain() -> None:
    drift = Drift(SAMPLE)
    drift.update(normal(200, 4, shift=1.0))
    verdict = drift.verdict()
    assert verdict.drifted
    assert verdict.message.startswith("this model does not fit what it hears: retrain")
    assert "\n" not in verdict.message


def test_too_few_scores_give_no_verdict() -> None:
    drift = Drift(SAMPLE)
    drift.update(normal(LEAST_SCORES - 1, 5, shift=9.0))
    assert drift.verdict().statistic == 0.0
    drift.update(normal(1, 6, shift=9.0))
    assert drift.verdict().drifted


def test_only_the_newest_scores_count() -> None:
    drift = Drift(SAMPLE, window=300)
    drift.update(normal(300, 7, shift=5.0))
    drift.update(normal(300, 8))
    assert not drift.verdict().drifted
