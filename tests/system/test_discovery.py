"""Discovery as users start it, on real services: what it sends and remembers."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.system.discoveries import TEST_DATE, Discoveries, after_nine
from tests.system.pipeline import Pipeline, eventually


@pytest.fixture
def discoveries(pipeline: Pipeline) -> Discoveries:
    return Discoveries(pipeline)


def ids(numbers: range) -> list[str]:
    return [str(number) for number in numbers]


def identity(message: dict[str, Any]) -> str:
    """Return a message's result id, by the standard library alone."""
    names = ("source_collection", "student_id", "subject_name", "test_date")
    key = [message[name] for name in (*names, "audio_s3_url")]
    text = json.dumps(key, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_row_becomes_the_message_of_the_contract(discoveries: Discoveries) -> None:
    number = discoveries.add_row(
        0.000001, subject_name="हिन्दी", udise=None, student_id="99"
    )
    discoveries.run("--mode", "backfill")
    (message,) = discoveries.take_messages()
    assert len(message.pop("trace_id")) == 32
    assert message.pop("discovered_at").endswith("Z")
    assert message == {
        "source_collection": f"{discoveries.pipeline.schema}.records",
        "mongo_doc_id": None,
        "source_record_id": str(number),
        "assessment_record_id": str(number),
        "test_date": TEST_DATE,
        "record_type": "teacher_record",
        "subject_id": "7",
        "subject_name": "हिन्दी",
        "audio_s3_url": f"https://audio.example/{number}.wav",
        "source_updated_at": "2026-02-23T09:00:00.000001Z",
        "subject_created_at": "2026-02-23T09:00:00Z",
        "student_id": "99",
        "udise": None,
    }


def test_a_document_becomes_a_message_for_each_subject_of_each_type(
    discoveries: Discoveries,
) -> None:
    key = discoveries.add_document(
        1.5,
        admin_record={
            "subjects": [
                {
                    "subject_id": "en",
                    "subject_name": "English",
                    "audio_url": "https://audio.example/en.wav",
                    "subject_created_at": after_nine(0),
                }
            ]
        },
    )
    ended = discoveries.run("--source", "mongo", "--mode", "backfill")
    assert ended.counts() == (2, 0, 2, 0)
    messages = discoveries.take_messages()
    hindi, english = sorted(messages, key=lambda message: message["subject_id"])
    assert hindi["source_record_id"] == f"{key}:teacher_record:7"
    assert hindi["audio_s3_url"] == f"s3://recordings/{key}.wav"
    assert (hindi["student_id"], hindi["subject_id"]) == ("12", "7")
    assert english["source_record_id"] == f"{key}:admin_record:en"
    assert english["record_type"] == "admin_record"
    assert english["audio_s3_url"] == "https://audio.example/en.wav"
    assert english["subject_created_at"] == "2026-02-23T09:00:00Z"
    for message in messages:
        assert message["mongo_doc_id"] == str(key)
        assert message["source_collection"] == "assessments"
        assert message["source_updated_at"] == "2026-02-23T09:00:01.500000Z"
        assert "assessment_record_id" not in message


@pytest.mark.parametrize(
    "columns",
    [
        {"audio_url": ""},
        {"audio_url": None},
        {"subject_created_at": None},
        {"test_date": "2026-02-24"},
        {"subject_name": "English"},
    ],
    ids=["empty url", "no url", "not created", "other date", "other subject"],
)
def test_a_row_that_is_no_recording_of_the_date_and_subject_is_not_discovered(
    discoveries: Discoveries, columns: dict[str, Any]
) -> None:
    discoveries.add_row(1, **columns)
    ended = discoveries.run("--subject-name", "Hindi")
    assert ended.counts() == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"teacher_record": {"subjects": "none"}},
        {"teacher_record": ["subjects"]},
        {"teacher_record": None},
        {"teacher_record": {"subjects": [5, None, [], "x", {}]}},
        {"teacher_record": {"subjects": [{"subject_name": "Hindi"}]}},
        {"test_date": "2026-02-24"},
    ],
)
def test_a_document_can_hold_anything(
    discoveries: Discoveries, fields: dict[str, Any]
) -> None:
    discoveries.add_document(1, **fields)
    kept = discoveries.add_document(2)
    ended = discoveries.run("--source", "mongo", "--mode", "backfill")
    assert ended.counts() == (1, 0, 1, 0)
    assert discoveries.take_ids() == [f"{kept}:teacher_record:7"]


def test_one_time_sends_so_many_and_leaves_the_watermark_alone(
    discoveries: Discoveries,
) -> None:
    discoveries.add_rows(30)
    ended = discoveries.run("--mode", "one_time", "--max-records", "12")
    assert ended.counts() == (12, 0, 12, 0)
    assert ended.summary["watermark"] is None
    assert discoveries.take_ids() == ids(range(1, 13))
    assert discoveries.state() == []


def test_a_backfill_sends_all_whatever_the_watermark_says(
    discoveries: Discoveries,
) -> None:
    discoveries.add_rows(25)
    for _ in range(2):
        ended = discoveries.run("--mode", "backfill", "--batch-size", "7")
        assert ended.counts() == (25, 0, 25, 0)
        assert ended.summary["watermark"] == "2026-02-23T09:00:25.000000Z"
        assert discoveries.take_ids() == ids(range(1, 26))
    assert discoveries.watermark() == "2026-02-23T09:00:25.000000Z"


@pytest.mark.parametrize("source", ["postgres", "mongo"])
def test_an_incremental_run_sends_what_changed_since_the_watermark(
    discoveries: Discoveries, source: str
) -> None:
    add = {"postgres": discoveries.add_row, "mongo": discoveries.add_document}[source]
    run = ("--source", source, "--mode", "incremental")
    first = [str(add(seconds)) for seconds in (1, 2, 3)]
    assert discoveries.run(*run).counts() == (3, 0, 3, 0)
    assert discoveries.run(*run).counts() == (0, 0, 0, 0)
    later = str(add(1000.25))
    ended = discoveries.run(*run)
    assert ended.counts() == (1, 0, 1, 0)
    assert ended.summary["watermark"] == "2026-02-23T09:16:40.250000Z"
    sent = {key.split(":")[0] for key in discoveries.take_ids()}
    assert sent == {*first, later}


@pytest.mark.parametrize("mode", ["one_time", "backfill", "incremental"])
def test_a_record_with_a_result_is_skipped(discoveries: Discoveries, mode: str) -> None:
    discoveries.add_rows(3)
    discoveries.run()
    for message in discoveries.take_messages()[:2]:
        discoveries.add_result(identity(message))
    assert discoveries.run("--mode", mode).counts() == (3, 2, 1, 0)


def test_there_is_a_watermark_for_each_subject_and_source(
    discoveries: Discoveries,
) -> None:
    discoveries.add_row(1)
    discoveries.add_row(2, subject_name="English")
    discoveries.add_document(3)
    several = ("--subject-name", "Hindi", "--subject-name", "English")
    ended = discoveries.run("--mode", "backfill", *several)
    assert ended.counts() == (2, 0, 2, 0)
    assert ended.summary["watermark"] == "2026-02-23T09:00:01.000000Z"
    discoveries.run("--mode", "backfill", "--source", "mongo")
    found = {
        (state["source_type"], state["subject_name"]): state["watermark"][17:19]
        for state in discoveries.state()
    }
    assert found == {
        ("postgres", "Hindi"): "01",
        ("postgres", "English"): "02",
        ("mongo", None): "03",
    }


def test_rows_of_equal_time_are_not_lost_at_the_edge_of_a_page_or_a_watermark(
    discoveries: Discoveries,
) -> None:
    discoveries.add_rows(40, every=0)
    run = ("--mode", "incremental", "--batch-size", "7")
    quick: dict[str, Any] = {"DISCOVERY_OVERLAP_SECONDS": "0"}
    assert discoveries.run(*run, **quick).counts() == (40, 0, 40, 0)
    discoveries.add_rows(3, every=0)
    assert discoveries.run(*run, **quick).counts() == (3, 0, 3, 0)
    assert discoveries.take_ids() == ids(range(1, 44))


def test_documents_of_equal_time_are_not_lost_at_the_edge_of_a_page(
    discoveries: Discoveries,
) -> None:
    keys = [discoveries.add_document(1) for _ in range(11)]
    discoveries.run("--source", "mongo", "--mode", "backfill", "--batch-size", "3")
    assert discoveries.take_ids() == sorted(f"{key}:teacher_record:7" for key in keys)


def test_a_row_committed_late_is_found_within_the_overlap(
    discoveries: Discoveries,
) -> None:
    discoveries.add_row(1000)
    discoveries.run("--mode", "incremental")
    late, _ = discoveries.add_row(701), discoveries.add_row(650)
    ended = discoveries.run("--mode", "incremental")
    assert ended.counts() == (1, 0, 1, 0)
    assert discoveries.take_ids() == ["1", str(late)]
    assert ended.summary["watermark"] == "2026-02-23T09:16:40.000000Z"


def test_a_record_that_changed_again_is_sent_again(discoveries: Discoveries) -> None:
    discoveries.add_row(1)
    discoveries.run("--mode", "incremental")
    with psycopg.connect(discoveries.pipeline.postgres_dsn) as connection:
        name = sql.Identifier(discoveries.pipeline.schema, "records")
        statement = sql.SQL("UPDATE {} SET updated_at = %s").format(name)
        connection.execute(statement, [after_nine(2)])
    assert discoveries.run("--mode", "incremental").counts() == (1, 0, 1, 0)


@pytest.mark.parametrize("source", ["postgres", "mongo"])
def test_what_has_no_time_of_change_goes_by_its_creation(
    discoveries: Discoveries, source: str
) -> None:
    add = {"postgres": discoveries.add_row, "mongo": discoveries.add_document}[source]
    run = ("--source", source, "--mode", "incremental", "--batch-size", "2")
    for _ in range(5):
        add(None)
    add(2000)
    assert discoveries.run(*run).counts() == (6, 0, 6, 0)
    # Created at nine, far before the watermark: done.
    assert discoveries.run(*run).counts() == (0, 0, 0, 0)


def test_times_that_are_no_dates_are_not_lost_in_mongo(
    discoveries: Discoveries,
) -> None:
    discoveries.add_document(None, updated_at="2026-02-23T10:00:00Z")
    discoveries.add_document(None, updated_at="yesterday")
    run = ("--source", "mongo", "--mode", "backfill")
    assert discoveries.run(*run).counts() == (2, 0, 2, 0)


def test_a_record_that_is_wrong_fails_and_holds_the_watermark(
    discoveries: Discoveries,
) -> None:
    discoveries.add_rows(2)
    wrong = discoveries.add_row(3, audio_url="ftp://audio.example/3.wav")
    discoveries.add_row(4, updated_at="infinity")
    discoveries.add_row(5)
    ended = discoveries.run("--mode", "backfill", code=1)
    assert ended.counts() == (5, 0, 3, 2)
    assert ended.summary["watermark"] == "2026-02-23T09:00:02.000000Z"
    first, second = ended.events("record_failed")
    assert first["source_record_id"] == str(wrong)
    assert "audio_s3_url" in first["reason"]
    assert "source_updated_at" in second["reason"]


def test_a_dry_run_counts_and_changes_nothing(discoveries: Discoveries) -> None:
    discoveries.add_rows(3)
    ended = discoveries.run("--mode", "backfill", "--dry-run")
    assert ended.counts() == (3, 0, 0, 0)
    assert ended.events("discovery_finished")[0]["would_send"] == 3
    assert (discoveries.take_ids(), discoveries.state()) == ([], [])


def test_since_a_time_means_from_then_on(discoveries: Discoveries) -> None:
    discoveries.add_rows(5)
    since = ("--since", "2026-02-23T09:00:04Z")
    assert discoveries.run("--mode", "backfill", *since).counts() == (2, 0, 2, 0)
    # What lies before was not looked at: the watermark must not pass it.
    assert discoveries.watermark() is None
    assert discoveries.take_ids() == ["4", "5"]


def test_a_record_type_has_a_watermark_of_its_own(discoveries: Discoveries) -> None:
    discoveries.add_row(1)
    discoveries.add_row(2, record_type="admin_record")
    run = ("--mode", "incremental")
    admin = discoveries.run(*run, "--record-type", "admin_record")
    assert admin.counts() == (1, 0, 1, 0)
    assert discoveries.run(*run).counts() == (2, 0, 2, 0)
    assert discoveries.take_ids() == ["1", "2", "2"]


@pytest.mark.parametrize("source", ["postgres", "mongo"])
def test_several_readers_send_each_record_once(
    discoveries: Discoveries, source: str
) -> None:
    if source == "postgres":
        discoveries.add_rows(50)
    else:
        for seconds in range(1, 51):
            discoveries.add_document(seconds)
    several = ("--workers", "4", "--batch-size", "5")
    ended = discoveries.run("--source", source, "--mode", "backfill", *several)
    assert ended.counts() == (50, 0, 50, 0)
    assert ended.summary["watermark"] == "2026-02-23T09:00:50.000000Z"
    assert len(set(discoveries.take_ids())) == 50


def test_bytewax_runs_the_same_flow(discoveries: Discoveries) -> None:
    discoveries.add_rows(3)
    discoveries.add_row(4, student_id=None)
    flow = f"flows.discovery:get_flow('{TEST_DATE}', mode='backfill')"
    ended = discoveries.pipeline.run("-m", "bytewax.run", flow)
    assert ended.exit_code == 1, ended.stderr
    (line,) = ended.stdout.splitlines()
    assert json.loads(line) == {
        "scanned": 4,
        "skipped_existing": 0,
        "sent": 3,
        "failed": 1,
        "watermark": "2026-02-23T09:00:03.000000Z",
    }


@pytest.mark.parametrize(
    ("arguments", "variables", "says"),
    [
        (("--test-date", "23.2.2026"), {}, "TEST_DATE='23.2.2026': expected"),
        ((), {"TEST_DATE": ""}, "TEST_DATE: missing"),
        (("--source", "mysql"), {}, "DISCOVERY_SOURCE_TYPE='mysql': expected"),
        (("--batch-size", "0"), {}, "DISCOVERY_BATCH_SIZE=0: expected"),
        (("--mode", "all"), {}, "Invalid value for '--mode'"),
        (("--since", "noon"), {}, "--since 'noon': expected a time"),
    ],
)
def test_wrong_usage_ends_with_2_and_one_line(
    discoveries: Discoveries,
    arguments: tuple[str, ...],
    variables: dict[str, str],
    says: str,
) -> None:
    running = discoveries.start(*arguments, **variables)
    assert running.wait() == 2, running.stderr
    (line,) = running.stderr.splitlines()
    assert line.startswith("earshot: ") and says in line
    assert running.stdout == ""


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"POSTGRES_TABLE": "recrods"}, "there is no table"),
        (
            {"POSTGRES_COLUMNS": '{"audio_url": "audio_ulr"}'},
            "has no column 'audio_ulr' for audio_url, did you mean 'audio_url'?",
        ),
    ],
)
def test_what_is_not_there_ends_with_1_and_one_line(
    discoveries: Discoveries, variables: dict[str, str], says: str
) -> None:
    ended = discoveries.run(code=1, **variables)
    (line,) = ended.stderr.splitlines()
    assert line.startswith("earshot: ") and says in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_what_was_confirmed(
    discoveries: Discoveries, number: signal.Signals
) -> None:
    discoveries.add_rows(3000)
    running = discoveries.start("--mode", "backfill", "--batch-size", "10")
    eventually(lambda: discoveries.pipeline.left() > 100)
    os.kill(running.pid, number)
    assert running.wait() == 128 + number
    sent = running.summary["sent"]
    assert 0 < sent < 3000
    assert len(discoveries.take_ids()) == sent
    assert discoveries.watermark() == running.summary["watermark"]
    assert "Traceback" not in running.stderr and "panicked" not in running.stderr
