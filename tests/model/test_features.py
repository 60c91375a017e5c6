"""Features: finite for everything, and librosa's where librosa defines them."""

import subprocess
import sys
from typing import Any

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from model.activity import find_activity
from model.features import FEATURE_NAMES, extract
from model.filters import CEPSTRA, cosine_weights, mel_weights
from model.percentiles import percentiles
from model.spectrum import analyse
from model.timbre import mel_decibels
from model.waveform import FloatArray
from tests.model.sounds import babbling

FRAMING: dict[str, Any] = {"n_fft": 512, "hop_length": 256}
Y = babbling(5.0)


def relative(ours: FloatArray, theirs: FloatArray) -> float:
    """Median relative difference."""
    return float(np.median(np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-9)))


def test_mel_bands_agree_with_librosa() -> None:
    expected = librosa.feature.melspectrogram(y=Y, sr=16_000, n_mels=40, **FRAMING)
    assert relative(analyse(Y).mel, expected.T) < 1e-4


def test_cepstra_agree_with_librosa() -> None:
    ours = mel_decibels(analyse(Y)) @ cosine_weights()
    expected = librosa.feature.mfcc(
        y=Y, sr=16_000, n_mfcc=CEPSTRA, n_mels=40, **FRAMING
    )
    assert relative(ours, expected.T) < 1e-4


def test_centroid_and_bandwidth_agree_with_librosa() -> None:
    spectrum = analyse(Y)
    centroid = librosa.feature.spectral_centroid(y=Y, sr=16_000, **FRAMING)[0]
    bandwidth = librosa.feature.spectral_bandwidth(y=Y, sr=16_000, **FRAMING)[0]
    assert relative(spectrum.centroid, centroid) < 1e-4
    assert relative(spectrum.bandwidth, bandwidth) < 1e-4


def test_flatness_agrees_with_librosa() -> None:
    expected = librosa.feature.spectral_flatness(y=Y, **FRAMING)[0]
    assert relative(analyse(Y).flatness, expected) < 1e-4


def test_filters_are_those_of_librosa() -> None:
    expected = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=40).T
    np.testing.assert_allclose(mel_weights(), expected, atol=1e-8)


def test_levels_are_relative_to_full_scale() -> None:
    loud = np.sign(np.sin(np.arange(16_000) * 0.3)).astype(np.float32)
    level = find_activity(analyse(loud)).level
    assert np.median(level) == pytest.approx(0.0, abs=0.2)


@pytest.mark.parametrize("hertz", [100.0, 150.0, 220.0, 330.0])
def test_the_pitch_of_a_voice_is_found(hertz: float) -> None:
    time = np.arange(16_000) / 16_000
    y = sum(np.sin(2 * np.pi * hertz * h * time) / h for h in range(1, 9))
    spectrum = analyse(np.asarray(y, np.float32))
    assert np.median(spectrum.pitch) == pytest.approx(hertz, rel=0.03)
    assert np.median(spectrum.voicing) > 0.95


def test_noise_is_not_voiced() -> None:
    noise = np.random.default_rng(0).normal(size=16_000).astype(np.float32)
    assert np.median(analyse(noise).voicing) < 0.5


def test_percentiles_are_those_of_numpy() -> None:
    at = (0, 5, 33.3, 50, 95, 100)
    np.testing.assert_allclose(percentiles(Y, at), np.percentile(Y, at), rtol=1e-6)


def test_names_are_distinct_and_as_many_as_values() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    assert extract(Y, 16_000).shape == (len(FEATURE_NAMES),)


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        np.float32,
        st.integers(1, 3000),
        elements=st.floats(-(2.0**100), 2.0**100, width=32),
    )
)
def test_features_of_any_finite_waveform_are_finite(y: FloatArray) -> None:
    assert np.isfinite(extract(y, 16_000)).all()


@pytest.mark.parametrize("level", [0.0, 1e-30, 1e-5, 1.0, 1e30])
@pytest.mark.parametrize("length", [1, 127, 128, 129, 256, 512, 16_000])
def test_features_of_a_constant_are_finite(length: int, level: float) -> None:
    assert np.isfinite(extract(np.full(length, level, np.float32), 16_000)).all()


def test_a_waveform_is_not_changed_by_looking_at_it() -> None:
    before = Y.copy()
    extract(Y, 16_000)
    np.testing.assert_array_equal(Y, before)


@pytest.mark.parametrize(
    ("y", "sr"), [(Y, 8_000), (Y[:0], 16_000), (Y[:, None], 16_000)]
)
def test_what_is_not_a_waveform_at_16_khz_is_refused(y: FloatArray, sr: int) -> None:
    with pytest.raises(ValueError, match="16000|dimension"):
        extract(y, sr)


def test_decoding_and_features_import_nothing_heavy() -> None:
    heavy = {"scipy", "sklearn", "librosa", "joblib", "matplotlib", "pandas", "av"}
    program = "import sys, model.audio, model.features; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not heavy & {name.split(".")[0] for name in loaded}
