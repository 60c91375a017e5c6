"""A model that does not fit what it hears says so."""

from __future__ import annotations

import numpy as np
from scipy.stats import ks_2samp
from structlog.testing import capture_logs

from flows.drift import DriftWatch
from model.detector import load_model
from model.drift import Drift


def test_scores_like_the_trainings_say_nothing() -> None:
    model = load_model()
    watch = DriftWatch(model)
    watch(list(model.sample))
    with capture_logs() as logs:
        watch.compare()
    assert logs == []
    assert watch.verdict.statistic < 0.05


def test_scores_of_other_phones_are_one_line_that_says_what_to_do() -> None:
    model = load_model()
    watch = DriftWatch(model)
    watch([float(score) + 1 for score in model.sample])
    with capture_logs() as logs:
        watch.compare()
    (line,) = logs
    assert line["event"] == "model_drift"
    assert line["message"].startswith("this model does not fit what it hears: retrain")


def test_the_comparison_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    sample, scores = rng.normal(size=240), rng.normal(0.3, size=180)
    drift = Drift(sample)
    drift.update(scores)
    found = ks_2samp(scores, sample, method="asymp")
    assert drift.verdict().statistic == np.float64(found.statistic)
