"""``run_flow.py check`` on real services: what is well, what is not, what to do."""

from __future__ import annotations

import json
import time
from typing import Any

import psycopg
import pytest
from psycopg import sql
from pymongo import MongoClient

from flows.steering.findings import Finding, run_checks
from tests.system.pipeline import Pipeline

DEAD = "postgresql://nobody:secret-word@127.0.0.1:1/none"


Found = dict[str, list[dict[str, Any]]]


def check(pipeline: Pipeline, code: int, **more: str) -> Found:
    """Run the check; return what it found, by check."""
    process = pipeline.run("run_flow.py", "check", "--json", **more)
    assert process.exit_code == code, process.stdout + process.stderr
    document = json.loads(process.stdout)
    assert document["ok"] is (code == 0)
    assert "secret-word" not in process.stdout + process.stderr
    found: Found = {}
    for one in document["checks"]:
        assert set(one) == {"check", "level", "text", "remedy"}
        assert (one["level"] == "ok") is (one["remedy"] is None)
        found.setdefault(one["check"], []).append(one)
    return found


def levels(found: Found) -> dict[str, str]:
    return {name: one["level"] for name, ones in found.items() for one in ones}


def add_indexes(pipeline: Pipeline) -> None:
    index = sql.SQL("CREATE INDEX ON {} (test_date, updated_at, id)")
    name = sql.Identifier(pipeline.schema, pipeline.table)
    with psycopg.connect(pipeline.postgres_dsn, autocommit=True) as connection:
        connection.execute(index.format(name))
    client: MongoClient[dict[str, Any]]
    with MongoClient(pipeline.mongo_uri) as client:
        client[pipeline.database]["anomaly_detection_results"].create_index("test_date")


def test_a_pipeline_that_is_well_has_a_line_each_and_ends_with_0(
    pipeline: Pipeline,
) -> None:
    add_indexes(pipeline)
    process = pipeline.run("run_flow.py", "check")
    assert process.exit_code == 0, process.stdout
    lines = process.stdout.splitlines()
    assert len(lines) == 12
    assert all(line.startswith("ok  ") for line in lines), process.stdout
    found = check(pipeline, 0)
    assert list(found) == [
        *("settings", "queue", "lease", "redrive policy", "dead-letter queue"),
        *("quarantine", "mongo", "results", "source postgres", "csv", "model"),
        "audio hosts",
    ]


def test_what_is_missing_is_a_warning_with_the_statement_that_makes_it(
    pipeline: Pipeline,
) -> None:
    found = check(pipeline, 0, VISIBILITY_TIMEOUT_SECONDS="60")
    assert found["results"][0]["remedy"] == (
        'db.getCollection("anomaly_detection_results")'
        '.createIndex({ "test_date": 1, "_id": 1 })'
    )
    assert found["source postgres"][0]["remedy"].startswith("CREATE INDEX ON ")
    assert found["lease"][0]["remedy"] == "VISIBILITY_TIMEOUT_SECONDS=120"
    warned = {name for name, level in levels(found).items() if level == "warning"}
    assert warned == {"results", "source postgres", "lease"}


def test_a_queue_without_a_redrive_policy_is_an_error_and_a_poor_one_a_warning(
    pipeline: Pipeline, sqs: Any, unique_name: str
) -> None:
    bare = sqs.create_queue(QueueName=f"{unique_name}-bare")["QueueUrl"]
    (found,) = check(pipeline, 1, SQS_QUEUE_URL=bare)["redrive policy"]
    assert found["level"] == "error"
    assert found["remedy"].startswith(
        f"aws sqs set-queue-attributes --queue-url {bare} --attributes '"
    )
    arn = sqs.get_queue_attributes(
        QueueUrl=pipeline.dead_letter_url, AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    week = {"RedrivePolicy": policy, "MessageRetentionPeriod": "1209600"}
    sqs.set_queue_attributes(QueueUrl=bare, Attributes=week)
    found_now = check(pipeline, 0, SQS_QUEUE_URL=bare)
    assert "maxReceiveCount is 2" in found_now["redrive policy"][0]["text"]
    remedy = found_now["redrive policy"][0]["remedy"]
    given = json.loads(remedy.split("'")[1])
    assert json.loads(given["RedrivePolicy"]) == {
        "deadLetterTargetArn": arn,
        "maxReceiveCount": 5,
    }
    assert found_now["dead-letter queue"][0]["level"] == "warning"
    assert "1209600" in found_now["dead-letter queue"][0]["remedy"]


def test_what_is_broken_does_not_hide_the_rest(pipeline: Pipeline, sqs: Any) -> None:
    (pipeline.folder / "results.csv").write_text("other,columns\n")
    model = pipeline.folder / "own.joblib"
    model.write_bytes(b"no model")
    began = time.monotonic()
    found = check(
        pipeline,
        1,
        SQS_QUEUE_URL=f"{pipeline.queue_url}-gone",
        POSTGRES_DSN=DEAD,
        QUARANTINE_QUEUE_URL=f"{pipeline.queue_url}-gone-too",
        RESULT_TOPIC_ARN="arn:aws:sns:us-east-1:000000000000:none",
        MODEL_PATH=str(model),
        AUDIO_ALLOWED_HOSTS="no-such-host.invalid",
        QUARANTINE_PATH="/proc/none/quarantine.jsonl",
    )
    assert time.monotonic() - began < 40
    assert levels(found) == {
        "settings": "ok",
        "queue": "error",
        "quarantine": "error",
        "result topic": "error",
        "mongo": "ok",
        "results": "warning",
        "source postgres": "error",
        "csv": "error",
        "model": "error",
        "audio hosts": "warning",
    }
    assert "does not exist" in found["queue"][0]["text"]
    assert found["csv"][0]["remedy"].startswith("mv ")
    assert "own.json" in found["model"][0]["text"]


def test_a_table_with_other_columns_is_named_with_the_closest(
    pipeline: Pipeline,
) -> None:
    statement = sql.SQL("ALTER TABLE {} RENAME COLUMN audio_url TO audio_link")
    name = sql.Identifier(pipeline.schema, pipeline.table)
    with psycopg.connect(pipeline.postgres_dsn, autocommit=True) as connection:
        connection.execute(statement.format(name))
    (found,) = check(pipeline, 1, QUARANTINE_PATH="/proc/none/q.jsonl")[
        "source postgres"
    ]
    assert "did you mean 'audio_link'?" in found["text"]


def test_a_file_that_cannot_be_written_is_an_error(pipeline: Pipeline) -> None:
    found = check(
        pipeline,
        1,
        CSV_OUTPUT_PATH="/proc/none/results.csv",
        QUARANTINE_PATH="/proc/none/quarantine.jsonl",
    )
    assert levels(found)["csv"] == levels(found)["quarantine"] == "error"


def test_a_mongo_that_is_away_is_an_error_and_its_password_stays_hidden(
    pipeline: Pipeline,
) -> None:
    found = check(pipeline, 1, MONGO_URI="mongodb://me:secret-word@127.0.0.1:1/")
    assert levels(found)["mongo"] == levels(found)["results"] == "error"
    assert levels(found)["source postgres"] == "warning"


def test_wrong_settings_end_with_2_and_a_document_that_says_so(
    pipeline: Pipeline,
) -> None:
    process = pipeline.run("run_flow.py", "check", "--json", BATCH_SIZE="many")
    assert process.exit_code == 2
    document = json.loads(process.stdout)
    (fault,) = document["checks"]
    assert fault["text"].startswith("BATCH_SIZE='many': expected")
    assert f"earshot: {fault['text']}" in process.stderr


def test_a_check_that_gives_no_answer_is_an_error_and_keeps_nobody() -> None:
    def hang() -> list[Finding]:
        time.sleep(60)
        return []

    began = time.monotonic()
    found = run_checks(
        {
            "slow": (hang, "wait"),
            "quick": (lambda: [Finding("quick", "ok", "\x1b[31mred")], ""),
        },
        seconds=0.2,
    )
    assert time.monotonic() - began < 5
    assert found == [
        Finding("slow", "error", "no answer within 0.2 s", "wait"),
        Finding("quick", "ok", "?[31mred"),
    ]


@pytest.mark.parametrize("value", ["0", "1"])
def test_bytewaxs_own_server_is_an_error(pipeline: Pipeline, value: str) -> None:
    found = check(pipeline, 1, BYTEWAX_DATAFLOW_API_ENABLED=value)
    remedies = [one["remedy"] for one in found["settings"]]
    assert remedies == [None, "unset BYTEWAX_DATAFLOW_API_ENABLED"]
