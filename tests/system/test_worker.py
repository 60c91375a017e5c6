"""The worker as users start it, on real services: what it writes and when it ends."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import orjson
import psycopg
from psycopg import sql

from tests import recordings
from tests.audio_host import AudioHost, Response
from tests.system.pipeline import Pipeline

HEADER = (
    b"result_document_id,dedupe_key,source_collection,mongo_doc_id,test_date,"
    b"record_type,subject_id,subject_name,audio_s3_url,source_updated_at,"
    b"subject_created_at,student_id,udise,processing_status,error,is_anomaly,"
    b"anomaly_score,prediction_label,model_name,model_version,trace_id,message_id,"
    b"receive_count,processed_at\n"
)


def identity(message: dict[str, Any]) -> tuple[str, str]:
    """Return a message's dedupe key and result id, by the standard library alone."""
    names = (
        "source_collection",
        "student_id",
        "subject_name",
        "test_date",
        "audio_s3_url",
    )
    key = json.dumps(
        [message[name] for name in names], ensure_ascii=False, separators=(",", ":")
    )
    return key, hashlib.sha256(key.encode()).hexdigest()


def test_a_recording_becomes_a_result_a_row_and_a_deleted_message(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    message = pipeline.add(audio_host.serve("/a.wav", Response(recordings.tone(2))))

    process = pipeline.run()

    assert process.exit_code == 0, process.stderr
    assert process.stdout == ""
    key, result_id = identity(message)
    (result,) = pipeline.results()
    assert {name: result[name] for name in message} == message
    assert result["_id"] == result_id
    assert result["dedupe_key"] == key
    assert result["processing_status"] == "completed"
    assert result["prediction_label"] == "anomaly"
    assert result["is_anomaly"] is True
    assert isinstance(result["anomaly_score"], float)
    assert result["reasons"] and all(isinstance(r, str) for r in result["reasons"])
    assert all(isinstance(value, float) for value in result["features"].values())
    assert result["audio"]["duration_seconds"] == 2.0
    assert result["audio"]["sample_rate"] == 16000
    assert result["audio"]["channels"] == 1
    assert result["audio"]["codec"]
    assert result["model_name"] and result["model_version"]
    assert result["message_id"] and result["receive_count"] == 1
    assert result["processed_at"]
    assert (pipeline.folder / "results.csv").read_bytes().startswith(HEADER)
    (row,) = pipeline.rows()
    assert row["result_document_id"] == result_id
    assert row["dedupe_key"] == key
    assert row["processing_status"] == "completed"
    assert row["is_anomaly"] == "true"
    assert float(row["anomaly_score"]) == result["anomaly_score"]
    assert row["processed_at"].endswith("Z")
    assert row["error"] == row["udise"] == row["mongo_doc_id"] == ""
    assert pipeline.left() == 0


def test_each_bad_message_and_bad_recording_has_its_own_end(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    wav = recordings.tone()
    good = pipeline.add(audio_host.serve("/good.wav", Response(wav)))
    bad = {
        "missing": Response(status=404),
        "refused": Response(status=403),
        "broken": Response(status=500),
        "page": Response(b"<!doctype html><html><p>Sign in</p></html>"),
        "empty": Response(b""),
        "truncated": Response(wav, missing_bytes=1000),
        "endless": Response(bytes(65536), endless=True),
        "slow": Response(wav, seconds_between_bytes=0.1),
    }
    messages = {
        name: pipeline.add(audio_host.serve(f"/{name}.wav", response))
        for name, response in bad.items()
    }
    messages["nowhere"] = pipeline.add("http://no.such.host.invalid/a.wav")
    messages["private"] = pipeline.add(f"http://localhost:{audio_host.port}/good.wav")
    redirect = audio_host.redirect(
        "/redirect.wav", f"http://localhost:{audio_host.port}/good.wav"
    )
    messages["redirected"] = pipeline.add(redirect)
    malformed = [
        "",
        "{",
        "[]",
        "null",
        orjson.dumps({**good, "student_id": None}).decode(),
        orjson.dumps({**good, "test_date": 20260223}).decode(),
        orjson.dumps({k: v for k, v in good.items() if k != "trace_id"}).decode(),
        "x" * 1_000_000,
    ]
    for body in filter(None, malformed):
        pipeline.send(body)

    process = pipeline.run(
        S3_TIMEOUT_SECONDS="2",
        AUDIO_MAX_BYTES="1000000",
        RETRY_BACKOFF_SECONDS="900",
    )

    assert process.exit_code == 0, process.stderr
    errors = {row["trace_id"]: row["error"] for row in pipeline.rows()}
    expected = {
        "missing": "404",
        "refused": "403",
        "broken": "500",
        "page": "HTML",
        "empty": "empty",
        "truncated": "cut off",
        "endless": "at most 1000000",
        "slow": "within 2 s",
        "nowhere": "no such host",
        "private": "private",
        "redirected": "private",
    }
    found = {name: errors[messages[name]["trace_id"]] for name in expected}
    for name, words in expected.items():
        assert words.lower() in found[name].lower(), (name, found[name])
    assert errors[good["trace_id"]] == ""
    assert [r["trace_id"] for r in pipeline.results()] == [good["trace_id"]]
    # Without a quarantine queue the failed ones stay, the malformed ones do not.
    assert pipeline.left() == len(messages)
    lines = (pipeline.folder / "quarantine.jsonl").read_bytes().splitlines()
    assert len(lines) == len(malformed) - 1
    reasons = [orjson.loads(line)["reason"] for line in lines]
    assert any(r.startswith("student_id: ") for r in reasons)
    assert any(r.startswith("test_date: ") for r in reasons)
    assert "trace_id: missing" in reasons
    assert len(process.events("message_malformed")) == len(lines)
    failed = {e["trace_id"] for e in process.events("item_failed_pre_inference")}
    assert failed == {message["trace_id"] for message in messages.values()}


def test_what_can_never_succeed_is_copied_to_the_quarantine_queue_and_deleted(
    pipeline: Pipeline, audio_host: AudioHost, sqs: Any, unique_name: str
) -> None:
    quarantine = sqs.create_queue(QueueName=f"{unique_name}-quarantine")["QueueUrl"]
    gone = pipeline.add(audio_host.serve("/gone.wav", Response(status=404)))
    later = pipeline.add(audio_host.serve("/later.wav", Response(status=503)))
    pipeline.send("no record")

    process = pipeline.run(QUARANTINE_QUEUE_URL=quarantine, RETRY_BACKOFF_SECONDS="900")

    assert process.exit_code == 0, process.stderr
    assert pipeline.left() == 1
    copies = sqs.receive_message(
        QueueUrl=quarantine, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )["Messages"]
    reasons = {
        copy["Body"]: {
            name: value["StringValue"]
            for name, value in copy["MessageAttributes"].items()
        }
        for copy in copies
    }
    body = orjson.dumps(gone).decode()
    assert set(reasons) == {body, "no record"}
    assert reasons[body]["quarantine_stage"] == "download"
    assert "404" in reasons[body]["quarantine_reason"]
    assert reasons[body]["trace_id"] == gone["trace_id"]
    assert reasons["no record"]["quarantine_stage"] == "parse"
    assert not (pipeline.folder / "quarantine.jsonl").exists()
    statuses = {row["trace_id"]: row["processing_status"] for row in pipeline.rows()}
    assert statuses[later["trace_id"]] == "failed_pre_inference"


def test_a_record_that_is_on_the_queue_three_times_is_processed_once(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    message = pipeline.add(audio_host.serve("/a.wav", Response(recordings.tone())))
    pipeline.send(message)
    pipeline.send(message)

    assert pipeline.run().exit_code == 0

    assert len(pipeline.results()) == 1
    assert audio_host.requests("/a.wav") == 1
    statuses = sorted(row["processing_status"] for row in pipeline.rows())
    assert statuses == ["completed", "skipped_existing", "skipped_existing"]
    assert pipeline.left() == 0


def test_a_record_that_its_source_no_longer_has_is_skipped(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    url = audio_host.serve("/a.wav", Response(recordings.tone()))
    pipeline.add(url)
    pipeline.add(url, audio_s3_url=audio_host.url("/replaced.wav"))
    name = sql.Identifier(pipeline.schema, pipeline.table)
    with psycopg.connect(pipeline.postgres_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("DELETE FROM {} WHERE id = 0").format(name))

    assert pipeline.run().exit_code == 0

    assert pipeline.results() == []
    assert {row["processing_status"] for row in pipeline.rows()} == {
        "skipped_ineligible"
    }
    assert audio_host.requests("/a.wav") == 0
    assert pipeline.left() == 0
