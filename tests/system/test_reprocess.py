"""``run_flow.py reprocess``: a new result in place of an older model's, once."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from pymongo import MongoClient

from model.artifact import load_model
from tests import recordings
from tests.audio_host import AudioHost, Response
from tests.system.pipeline import Pipeline

OLD = {"model_version": "0.1", "anomaly_score": 0.125, "is_anomaly": False}


def judged(pipeline: Pipeline, audio_host: AudioHost, count: int = 1) -> None:
    """Have records judged, and let it look as if an old model had done so."""
    for number in range(count):
        url = audio_host.serve(f"/{number}.wav", Response(recordings.tone()))
        pipeline.add(url)
    assert pipeline.run().exit_code == 0
    client: MongoClient[dict[str, Any]]
    with MongoClient(pipeline.mongo_uri) as client:
        results: Any = client[pipeline.database]["anomaly_detection_results"]
        old = {**OLD, "reasons": ["as it was heard then"]}
        assert results.update_many({}, {"$set": old}).matched_count == count


def reprocess(
    pipeline: Pipeline, *arguments: str, code: int = 0, **more: str
) -> dict[str, Any]:
    process = pipeline.run(
        *("run_flow.py", "reprocess", "--test-date", "2026-02-23"), *arguments, **more
    )
    assert process.exit_code == code, process.stderr
    told: dict[str, Any] = json.loads(process.stdout)
    return told


@pytest.fixture(scope="module")
def version() -> str:
    return load_model().version


def test_a_new_result_takes_the_place_of_the_old_one_and_keeps_its_score(
    pipeline: Pipeline, audio_host: AudioHost, version: str
) -> None:
    judged(pipeline, audio_host)
    (before,) = pipeline.results()
    told = reprocess(pipeline, "--model-below", version)
    assert told == {"scanned": 1, "current": 0, "sent": 1, "failed": 0}
    assert pipeline.results() == [before]

    assert pipeline.run().exit_code == 0

    (after,) = pipeline.results()
    assert after["_id"] == before["_id"]
    assert after["model_version"] == version
    assert after["is_anomaly"] is True
    names = ("source_record_id", "audio_s3_url", "trace_id", "dedupe_key", "udise")
    assert [after[name] for name in names] == [before[name] for name in names]
    assert set(after) == {*before, "history"}
    (old,) = after["history"]
    assert {name: old[name] for name in OLD} == OLD
    assert old["reasons"] == ["as it was heard then"]
    assert old["processed_at"] == before["processed_at"]
    assert pipeline.left() == 0
    assert [row["processing_status"] for row in pipeline.rows()] == ["completed"] * 2

    told = reprocess(pipeline, "--model-below", version)
    assert told == {"scanned": 1, "current": 1, "sent": 0, "failed": 0}


def test_a_message_that_comes_again_finds_the_new_result(
    pipeline: Pipeline, audio_host: AudioHost, version: str
) -> None:
    judged(pipeline, audio_host)
    for _ in range(3):
        assert reprocess(pipeline, "--model-below", version)["sent"] == 1
    assert pipeline.run().exit_code == 0
    (result,) = pipeline.results()
    assert len(result["history"]) == 1
    assert audio_host.requests("/0.wav") == 2
    statuses = sorted(row["processing_status"] for row in pipeline.rows())
    assert statuses == [
        "completed",
        "completed",
        "skipped_existing",
        "skipped_existing",
    ]
    reprocessed_again = {
        "reprocess_below": {"DataType": "String", "StringValue": version}
    }
    pipeline.sqs.send_message(
        QueueUrl=pipeline.queue_url,
        MessageBody=orjson.dumps(pipeline.sent[0]).decode(),
        MessageAttributes=reprocessed_again,
    )
    assert pipeline.run().exit_code == 0
    assert pipeline.results() == [result]


def test_without_the_mark_an_older_models_result_is_good_enough(
    pipeline: Pipeline, audio_host: AudioHost, version: str
) -> None:
    judged(pipeline, audio_host)
    (before,) = pipeline.results()
    pipeline.send(pipeline.sent[0])
    assert pipeline.run().exit_code == 0
    assert pipeline.results() == [before]
    # Beside one that has it, it ends as it should, and the other does its work.
    pipeline.send(pipeline.sent[0])
    assert reprocess(pipeline, "--model-below", version)["sent"] == 1
    pipeline.send(pipeline.sent[0])
    assert pipeline.run().exit_code == 0
    (after,) = pipeline.results()
    assert after["model_version"] == version
    assert len(after["history"]) == 1
    assert pipeline.left() == 0


def test_a_dry_run_counts_and_sends_nothing(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    judged(pipeline, audio_host, 2)
    told = reprocess(pipeline, "--model-below", "0.2", "--dry-run")
    assert told == {"scanned": 2, "current": 0, "would_send": 2, "failed": 0}
    assert reprocess(pipeline, "--model-below", "0.1")["current"] == 2
    assert pipeline.left() == 0


def test_a_record_that_fails_keeps_its_old_result(
    pipeline: Pipeline, audio_host: AudioHost, version: str
) -> None:
    judged(pipeline, audio_host)
    (before,) = pipeline.results()
    audio_host.serve("/0.wav", Response(status=404))
    assert reprocess(pipeline, "--model-below", version)["sent"] == 1
    assert pipeline.run(RETRY_BACKOFF_SECONDS="900").exit_code == 0
    assert pipeline.results() == [before]
    assert pipeline.left() == 1


def test_a_result_that_is_no_record_is_counted_and_ends_with_1(
    pipeline: Pipeline, audio_host: AudioHost, version: str
) -> None:
    judged(pipeline, audio_host)
    client: MongoClient[dict[str, Any]]
    with MongoClient(pipeline.mongo_uri) as client:
        results: Any = client[pipeline.database]["anomaly_detection_results"]
        results.insert_one({"_id": "odd", "test_date": "2026-02-23"})
    told = reprocess(pipeline, "--model-below", version, code=1)
    assert told == {"scanned": 2, "current": 0, "sent": 1, "failed": 1}


def test_a_queue_that_is_gone_ends_with_1_and_one_line(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    process = pipeline.run(
        *("run_flow.py", "reprocess", "--test-date", "2026-02-23"),
        *("--model-below", "9"),
        SQS_QUEUE_URL=f"{pipeline.queue_url}-gone",
    )
    assert process.exit_code == 1
    (line,) = process.stderr.splitlines()
    assert "does not exist" in line
