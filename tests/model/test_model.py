"""The model: what it says of recordings, and its artifact."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from model.detector import Model, ModelError, Verdict, load_model, save_model
from model.features import FEATURE_NAMES, extract
from model.training import Training, TrainingError, score_files, train
from model.waveform import FloatArray
from tests.model.sounds import babbling, encoded

VOICES = 40


@pytest.fixture(scope="session")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voices")
    for seed in range(VOICES):
        data = encoded(babbling(3.0, seed=seed), 16_000, "WAV")
        (folder / f"{seed:02}.wav").write_bytes(data)
    return folder


@pytest.fixture(scope="session")
def training(voices: Path) -> Training:
    return train(sorted(voices.iterdir()), name="trial", flag_rate=0.05)


@pytest.fixture(scope="session")
def model(training: Training) -> Model:
    return training.model


def test_training_uses_one_thread_and_gives_the_others_back(
    voices: Path,
) -> None:
    threads: list[int] = []

    def counted(paths: Iterable[Path]) -> Iterable[Path]:
        threads.extend(library["num_threads"] for library in threadpool_info())
        return paths

    before = [library["num_threads"] for library in threadpool_info()]
    train(sorted(voices.iterdir())[:20], progress=counted)
    assert set(threads) == {1}
    assert [library["num_threads"] for library in threadpool_info()] == before


@pytest.fixture
def artifact(model: Model, tmp_path: Path) -> Path:
    path = tmp_path / "model.joblib"
    save_model(model, path)
    return path


@cache
def row(seed: int) -> FloatArray:
    return extract(babbling(3.0, seed=seed), 16_000)


def judged(model: Model, *waveforms: FloatArray) -> list[Verdict]:
    return model.judge(np.stack([extract(y, 16_000) for y in waveforms]))


def test_an_anomaly_has_reasons_and_a_normal_recording_none(model: Model) -> None:
    silence, voice = judged(model, np.zeros(48_000, np.float32), babbling(3.0, seed=3))
    assert silence.is_anomaly and silence.prediction_label == "anomaly"
    assert silence.reasons == ("silent: nothing above -100 dBFS",)
    assert silence.anomaly_score > model.threshold >= voice.anomaly_score
    assert voice == Verdict(False, voice.anomaly_score, "normal", ())


def test_nothing_to_judge_gives_no_verdict(model: Model) -> None:
    assert model.judge(np.empty((0, len(FEATURE_NAMES)), np.float32)) == []


def test_a_verdict_does_not_depend_on_its_neighbours(model: Model) -> None:
    rows = np.stack([row(seed) for seed in range(100, 110)])
    together = [v.anomaly_score for v in model.judge(rows)]
    alone = [model.judge(r[None])[0].anomaly_score for r in rows]
    np.testing.assert_allclose(together, alone, rtol=1e-9)


def test_an_artifact_reads_back_as_it_was(model: Model, artifact: Path) -> None:
    loaded = load_model(artifact)
    assert (loaded.name, loaded.version) == (model.name, model.version)
    rows = np.stack([row(seed) for seed in range(5)])
    assert loaded.judge(rows) == model.judge(rows)
    np.testing.assert_array_equal(loaded.sample, model.sample)


def test_the_card_beside_the_artifact_says_what_it_is(artifact: Path) -> None:
    card = json.loads(artifact.with_suffix(".json").read_text())
    assert card["name"] == "trial"
    assert card["recordings"] == VOICES
    assert {"python", "numpy", "scipy", "scikit-learn"} <= set(card["versions"])
    assert len(card["sha256"]) == 64


def test_an_artifact_changed_by_one_bit_is_not_loaded(artifact: Path) -> None:
    data = bytearray(artifact.read_bytes())
    data[len(data) // 2] ^= 1
    artifact.write_bytes(data)
    with pytest.raises(ModelError, match="SHA-256"):
        load_model(artifact)


def test_a_planted_pickle_is_never_unpickled(artifact: Path, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    pickle = f"cpathlib\nPath.touch\n(cpathlib\nPath\n(V{touched}\ntRtR."
    artifact.write_bytes(pickle.encode())
    with pytest.raises(ModelError):
        load_model(artifact)
    assert not touched.exists()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("versions", {"scikit-learn": "0.1"}, "trained with scikit-learn 0.1"),
        ("versions", None, "scikit-learn of an unknown version"),
        ("feature_names", ["loudness"], "other features"),
        ("sha256", None, "SHA-256"),
    ],
)
def test_a_card_that_does_not_match_is_refused(
    artifact: Path, key: str, value: object, message: str
) -> None:
    path = artifact.with_suffix(".json")
    card = json.loads(path.read_text()) | {key: value}
    path.write_text(json.dumps(card))
    with pytest.raises(ModelError, match=message):
        load_model(artifact)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff"])
def test_a_card_that_is_no_json_object_is_refused(artifact: Path, text: str) -> None:
    artifact.with_suffix(".json").write_text(text, encoding="latin-1")
    with pytest.raises(ModelError, match="JSON"):
        load_model(artifact)


@pytest.mark.parametrize("suffix", [".joblib", ".json"])
def test_a_missing_file_is_named(artifact: Path, suffix: str) -> None:
    path = artifact.with_suffix(suffix)
    path.unlink()
    with pytest.raises(ModelError, match=f"model{suffix}: No such file"):
        load_model(artifact)


def test_the_shipped_model_is_small_and_loads() -> None:
    shipped = load_model()
    path = Path(__file__).parents[2] / "model" / "artifacts" / "earshot.joblib"
    assert path.stat().st_size < 500_000
    assert shipped.name == "earshot"
    assert judged(shipped, np.zeros(48_000, np.float32))[0].is_anomaly


def test_training_in_another_order_gives_the_same_version(
    voices: Path, model: Model
) -> None:
    again = train(sorted(voices.iterdir(), reverse=True), name="trial").model
    assert again.version == model.version
    assert model.version.startswith(f"{VOICES}-")


def test_the_asked_share_of_the_training_recordings_is_flagged(
    training: Training,
) -> None:
    assert training.used == VOICES
    assert training.flagged == pytest.approx(0.05 * VOICES, abs=1)


def test_files_that_cannot_be_used_are_skipped_and_named(
    voices: Path, tmp_path: Path
) -> None:
    bad, gone = tmp_path / "bad.wav", tmp_path / "gone.wav"
    bad.write_bytes(b"<html>")
    seen: list[Path] = []

    def progress(paths):  # type: ignore[no-untyped-def]
        for path in paths:
            seen.append(path)
            yield path

    paths = [*sorted(voices.iterdir())[:20], bad, gone]
    result = train(paths, progress=progress)
    assert set(result.skipped) == {bad, gone}
    assert result.skipped[bad] == "not audio: the file is an HTML page"
    assert set(seen) == set(paths)


def test_too_few_recordings_are_refused(voices: Path) -> None:
    with pytest.raises(TrainingError, match="3 recordings can be used, 20 are needed"):
        train(sorted(voices.iterdir())[:3])


def test_files_and_folders_are_scored_and_errors_are_entries(
    voices: Path, model: Model, tmp_path: Path
) -> None:
    folder = tmp_path / "class" / "b"
    folder.mkdir(parents=True)
    shutil.copy(voices / "00.wav", folder / "voice.WAV")
    (tmp_path / "class" / "a.mp3").write_bytes(b"")
    (tmp_path / "class" / "notes.txt").write_text("not looked at")
    lines = list(score_files([tmp_path / "class", tmp_path / "gone.wav"], model))
    assert [Path(line["path"]).name for line in lines] == [
        "a.mp3",
        "voice.WAV",
        "gone.wav",
    ]
    assert lines[0]["error"] == "empty: the file has no bytes"
    assert lines[1]["error"] is None and lines[1]["prediction_label"] == "normal"
    assert lines[2]["error"] == "No such file or directory"
    assert lines[2]["anomaly_score"] is None
    assert all(set(line) == set(lines[0]) for line in lines)


def test_a_model_of_another_name_keeps_its_judgement(model: Model) -> None:
    renamed = replace(model, name="other")
    assert renamed.judge(row(1)[None]) == model.judge(row(1)[None])
