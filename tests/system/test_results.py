"""``run_flow.py results``: what was found, in each format, page by page."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from pymongo import MongoClient
from pymongo.collection import Collection

from connectors.mongo_results import ResultPages, Wanted
from flows.steering.results import COLUMNS
from tests.system.pipeline import ROOT, Pipeline

AT = datetime(2026, 2, 23, 9, 30, tzinfo=UTC)
URL = "https://audio/1.wav?X-Amz-Signature=secret-word&part=1"


def result(key: str, **changed: Any) -> dict[str, Any]:
    return {
        "_id": key,
        "source_collection": "public.records",
        "mongo_doc_id": None,
        "source_record_id": "1",
        "test_date": "2026-02-23",
        "record_type": "teacher_record",
        "subject_name": "हिन्दी",
        "audio_s3_url": URL,
        "student_id": "9",
        "udise": "27251600101",
        "trace_id": "0" * 32,
        "discovered_at": "2026-02-23T09:00:00Z",
        "dedupe_key": json.dumps(["public.records", URL]),
        "processing_status": "completed",
        "is_anomaly": False,
        "anomaly_score": 0.25,
        "prediction_label": "normal",
        "model_name": "earshot",
        "model_version": "1.2",
        "features": {"rms": 0.5},
        "reasons": [],
        "audio": {"duration_seconds": 2.5},
        "processed_at": AT,
        **changed,
    }


FLAGGED = {
    "is_anomaly": True,
    "anomaly_score": 2.5,
    "prediction_label": "anomaly",
    "reasons": ["silent: nothing above -83 dBFS", "no speech (noise)"],
}


@pytest.fixture
def stored(pipeline: Pipeline) -> Iterator[Collection[dict[str, Any]]]:
    client: MongoClient[dict[str, Any]]
    with MongoClient(pipeline.mongo_uri, tz_aware=True) as client:
        yield client[pipeline.database]["anomaly_detection_results"]


@pytest.fixture
def given(
    pipeline: Pipeline, stored: Collection[dict[str, Any]]
) -> list[dict[str, Any]]:
    documents = [
        result("a", subject_name="\x1b[31mred\u202e"),
        result("b", **FLAGGED),
        result("c", **FLAGGED, udise="other", student_id="=1+1"),
        result("d", **{**FLAGGED, "reasons": ["clipped: 61.3 %"]}),
        result("e", test_date="2026-02-24", **FLAGGED),
    ]
    stored.insert_many(documents)
    return documents


def out(pipeline: Pipeline, *arguments: str, code: int = 0) -> str:
    date = ("--test-date", "2026-02-23")
    process = pipeline.run("run_flow.py", "results", *date, *arguments)
    assert process.exit_code == code, process.stderr
    assert "secret-word" not in process.stdout + process.stderr
    assert not set("\x1b\u202e") & set(process.stdout)
    return process.stdout


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        ((), "abcd"),
        (("--flagged",), "bcd"),
        (("--reason", "SILENT: nothing"), "bc"),
        (("--reason", "speech (n"), "bc"),
        (("--reason", ".*"), ""),
        (("--school", "other"), "c"),
        (("--flagged", "--school", "27251600101", "--reason", "clipped"), "d"),
    ],
)
@pytest.mark.usefixtures("given")
def test_results_are_chosen(
    pipeline: Pipeline, arguments: tuple[str, ...], keys: str
) -> None:
    found = json.loads(out(pipeline, *arguments, "--format", "json"))
    assert "".join(one["_id"] for one in found) == keys


def test_json_has_the_whole_results(
    pipeline: Pipeline,
    given: list[dict[str, Any]],
    stored: Collection[dict[str, Any]],
) -> None:
    stored.update_one({"_id": "b"}, {"$set": {"history": [{"processed_at": AT}]}})
    found = json.loads(out(pipeline, "--format", "json"))
    time, masked = "2026-02-23T09:30:00Z", URL.replace("secret-word", "***")
    own = {
        "processed_at": time,
        "audio_s3_url": masked,
        "dedupe_key": json.dumps(["public.records", masked]),
    }
    assert found[0] == {**given[0], **own}
    assert found[1] == {**given[1], **own, "history": [{"processed_at": time}]}


@pytest.mark.usefixtures("given")
def test_csv_has_the_columns_and_runs_in_no_spreadsheet(pipeline: Pipeline) -> None:
    rows = list(csv.DictReader(io.StringIO(out(pipeline, "--format", "csv"))))
    assert tuple(rows[0]) == COLUMNS
    assert [row["result_document_id"] for row in rows] == ["a", "b", "c", "d"]
    assert rows[0]["subject_name"] == "?[31mred?"
    assert rows[1]["reasons"] == "silent: nothing above -83 dBFS; no speech (noise)"
    assert rows[1]["is_anomaly"] == "true"
    assert rows[1]["anomaly_score"] == "2.5"
    assert rows[1]["duration_seconds"] == "2.5"
    assert rows[1]["processed_at"] == "2026-02-23T09:30:00Z"
    assert rows[2]["student_id"] == "'=1+1"


@pytest.mark.usefixtures("given")
def test_a_table_has_a_line_each(pipeline: Pipeline) -> None:
    shown = out(pipeline, "--flagged")
    assert "3 results of 2026-02-23" in shown
    assert shown.count("clipped: 61.3 %") == 1
    assert "https://audio/1.wav?X-Amz-Signature=***&part=1" in shown


@pytest.mark.usefixtures("given")
def test_parquet_has_types(pipeline: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.parquet"
    assert out(pipeline, "--format", "parquet", "--output", str(path)) == ""
    table = parquet.read_table(path)
    assert tuple(table.column_names) == COLUMNS
    rows = table.to_pylist()
    assert [row["result_document_id"] for row in rows] == ["a", "b", "c", "d"]
    assert rows[1]["reasons"] == FLAGGED["reasons"]
    assert rows[1]["is_anomaly"] is True
    assert rows[1]["anomaly_score"] == 2.5
    assert rows[1]["processed_at"] == AT
    assert "secret-word" not in rows[1]["audio_s3_url"]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.usefixtures("given")
def test_without_pyarrow_one_line_says_what_is_missing(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    (tmp_path / "pyarrow.py").write_text("raise ModuleNotFoundError('no pyarrow')")
    path = tmp_path / "results.parquet"
    process = pipeline.run(
        *("run_flow.py", "results", "--test-date", "2026-02-23"),
        *("--format", "parquet", "--output", str(path)),
        PYTHONPATH=str(tmp_path),
    )
    assert process.exit_code == 1
    (line,) = process.stderr.splitlines()
    assert "expected pyarrow: pip install '.[parquet]'" in line
    assert not path.exists()


@pytest.mark.parametrize("format", ["csv", "json"])
def test_a_date_without_results_is_an_empty_file(
    pipeline: Pipeline, tmp_path: Path, format: str
) -> None:
    path = tmp_path / "results"
    out(pipeline, "--format", format, "--output", str(path))
    empty = {"csv": ",".join(COLUMNS) + "\n", "json": "[\n]\n"}
    assert path.read_text() == empty[format]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--format", "parquet"),
        ("--output", "results.txt"),
        ("--format", "xml"),
        ("--test-date", "yesterday"),
    ],
)
def test_what_cannot_be_meant_ends_with_2(
    pipeline: Pipeline, arguments: tuple[str, ...]
) -> None:
    assert out(pipeline, *arguments, code=2) == ""


def test_a_mongo_that_goes_away_leaves_no_file(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    path = tmp_path / "results.csv"
    process = pipeline.run(
        *("run_flow.py", "results", "--test-date", "2026-02-23"),
        *("--format", "csv", "--output", str(path)),
        MONGO_URI="mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200",
    )
    assert process.exit_code == 1
    assert process.stderr.startswith("earshot: mongo is unavailable")
    assert not list(tmp_path.glob("results.csv*"))


@pytest.mark.usefixtures("given")
def test_who_reads_only_the_beginning_ends_it_without_a_word(
    pipeline: Pipeline, stored: Collection[dict[str, Any]]
) -> None:
    stored.insert_many([result(f"x{n:05}") for n in range(3000)])
    command = "run_flow.py results --test-date 2026-02-23 --format json"
    process = subprocess.run(
        ["sh", "-c", f"{sys.executable} {command} | head -2"],
        env=pipeline.settings(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert len(process.stdout.splitlines()) == 2
    assert process.stderr == ""


def test_pages_give_each_result_once(
    pipeline: Pipeline, stored: Collection[dict[str, Any]]
) -> None:
    stored.insert_many([result(f"{n:03}") for n in range(25)])
    pages = list(ResultPages(stored).pages(Wanted("2026-02-23"), size=10))
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [one["_id"] for page in pages for one in page] == [
        f"{n:03}" for n in range(25)
    ]
