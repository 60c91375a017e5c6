"""Evaluation on labelled recordings; manifests."""

from pathlib import Path

import numpy as np
import pytest

from model.evaluation import EvaluationError, evaluate
from model.figures import figures_of
from model.recordings import ManifestError, audio_files, read_manifest
from model.training import train
from tests.model.sounds import babbling, encoded


def labelled(folder: Path) -> Path:
    rows = ["path,kind,is_anomaly"]
    for seed in range(30):
        (folder / f"{seed}.wav").write_bytes(
            encoded(babbling(2.5, seed=seed), 16_000, "WAV")
        )
        rows.append(f"{seed}.wav,normal,0")
    for kind, level in (("silence", 0.0), ("<b>noise</b>", 0.3)):
        noise = np.random.default_rng(0).normal(size=40_000) * level
        name = f"{len(rows)}.wav"
        (folder / name).write_bytes(encoded(noise.clip(-1, 1), 16_000, "WAV"))
        rows.append(f"{name},{kind},true")
    (folder / "bad.wav").write_bytes(b"{}")
    rows.append("bad.wav,silence,1")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder / "labels.csv"


def test_an_evaluation_gives_figures_plots_and_an_escaped_page(tmp_path: Path) -> None:
    labels = labelled(tmp_path)
    voices = [tmp_path / f"{seed}.wav" for seed in range(30)]
    output = tmp_path / "out"
    figures = evaluate(labels, train(voices).model, output)
    assert set(figures["kinds"]) == {"silence", "<b>noise</b>"}
    assert figures["mean"]["auc"] == 1.0
    assert figures["pooled"]["count"] == 2
    assert list(figures["skipped"]) == [str(tmp_path / "bad.wav")]
    page = (output / "index.html").read_text()
    assert "&lt;b&gt;noise&lt;/b&gt;" in page and "<b>noise" not in page
    for picture in ("roc.png", "scores.png"):
        assert (output / picture).read_bytes().startswith(b"\x89PNG")


def test_figures_are_those_of_their_definitions() -> None:
    scores = np.array([0.0, 1.0, 2.0, 3.0, 2.5, 9.0])
    anomalous = np.array([False] * 4 + [True] * 2)
    figures = figures_of(scores, ["normal"] * 4 + ["a", "b"], anomalous)
    assert figures["kinds"]["a"]["auc"] == 0.75
    assert figures["kinds"]["b"]["auc"] == 1.0
    assert figures["pooled"]["recall_at_fpr_0.05"] == 0.5
    assert figures["worst"] == {"kind": "a", "auc": 0.75}
    assert figures["mean"]["auc"] == 0.875


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,kind\na,b\n", "the column 'is_anomaly' is missing"),
        ("path,kind,is_anomaly\n", "no rows"),
        ("", "the column 'path' is missing"),
    ],
)
def test_a_csv_without_what_it_needs_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(text)
    with pytest.raises(ManifestError, match=message):
        evaluate(labels, None, tmp_path)  # type: ignore[arg-type]


@pytest.mark.parametrize("label", ["", "2", "maybe"])
def test_a_label_that_is_neither_true_nor_false_is_refused(
    tmp_path: Path, label: str
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(f"path,kind,is_anomaly\na.wav,normal,{label}\n")
    with pytest.raises(EvaluationError, match="is_anomaly must be 0 or 1"):
        evaluate(labels, None, tmp_path)  # type: ignore[arg-type]


def test_labels_without_anomalies_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(encoded(babbling(1.0), 16_000, "WAV"))
    labels = tmp_path / "labels.csv"
    labels.write_text("path,kind,is_anomaly\na.wav,normal,0\n")
    with pytest.raises(EvaluationError, match="needs normal and anomalous"):
        evaluate(labels, None, tmp_path)  # type: ignore[arg-type]


def test_a_manifest_is_relative_to_its_own_folder(tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text("\ufeffpath,pupil\na.wav,1\n/b/c.mp3,2\n", encoding="utf-8")
    assert read_manifest(manifest) == [tmp_path / "a.wav", Path("/b/c.mp3")]


def test_a_manifest_that_is_missing_or_binary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        read_manifest(tmp_path / "gone.csv")
    (tmp_path / "binary.csv").write_bytes(b"path\n\xff\xfe\n")
    with pytest.raises(ManifestError, match="not a CSV in UTF-8"):
        read_manifest(tmp_path / "binary.csv")


def test_audio_files_are_found_in_every_folder_in_order(tmp_path: Path) -> None:
    for name in ("b.mp3", "a/z.WAV", "a/readme.txt", "c.amr"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [str(path.relative_to(tmp_path)) for path in audio_files(tmp_path)]
    assert found == ["a/z.WAV", "b.mp3", "c.amr"]
