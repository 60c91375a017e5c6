"""Discoveries that are killed, doubled, and refused: nothing is lost by any of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from connectors.local import LocalServices
from connectors.local.aws import sqs_client
from tests.conftest import SOURCE_COLUMNS
from tests.system.discoveries import Discoveries, after_nine
from tests.system.pipeline import Pipeline, eventually

ROWS = 200


@pytest.fixture
def discoveries(pipeline: Pipeline) -> Discoveries:
    return Discoveries(pipeline)


def test_a_backfill_that_was_killed_can_begin_anew(discoveries: Discoveries) -> None:
    discoveries.add_rows(ROWS, every=1000)
    run = ("--mode", "backfill", "--batch-size", "10")
    killed = discoveries.start(*run)
    eventually(lambda: discoveries.watermark())
    killed.kill()
    ended = discoveries.run(*run, "--restart")
    assert ended.counts() == (ROWS, 0, ROWS, 0)


def test_the_second_of_two_runs_names_the_first_and_force_takes_over(
    discoveries: Discoveries,
) -> None:
    discoveries.add_rows(20_000)
    first = discoveries.start("--mode", "backfill", "--batch-size", "10")
    eventually(lambda: discoveries.pipeline.left() > 0)
    second = discoveries.run("--mode", "incremental", code=1)
    line = second.stderr.splitlines()[-1]
    assert f"process {first.pid} on " in line and "--force" in line
    forced = discoveries.run("--max-records", "1", "--force")
    assert forced.counts() == (1, 0, 1, 0)
    first.kill()


def test_a_lease_from_elsewhere_holds_until_it_expires(
    discoveries: Discoveries,
) -> None:
    discoveries.add_row(1)
    discoveries.put_lease(host="elsewhere", expires_at="2999-01-01T00:00:00.000000Z")
    refused = discoveries.run(code=1)
    assert "on elsewhere" in refused.stderr
    discoveries.put_lease(host="elsewhere", expires_at="2026-01-01T00:00:00.000000Z")
    assert discoveries.run().counts() == (1, 0, 1, 0)


def test_names_can_hold_anything(discoveries: Discoveries, postgres_dsn: str) -> None:
    schema, table = f'weird"{discoveries.pipeline.schema}', "tab;le"
    columns = SOURCE_COLUMNS.replace("audio_url text", '"li""nk; --" text')
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        name = sql.Identifier(schema, table)
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        connection.execute(
            sql.SQL("CREATE TABLE {} ({})").format(name, sql.SQL(columns))
        )
        insert = "INSERT INTO {} VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        connection.execute(
            sql.SQL(insert).format(name),
            [1, "s", "u", "t", "7", "o'Hindi\"; --", "2026-02-23", "s3://b/k", "now"],
        )
    variables: dict[str, Any] = {
        "POSTGRES_SCHEMA": schema,
        "POSTGRES_TABLE": table,
        "POSTGRES_COLUMNS": '{"audio_url": "li\\"nk; --"}',
    }
    run = ("--mode", "backfill", "--subject-name", "o'Hindi\"; --")
    assert discoveries.run(*run, **variables).counts() == (1, 0, 1, 0)
    (message,) = discoveries.take_messages()
    assert message["source_collection"] == f"{schema}.{table}"
    assert message["audio_s3_url"] == "s3://b/k"
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        name = sql.Identifier(schema)
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name))


@pytest.mark.parametrize(
    ("key_type", "keys"),
    [
        ("text", [f"key {number}" for number in range(9)]),
        ("uuid", [f"00000000-0000-0000-0000-00000000000{n}" for n in range(9)]),
        ("numeric", [f"{n}.5" for n in range(9)]),
    ],
)
def test_a_key_can_be_of_any_type(
    discoveries: Discoveries, postgres_dsn: str, key_type: str, keys: list[str]
) -> None:
    name = sql.Identifier(discoveries.pipeline.schema, "records")
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        for change in ("DROP IDENTITY", f"TYPE {key_type} USING NULL"):
            statement = sql.SQL("ALTER TABLE {} ALTER id " + change)
            connection.execute(statement.format(name))
    for key in keys:
        discoveries.add_row(1, id=key)
    discoveries.run("--mode", "backfill", "--batch-size", "2")
    assert discoveries.take_ids() == keys


def test_an_index_that_is_missing_is_named_once_with_its_statement(
    discoveries: Discoveries, postgres_dsn: str
) -> None:
    discoveries.add_row(1)
    (warning,) = discoveries.run().events("index_missing")
    assert warning["create"].endswith('("test_date", "updated_at", "id")')
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(warning["create"])
    assert discoveries.run().events("index_missing") == []


def test_a_mongo_index_that_is_missing_is_named(discoveries: Discoveries) -> None:
    discoveries.add_document(1)
    (warning,) = discoveries.run("--source", "mongo").events("index_missing")
    assert warning["create"] == (
        'db.getCollection("assessments").createIndex'
        '({ "test_date": 1, "updated_at": 1, "_id": 1 })'
    )


def test_fields_of_mongo_can_have_other_names(discoveries: Discoveries) -> None:
    subject = {"name": "Hindi", "link": "https://audio.example/1.wav"}
    discoveries.add_document(
        1,
        pupil={"id": 5},
        teacher_record={"list": [subject | {"created_at": after_nine(0)}]},
    )
    names = (
        '{"student_id": "pupil.id", "subjects": "list", "subject_name": "name",'
        ' "audio_s3_url": "%s"}'
    )
    run = ("--source", "mongo")
    ended = discoveries.run(*run, MONGO_FIELDS=names % "link")
    assert ended.counts() == (1, 0, 1, 0)
    (message,) = discoveries.take_messages()
    assert (message["student_id"], message["subject_name"]) == ("5", "Hindi")
    wrong = discoveries.run(*run, code=1, MONGO_FIELDS=names % "lnik")
    assert "has 'lnik' for audio_s3_url, did you mean 'link'?" in wrong.stderr


def test_messages_of_a_school_are_a_group_in_their_order_on_a_fifo_queue(
    discoveries: Discoveries, services: LocalServices
) -> None:
    name = f"{discoveries.pipeline.database}.fifo"
    with sqs_client(services) as client:
        url = client.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})
        discoveries.pipeline.queue_url = url["QueueUrl"]
    for seconds in range(1, 22):
        discoveries.add_row(seconds, udise=f"school-{seconds % 2}" * (seconds < 20))
    run = ("--mode", "backfill", "--batch-size", "5")
    discoveries.run(*run, MESSAGE_GROUP_BY="udise", DISCOVERY_SEND_PROCESSES="2")
    sent = discoveries.take_messages()
    assert len(sent) == 21
    for school in ("school-0", "school-1"):
        own = [int(m["source_record_id"]) for m in sent if m["udise"] == school]
        assert own == sorted(own)


def test_a_run_leaves_its_metrics_in_a_file(
    discoveries: Discoveries, tmp_path: Path
) -> None:
    discoveries.add_rows(3)
    path = tmp_path / "earshot.prom"
    discoveries.run("--mode", "backfill", METRICS_TEXTFILE_PATH=str(path))
    collection = f'{{source_collection="{discoveries.pipeline.schema}.records"}}'
    lines = path.read_text().splitlines()
    assert f"earshot_discovery_records_sent{collection} 3.0" in lines
    assert f"earshot_discovery_success{collection} 1.0" in lines
    assert any("watermark_timestamp_seconds{" in line for line in lines)


def test_a_push_gateway_that_is_away_fails_no_run(discoveries: Discoveries) -> None:
    discoveries.add_row(1)
    ended = discoveries.run(METRICS_PUSH_URL="http://127.0.0.1:9")
    assert len(ended.events("metrics_not_written")) == 1


def test_an_incremental_run_between_does_not_make_a_backfill_begin_anew(
    discoveries: Discoveries,
) -> None:
    discoveries.add_rows(ROWS, every=1000)
    run = ("--mode", "backfill", "--batch-size", "10")
    killed = discoveries.start(*run)
    eventually(lambda: discoveries.watermark())
    killed.kill()
    first = discoveries.take_ids()
    discoveries.run("--mode", "incremental", "--max-records", "1")
    between = discoveries.take_ids()
    resumed = discoveries.run(*run)
    assert resumed.events("discovery_resumed")
    both = Counter(first + between + discoveries.take_ids())
    assert set(both) == {str(number) for number in discoveries.rows}
    assert sum(both.values()) - ROWS <= 10 + 1


def test_a_backfill_leaves_what_an_incremental_run_remembers(
    discoveries: Discoveries,
) -> None:
    discoveries.add_rows(50, every=1)
    assert discoveries.run("--mode", "incremental").summary["sent"] == 50
    discoveries.run("--mode", "backfill", "--max-records", "1")
    assert discoveries.run("--mode", "incremental").summary["sent"] == 0


def test_a_subject_that_is_named_twice_is_read_once(discoveries: Discoveries) -> None:
    discoveries.add_rows(3)
    twice = ("--subject-name", "Hindi", "--subject-name", "Hindi")
    assert discoveries.run(*twice).counts() == (3, 0, 3, 0)


def test_times_that_are_texts_in_mongo_are_all_found_over_many_pages(
    discoveries: Discoveries,
) -> None:
    for second in range(20, 0, -1):  # the later the _id, the earlier the text
        text = f"2026-02-23T09:00:{second:02}"
        discoveries.add_document(None, updated_at=text)
    run = ("--source", "mongo", "--mode", "backfill", "--batch-size", "5")
    assert discoveries.run(*run).counts() == (20, 0, 20, 0)


def test_a_document_at_the_cut_of_two_readers_is_found(
    discoveries: Discoveries,
) -> None:
    for second in (0, 3, 6.5, 9, 13.001):
        discoveries.add_document(second)
    run = ("--source", "mongo", "--mode", "backfill", "--workers", "2")
    assert discoveries.run(*run).counts() == (5, 0, 5, 0)
