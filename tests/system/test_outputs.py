"""What a running worker tells others: announcements, metrics, health and logs."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.aws import sns_client
from tests import recordings
from tests.audio_host import AudioHost, Response
from tests.system.pipeline import Pipeline, eventually

EVENTS = {
    "inference_batch_started",
    "item_failed_pre_inference",
    "feature_build_completed",
    "inference_batch_completed",
    "existing_results_checked",
    "eligible_keys_resolved",
    "batch_skipped",
    "batch_processed",
    "results_upserted",
    "results_csv_appended",
    "throughput",
    "message_malformed",
    "message_settled",
    "worker_started",
    "worker_drained",
}


def announced(sqs: Any, url: str) -> list[dict[str, Any]]:
    answer = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )
    return list(answer.get("Messages", []))


def test_a_result_is_announced_on_a_queue_with_names_to_filter_by(
    pipeline: Pipeline, audio_host: AudioHost, sqs: Any, unique_name: str
) -> None:
    url = sqs.create_queue(QueueName=f"{unique_name}-results")["QueueUrl"]
    message = pipeline.add(
        audio_host.serve("/a.wav", Response(recordings.tone())), udise="27251600101"
    )
    pipeline.add(audio_host.serve("/gone.wav", Response(status=404)))
    assert pipeline.run(RESULT_QUEUE_URL=url).exit_code == 0
    (told,) = announced(sqs, url)
    body = json.loads(told["Body"])
    (result,) = pipeline.results()
    assert body["_id"] == result["_id"]
    assert body["trace_id"] == message["trace_id"]
    assert body["processed_at"].endswith("Z")
    names = {k: v["StringValue"] for k, v in told["MessageAttributes"].items()}
    assert names == {
        "is_anomaly": "true",
        "subject_name": "हिन्दी",
        "udise": "27251600101",
        "test_date": "2026-02-23",
    }


def test_a_result_is_announced_on_a_topic(
    pipeline: Pipeline,
    audio_host: AudioHost,
    sqs: Any,
    unique_name: str,
    environment: dict[str, str],
) -> None:
    sns = sns_client()
    topic = sns.create_topic(Name=unique_name)["TopicArn"]
    url = sqs.create_queue(QueueName=f"{unique_name}-subscribed")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=arn["Attributes"]["QueueArn"],
        Attributes={"RawMessageDelivery": "true"},
    )
    sns.close()
    pipeline.add(audio_host.serve("/a.wav", Response(recordings.tone())))
    assert pipeline.run(RESULT_TOPIC_ARN=topic).exit_code == 0
    (told,) = announced(sqs, url)
    assert json.loads(told["Body"])["_id"] == pipeline.results()[0]["_id"]


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def listening(pid: int) -> set[str]:
    """Return the addresses that a process listens on, from /proc."""
    inodes = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        except FileNotFoundError:
            continue
        if found := re.fullmatch(r"socket:\[(\d+)\]", target):
            inodes.add(found[1])
    lines = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    ]
    return {line[1] for line in lines if line[3] == "0A" and line[9] in inodes}


def test_metrics_and_health_are_served_on_loopback_only(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    pipeline.add(audio_host.serve("/a.wav", Response(recordings.tone())))
    settings = {"METRICS_PORT": str(port), "IDLE_EXIT_SECONDS": "0"}
    with pipeline.worker(**settings, DRAIN_TIMEOUT_SECONDS="3") as process:
        eventually(lambda: process.events("message_settled"))
        status, metrics = get(port, "/metrics")
        assert status == 200
        assert "earshot_messages_received_total 1.0" in metrics
        assert "earshot_messages_deleted_total 1.0" in metrics
        assert 'earshot_outcomes_total{status="completed"} 1.0' in metrics
        assert get(port, "/live")[0] == 200
        status, ready = get(port, "/ready")
        assert status == 200
        parts = orjson.loads(ready)
        assert parts["ok"] is True
        assert {"queue", "mongo", "postgres"} <= set(parts)
        assert get(port, "/else")[0] == 404
        assert listening(process.pid) == {f"0100007F:{port:04X}"}
        pipeline.sqs.delete_queue(QueueUrl=pipeline.queue_url)
        if process.exit_code is None:
            process.signal(signal.SIGTERM)
        process.wait()


def test_a_second_worker_on_the_port_works_without_metrics(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    pipeline.add(audio_host.serve("/a.wav", Response(recordings.tone())))
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = pipeline.run(METRICS_PORT=str(server.getsockname()[1]))
    assert process.exit_code == 0
    assert len(process.events("metrics_unavailable")) == 1
    assert len(pipeline.results()) == 1


@pytest.fixture
def logged(pipeline: Pipeline, audio_host: AudioHost) -> tuple[Pipeline, Any]:
    good = pipeline.add(
        audio_host.serve("/a.wav?X-Amz-Signature=c0ffee", Response(recordings.tone()))
    )
    pipeline.add(audio_host.serve("/gone?sig=c0ffee", Response(status=404)))
    pipeline.add("https://nobody:c0ffee@no.such.host.invalid/a.wav")
    pipeline.send({**good, "trace_id": "not\nhex", "audio_s3_url": "x?sig=c0ffee"})
    gone = pipeline.message("http://127.0.0.1/row-gone.wav", 99)
    process = pipeline.run(RETRY_BACKOFF_SECONDS="900", BATCH_SIZE="50")
    assert process.exit_code == 0
    pipeline.send(gone)
    again = pipeline.run(RETRY_BACKOFF_SECONDS="900")
    return pipeline, (process, again, good)


def test_every_event_of_the_contract_is_logged_as_json_with_its_ids(
    logged: tuple[Pipeline, Any],
) -> None:
    pipeline, (process, again, good) = logged
    lines = process.events() + again.events()
    assert len(lines) == len((process.stderr + again.stderr).splitlines())
    assert {line["event"] for line in lines} >= EVENTS
    assert all(line["timestamp"].endswith("Z") and line["level"] for line in lines)
    (result,) = pipeline.results()
    settled = [x for x in process.events("message_settled") if x["how"] == "deleted"]
    ids = {(line["message_id"], line["trace_id"]) for line in settled}
    assert (result["message_id"], good["trace_id"]) in ids
    assert good["trace_id"] in process.events("inference_batch_started")[0]["trace_ids"]
    failed = process.events("item_failed_pre_inference")
    assert {line["trace_id"] for line in failed} == {
        message["trace_id"] for message in pipeline.sent[1:]
    }


def test_no_secret_and_no_signature_is_written_anywhere_but_to_the_result(
    logged: tuple[Pipeline, Any],
) -> None:
    pipeline, (process, again, good) = logged
    assert "c0ffee" not in process.stderr + again.stderr
    assert "c0ffee" not in (pipeline.folder / "results.csv").read_text()
    (result,) = pipeline.results()
    assert result["audio_s3_url"] == good["audio_s3_url"]


def test_logs_are_for_people_where_that_is_asked(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    pipeline.add(audio_host.serve("/a.wav", Response(recordings.tone())))
    process = pipeline.run(LOG_FORMAT="console", LOG_LEVEL="warning")
    assert process.stderr == ""
    process = pipeline.run(LOG_FORMAT="console", IDLE_EXIT_SECONDS="1")
    assert "worker_started" in process.stderr
    assert process.events() == []
