"""The shipped model on real recordings, where they are."""

import csv
from collections import defaultdict
from functools import cache

import numpy as np
import pytest

from model.audio import AudioLimits
from model.detector import Verdict, load_model
from model.drift import Drift
from model.figures import figures_of
from model.recordings import features_of
from tests.model.sounds import SHARED, needs_recordings

pytestmark = needs_recordings

#: What a first reason may begin with to fit a kind.
FITTING = {
    "ambient": ("noisy", "no speech", "no single voice", "muffled", "too quiet"),
    "babble": ("several voices", "no single voice", "noisy"),
    "clipped": ("clipped",),
    "dropouts": ("gaps",),
    "env_sound": (
        "noisy",
        "no speech",
        "no single voice",
        "almost no speech",
        "music or other sounds",
    ),
    "low_snr": ("noisy", "no speech", "no single voice"),
    "mostly_silent": ("almost no speech",),
    "noise_coloured": ("no speech: noise", "noisy"),
    "silence_digital": ("silent", "no speech: noise"),
    "silence_room": ("too quiet", "silent", "almost no speech", "no speech: noise"),
    "tone_dtmf": ("no speech: tones", "no speech: music or tones"),
    "too_quiet": ("too quiet", "silent"),
    "truncated": ("cut off",),
    "wrong_speed": ("wrong speed",),
}


@cache
def verdicts() -> dict[str, list[Verdict]]:
    with (SHARED / "labels.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["split"] == "val"]
    X = np.stack([features_of(SHARED / r["path"], AudioLimits()) for r in rows])
    by_kind = defaultdict(list)
    for row, verdict in zip(rows, load_model().judge(X), strict=True):
        by_kind[row["kind"]].append(verdict)
    return by_kind


@pytest.mark.parametrize("kind", FITTING)
def test_the_first_reason_fits_the_kind(kind: str) -> None:
    firsts = [v.reasons[0] for v in verdicts()[kind] if v.is_anomaly]
    fitting = [reason for reason in firsts if reason.startswith(FITTING[kind])]
    assert firsts and len(fitting) >= 0.8 * len(firsts), firsts


def test_the_figures_of_the_issue_are_reached() -> None:
    scores = [(v.anomaly_score, k) for k, vs in verdicts().items() for v in vs]
    kinds = [kind for _, kind in scores]
    figures = figures_of(
        np.array([score for score, _ in scores]),
        kinds,
        np.array([kind != "normal" for kind in kinds]),
    )
    assert figures["mean"]["auc"] >= 0.995
    assert figures["mean"]["partial_auc"] >= 0.97
    assert figures["worst"]["auc"] >= 0.96


def test_three_to_seven_per_cent_of_other_speakers_are_flagged() -> None:
    flagged = [verdict.is_anomaly for verdict in verdicts()["normal"]]
    assert 0.03 <= np.mean(flagged) <= 0.07


def test_other_speakers_are_no_drift() -> None:
    drift = Drift(load_model().sample)
    drift.update(verdict.anomaly_score for verdict in verdicts()["normal"])
    assert not drift.verdict().drifted


def test_a_queue_of_anomalies_is_drift() -> None:
    drift = Drift(load_model().sample)
    drift.update(v.anomaly_score for k, vs in verdicts().items() for v in vs)
    assert drift.verdict().drifted
