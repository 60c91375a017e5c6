"""Reasons: what is said of a flagged recording."""

import numpy as np
import pytest

from model.features import measure
from model.reasons import explain
from model.spoiling import KINDS, spoil
from tests.model.sounds import babbling

FEATURES = measure(babbling(4.0))
FAR = dict.fromkeys(KINDS, -400.0)


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("too_short", "silent")])
def test_every_kind_of_spoiling_has_words(kind: str) -> None:
    voiced = {**FEATURES, "voicing_p90": 0.99, "level_middle_range_db": 25.0}
    reason = explain(voiced, FAR | {kind: -20.0})[0]
    assert len(reason) > 10 and "\n" not in reason


def test_no_sound_is_silent_whatever_it_is_like() -> None:
    silent = measure(np.zeros(64_000, np.float32))
    assert explain(silent, FAR | {"clipped": -1.0}) == (
        "silent: nothing above -100 dBFS",
    )


def test_a_constant_value_is_silent() -> None:
    constant = measure(np.full(64_000, 0.2, np.float32))
    assert explain(constant, FAR)[0] == "silent: nothing but a constant value"


def test_half_a_second_is_cut_off() -> None:
    assert explain(measure(babbling(0.5)), FAR)[0] == "cut off: only 0.5 s long"


def test_a_pure_tone_is_a_tone() -> None:
    tone = 0.3 * np.sin(np.arange(64_000) * 0.4).astype(np.float32)
    assert explain(measure(tone), FAR)[0] == "no speech: tones"


def test_noise_is_never_called_speech_of_the_wrong_speed() -> None:
    noise = np.random.default_rng(0).normal(size=64_000).astype(np.float32) * 0.1
    likeness = FAR | {"fast": -20.0, "noise_only": -90.0}
    assert explain(measure(noise), likeness)[0].startswith("no speech: noise only")


def test_what_is_far_from_all_spoiled_speech_is_not_called_speech() -> None:
    likeness = FAR | {"fast": -150.0, "bursts_only": -200.0}
    assert explain(FEATURES, likeness)[0].startswith("no speech: coughs")


def test_a_model_without_kinds_still_gives_a_reason() -> None:
    assert explain(FEATURES, {}) == ("unlike the recordings it was trained on",)


def test_a_second_reason_is_given_when_it_is_nearly_as_likely() -> None:
    faint = {**FEATURES, "rms_db": -50.0, "rolloff_99": 1500.0}
    reasons = explain(faint, FAR | {"quiet": -40.0, "muffled": -45.0})
    assert [reason.split(":")[0] for reason in reasons] == ["too quiet", "muffled"]


#: Kinds whose words state a number: one that makes them true, one that does not.
STATED = [
    ("quiet", "rms_db", -50.0, -20.0),
    ("muffled", "rolloff_99", 1500.0, 7000.0),
    ("noisy", "snr_db", 3.0, 38.0),
    ("gaps", "steepest_fall_db", 60.0, 9.0),
    ("mostly_silent", "active_share", 0.05, 0.6),
    ("cut_end", "last_db", -2.0, -60.0),
    ("cut_start", "first_db", -2.0, -60.0),
    ("clipped", "near_peak_share", -1.5, -4.5),
    ("clipped", "upper_share", -1.0, 0.0),
]


@pytest.mark.parametrize(("kind", "name", "true", "false"), STATED)
def test_words_that_their_own_number_contradicts_are_not_said(
    kind: str, name: str, true: float, false: float
) -> None:
    likeness = FAR | {kind: -20.0, "with_music": -30.0}
    voiced = {**FEATURES, "voicing_p90": 0.99, "level_middle_range_db": 25.0}
    voiced |= {"near_peak_share": -1.5, "upper_share": -1.0}
    said = [explain({**voiced, name: value}, likeness)[0] for value in (true, false)]
    assert not said[0].startswith("music")
    assert said[1].startswith("music")


@pytest.mark.parametrize("kind", KINDS)
def test_every_spoiling_gives_sound_within_full_scale_in_16_bit_steps(
    kind: str,
) -> None:
    for y in (babbling(2.0), np.zeros(500, np.float32), np.ones(1, np.float32)):
        spoiled = spoil(kind, y, babbling(1.0, seed=1), np.random.default_rng(0))
        assert len(spoiled) and np.abs(spoiled).max() <= 1
        assert spoiled.dtype == np.float32
        np.testing.assert_array_equal(spoiled * 2**15, np.rint(spoiled * 2**15))
