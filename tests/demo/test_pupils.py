"""The demo's recordings are of known kinds, and the shipped model tells them apart."""

from __future__ import annotations

import io
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import soundfile

from demo.phone import SAMPLE_RATE, Samples
from demo.pupils import Recording, recordings
from demo.spoiling import SPOILING
from model.audio import decode
from model.detector import load_model
from model.features import extract


@pytest.fixture(scope="module")
def spoken() -> list[Recording]:
    return list(recordings(50))


def samples(recording: Recording) -> Samples:
    y, rate = soundfile.read(io.BytesIO(recording.audio), dtype="float32")
    assert rate == SAMPLE_RATE
    return np.asarray(y)


def test_one_recording_in_five_is_spoiled_each_kind_alike(
    spoken: list[Recording],
) -> None:
    kinds = Counter(recording.kind for recording in spoken)
    assert kinds == {"normal": 40, **dict.fromkeys(SPOILING, 2)}


def test_both_languages_are_read_by_different_pupils(spoken: list[Recording]) -> None:
    subjects = Counter(recording.subject_name for recording in spoken)
    assert subjects == {"Hindi": 25, "English": 25}
    assert len({recording.student_id for recording in spoken}) == 50
    assert all(len(recording.udise) == 11 for recording in spoken)


@pytest.mark.parametrize(
    ("suffix", "begins"),
    [("wav", b"RIFF"), ("flac", b"fLaC"), ("ogg", b"OggS"), ("mp3", b"\xff")],
)
def test_a_file_is_what_its_suffix_says(
    spoken: list[Recording], suffix: str, begins: bytes
) -> None:
    found = [recording for recording in spoken if recording.suffix == suffix]
    assert found
    assert all(recording.audio.startswith(begins) for recording in found)


def test_recordings_last_some_seconds(spoken: list[Recording]) -> None:
    for recording in spoken:
        assert 3 < samples(recording).size / SAMPLE_RATE < 20


def test_the_same_seed_gives_the_same_recordings_in_another_process() -> None:
    assert spoken_by_a_process(seed=3) == spoken_by_a_process(seed=3)
    assert spoken_by_a_process(seed=3) != spoken_by_a_process(seed=4)


def spoken_by_a_process(seed: int) -> str:
    """Return what tells recordings apart; an ogg file has a random serial number."""
    program = (
        "import hashlib; from demo.pupils import recordings\n"
        f"for r in recordings(9, {seed}):\n"
        "    if r.suffix != 'ogg': print(hashlib.sha256(r.audio).hexdigest())"
    )
    return subprocess.check_output([sys.executable, "-c", program], text=True)


def test_the_shipped_model_flags_what_is_spoiled_and_little_else(
    spoken: list[Recording],
) -> None:
    X = np.array([extract(*_decoded(recording)) for recording in spoken])
    flagged = Counter(
        recording.kind
        for recording, verdict in zip(spoken, load_model().judge(X), strict=True)
        if verdict.is_anomaly
    )
    assert flagged.pop("normal", 0) <= 2
    assert flagged == dict.fromkeys(SPOILING, 2)


def _decoded(recording: Recording) -> tuple[Samples, int]:
    y, info = decode(recording.audio)
    return y, info.sample_rate
