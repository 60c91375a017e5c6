"""The command line: help with an example, one line for an error, three exit codes."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest

from tests import recordings

ROOT = Path(__file__).parents[2]
COMMANDS = [
    *("check", "console", "demo", "discover", "dlq", "evaluate", "quarantine", "queue"),
    *("reprocess", "results", "reviews", "score", "topology", "train", "worker"),
]
#: The commands of those that are groups.
INNER = [
    *("dlq list", "dlq redrive", "dlq show", "queue peek", "queue stats"),
    *("quarantine list", "quarantine redrive", "quarantine show", "reviews export"),
]
#: Libraries that take long to load, and that only a command's work needs.
HEAVY = {
    *("boto3", "botocore", "joblib", "numpy", "psycopg", "pymongo", "sklearn"),
    "streamlit",
}
#: What says that a look is not free.
LOOKS = [c for c in INNER if c not in ("queue stats", "reviews export")]


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "run_flow.py", *map(str, arguments)],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("command", COMMANDS + INNER)
def test_each_command_explains_itself_with_an_example(command: str) -> None:
    ended = run(*command.split(), "--help")
    assert ended.returncode == 0
    assert f"Example: python run_flow.py {command}" in " ".join(ended.stdout.split())
    assert ended.stderr == ""


@pytest.mark.parametrize("command", LOOKS)
def test_a_look_says_that_it_raises_the_receive_count(command: str) -> None:
    text = " ".join(run(*command.split(), "--help").stdout.split())
    assert "its receive count (ApproximateReceiveCount) rises by one" in text
    assert "given back at once at the end, also on Ctrl-C" in text


def test_the_help_lists_every_command() -> None:
    listed = run("--help").stdout
    assert all(f"\n  {command} " in listed for command in COMMANDS)


def test_the_help_loads_nothing_that_takes_long() -> None:
    loaded = run("--help", PYTHONPROFILEIMPORTTIME="1").stderr
    names = {line.rpartition("|")[2].strip() for line in loaded.splitlines()}
    assert "commands.app" in names
    assert names.isdisjoint(HEAVY), sorted(names & HEAVY)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_in_the_readme(command: str) -> None:
    assert f"run_flow.py {command}" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-command",),
        ("score",),
        ("score", "--no-such-option", "a"),
        ("worker", "--processes", "0"),
        ("worker", "--processes", "many"),
        ("train", "--output", "m.joblib"),
        ("train", "--output", "m", "--audio", ".", "--manifest", "a.csv"),
        ("train", "--output", "m", "--audio", ".", "--flag-rate", "2"),
        ("evaluate", "--labels", "a.csv"),
        ("discover", "--mode", "sometimes"),
        ("score", "--model", "none.joblib", "a.wav"),
        ("topology", "--flow", "another"),
        ("topology", "--format", "svg"),
        ("queue", "no-such-command"),
        ("queue", "peek", "--count", "101"),
        ("dlq", "show"),
        ("dlq", "redrive", "--rate", "0"),
        ("reprocess", "--test-date", "2026-02-23"),
        ("results", "--test-date", "2026-02-23", "--format", "parquet"),
    ],
)
def test_wrong_usage_ends_with_2_and_one_line(arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("earshot: ")


@pytest.mark.parametrize("arguments", [(), ("queue",)])
def test_a_missing_command_shows_the_help_and_ends_with_2(
    arguments: tuple[str, ...],
) -> None:
    ended = run(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "\nCommands:\n" in ended.stderr and "Example: " in ended.stderr


def test_a_folder_without_audio_is_an_error(tmp_path: Path) -> None:
    ended = run("score", tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"{tmp_path}: no audio files, expected" in ended.stderr


def test_files_and_folders_are_scored_one_json_line_each(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "tone.wav").write_bytes(recordings.tone(2))
    (tmp_path / "folder" / "notes.txt").write_text("not audio, and not asked for")
    (tmp_path / "silence.wav").write_bytes(recordings.silence(2))
    (tmp_path / "page.wav").write_bytes(b"<html>")
    ended = run("score", *sorted(tmp_path.iterdir()), tmp_path / "missing.wav")
    assert ended.returncode == 1
    lines = {
        Path(x["path"]).name: x
        for x in map(orjson.loads, ended.stdout.split("\n")[:-1])
    }
    assert set(lines) == {"tone.wav", "silence.wav", "page.wav", "missing.wav"}
    assert all(
        list(line)
        == [
            "path",
            "is_anomaly",
            "anomaly_score",
            "prediction_label",
            "reasons",
            "error",
        ]
        for line in lines.values()
    )
    for name in ("tone.wav", "silence.wav"):
        assert lines[name]["is_anomaly"] is True
        assert lines[name]["prediction_label"] == "anomaly"
        assert lines[name]["anomaly_score"] > 1
        assert lines[name]["reasons"] and lines[name]["error"] is None
    for name in ("page.wav", "missing.wav"):
        assert lines[name]["error"]
        assert lines[name]["is_anomaly"] is lines[name]["anomaly_score"] is None
        assert lines[name]["prediction_label"] is lines[name]["reasons"] is None


def test_a_score_without_errors_ends_with_0(tmp_path: Path) -> None:
    (tmp_path / "tone.wav").write_bytes(recordings.tone())
    ended = run("score", tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")


def noisy_hum(number: int) -> bytes:
    rng = np.random.default_rng(number)
    time = np.arange(24_000) / recordings.RATE
    hum = sum(np.sin(2 * np.pi * k * (110 + number) * time) / k for k in range(1, 9))
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * (3 + number / 20) * time)
    return recordings.wav(0.1 * hum * swell + 0.003 * rng.standard_normal(len(time)))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    for number in range(30):
        (folder / f"{number:02}.wav").write_bytes(noisy_hum(number))
    return folder


@pytest.fixture(scope="module")
def trained(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("model") / "own.joblib"
    ended = run(
        *("train", "--audio", archive, "--output", output),
        *("--name", "own", "--flag-rate", "0.1"),
    )
    assert ended.returncode == 0, ended.stderr
    told = orjson.loads(ended.stdout)
    assert (told["name"], told["recordings"], told["skipped"]) == ("own", 30, {})
    return output


def test_a_model_is_trained_with_its_card_and_used(
    trained: Path, archive: Path
) -> None:
    card = orjson.loads(trained.with_suffix(".json").read_bytes())
    assert card["name"] == "own"
    assert len(card["sha256"]) == 64
    ended = run("score", "--model", trained, archive)
    assert ended.returncode == 0
    assert len(ended.stdout.splitlines()) == 30
    assert ended.stdout == run("score", archive, MODEL_PATH=str(trained)).stdout


def test_a_model_is_trained_from_a_manifest(archive: Path, tmp_path: Path) -> None:
    manifest, output = tmp_path / "files.csv", tmp_path / "m.joblib"
    with manifest.open("w", newline="") as file:
        rows = csv.DictWriter(file, ["pupil", "path"])
        rows.writeheader()
        rows.writerows({"pupil": p.stem, "path": p} for p in sorted(archive.iterdir()))
    ended = run("train", "--manifest", manifest, "--output", output)
    assert ended.returncode == 0, ended.stderr
    assert orjson.loads(ended.stdout)["name"] == "earshot"


def test_a_model_is_evaluated_with_figures_per_kind_and_a_page(
    trained: Path, archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "tone.wav").write_bytes(recordings.tone(2))
    labels = tmp_path / "labels.csv"
    with labels.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "kind", "is_anomaly"])
        rows.writerows([p, "normal", 0] for p in sorted(archive.iterdir()))
        rows.writerow(["tone.wav", "tone", 1])
    output = tmp_path / "report"
    ended = run(
        *("evaluate", "--labels", labels, "--model", trained, "--output", output)
    )
    assert ended.returncode == 0, ended.stderr
    told = ended.stdout
    assert '"tone"' in told and "pooled" in told
    assert {path.suffix for path in output.iterdir()} >= {".png", ".html"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "--audio", "EMPTY", "--output", "m.joblib"), "recordings"),
        (("train", "--audio", "none", "--output", "m.joblib"), "none: no such folder"),
        (("train", "--manifest", "none.csv", "--output", "m.joblib"), "none.csv"),
        (("evaluate", "--labels", "none.csv", "--output", "o"), "none.csv"),
    ],
)
def test_what_is_not_there_ends_a_command_with_1_and_one_line(
    arguments: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    ended = run(*(str(tmp_path) if a == "EMPTY" else a for a in arguments))
    assert ended.returncode == 1, ended.stderr
    (line,) = [x for x in ended.stderr.splitlines() if x.startswith("earshot: ")]
    assert words in line
    assert "Traceback" not in ended.stderr


def test_debug_shows_where_an_error_came_from(tmp_path: Path) -> None:
    ended = run("evaluate", "--labels", "none.csv", "--output", tmp_path, "--debug")
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr
