"""Reviews become labels for ``evaluate`` and a manifest for ``train``."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from pymongo.collection import Collection

from connectors.mongo_reviews import Review, Reviews, Verdict
from model.recordings import read_manifest
from tests import recordings
from tests.audio_host import AudioHost, Response
from tests.console.results import SECRET, key, normal, result
from tests.system.pipeline import Pipeline


@pytest.fixture
def reviewed(
    audio_host: AudioHost, stored: Collection[dict[str, Any]], reviews: Reviews
) -> None:
    said: dict[str, Verdict] = {
        "silent": "confirmed",
        "clipped": "confirmed",
        "fine": "false_alarm",
        "odd": "unsure",
        "gone": "confirmed",
    }
    for name, verdict in said.items():
        path = f"/{name}.wav?X-Amz-Signature={SECRET}"
        url = audio_host.url(path)
        if name != "gone":
            url = audio_host.serve(path, Response(recordings.tone(2)))
        reasons = [f"{name}: nothing above -83 dBFS"]
        document = result(name, audio_s3_url=url, reasons=reasons)
        stored.insert_one(document)
        reviews.add(Review.of(document, "unsure", "asha"))
        reviews.add(Review.of(document, verdict, "asha"))
    for name in ("plain", "doubtful"):
        url = audio_host.serve(f"/{name}.wav", Response(recordings.tone(2)))
        stored.insert_one(normal(name, audio_s3_url=url))
    reviews.add(Review.of(normal("doubtful"), "confirmed", "asha"))


def export(pipeline: Pipeline, *arguments: str, code: int = 0) -> dict[str, Any]:
    process = pipeline.run("run_flow.py", "reviews", "export", *arguments)
    assert process.exit_code == code, process.stderr
    assert SECRET not in process.stdout + process.stderr
    told: dict[str, Any] = json.loads(process.stdout)
    return told


@pytest.mark.usefixtures("reviewed")
def test_labels_are_what_evaluate_takes(pipeline: Pipeline, tmp_path: Path) -> None:
    labels, audio = tmp_path / "out" / "labels.csv", tmp_path / "audio"
    told = export(*(pipeline, "--labels", str(labels), "--audio", str(audio)), code=1)
    assert (told["written"], told["anomalous"], told["normal"]) == (4, 3, 1)
    assert list(told["missing"]) == [key("gone")]
    with labels.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "kind", "is_anomaly"]
    kinds = {Path(row["path"]).stem: (row["kind"], row["is_anomaly"]) for row in rows}
    assert kinds == {
        key("silent"): ("silent", "1"),
        key("clipped"): ("clipped", "1"),
        key("fine"): ("normal", "0"),
        key("doubtful"): ("anomaly", "1"),
    }
    report = tmp_path / "report"
    evaluated = pipeline.run(
        *("run_flow.py", "evaluate", "--labels", str(labels), "--output", str(report))
    )
    assert evaluated.exit_code == 0, evaluated.stderr
    figures = json.loads(evaluated.stdout)
    assert figures["skipped"] == {}
    assert (report / "index.html").exists()


@pytest.mark.usefixtures("reviewed")
def test_false_alarms_are_normal_for_train(pipeline: Pipeline, tmp_path: Path) -> None:
    manifest, audio = tmp_path / "normal.csv", tmp_path / "audio"
    told = export(pipeline, "--manifest", str(manifest), "--audio", str(audio))
    assert (told["written"], told["missing"]) == (1, {})
    (path,) = read_manifest(manifest)
    assert path.stem == key("fine")
    assert path.read_bytes() == recordings.tone(2)


@pytest.mark.usefixtures("reviewed")
def test_more_normal_recordings_are_added_but_none_that_was_confirmed(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    manifest = tmp_path / "normal.csv"
    options = ("--manifest", str(manifest), "--normals", "10")
    export(pipeline, *options, "--audio", str(tmp_path / "audio"))
    found = {path.stem for path in read_manifest(manifest)}
    assert found == {key("fine"), key("plain")}


@pytest.mark.usefixtures("reviewed")
def test_what_is_there_is_not_fetched_again(
    pipeline: Pipeline, audio_host: AudioHost, tmp_path: Path
) -> None:
    for _ in range(2):
        export(
            *(pipeline, "--labels", str(tmp_path / "labels.csv")),
            *("--audio", str(tmp_path / "audio")),
            code=1,
        )
    assert audio_host.requests(f"/fine.wav?X-Amz-Signature={SECRET}") == 1
    assert not list((tmp_path / "audio").glob("*.part"))


def test_a_hostile_result_names_no_file_and_runs_in_no_spreadsheet(
    pipeline: Pipeline,
    audio_host: AudioHost,
    stored: Collection[dict[str, Any]],
    reviews: Reviews,
    tmp_path: Path,
) -> None:
    url = audio_host.serve("/a.wav", Response(recordings.tone(2)))
    document = result("a", audio_s3_url=url, reasons=["=1+1\n,x: y"])
    document["_id"] = "../../escaped"
    stored.insert_one(document)
    reviews.add(Review.of(document, "confirmed", "asha"))
    audio = tmp_path / "in" / "audio"
    export(
        *(pipeline, "--labels", str(tmp_path / "in" / "labels.csv")),
        *("--audio", str(audio)),
    )
    with (tmp_path / "in" / "labels.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["kind"] == "'=1+1 ,x"
    assert [path.parent for path in tmp_path.rglob("*.audio")] == [audio]


@pytest.mark.usefixtures("reviewed")
def test_the_hosts_of_the_worker_are_those_of_the_export(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    process = pipeline.run(
        *("run_flow.py", "reviews", "export", "--manifest", str(tmp_path / "m.csv")),
        *("--audio", str(tmp_path / "audio")),
        AUDIO_ALLOWED_HOSTS="",
    )
    assert process.exit_code == 1
    assert "not an allowed host" in process.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--audio", "x"),
        ("--audio", "x", "--labels", "l.csv", "--manifest", "m.csv"),
        ("--audio", "x", "--labels", "l.csv", "--normals", "5"),
        ("--labels", "l.csv"),
    ],
)
def test_what_cannot_be_meant_ends_with_2(
    pipeline: Pipeline, arguments: tuple[str, ...]
) -> None:
    process = pipeline.run("run_flow.py", "reviews", "export", *arguments)
    assert (process.exit_code, process.stdout) == (2, "")
    assert len(process.stderr.splitlines()) == 1
