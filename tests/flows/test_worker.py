"""The worker's graph driven with test inputs: every delivery comes out as one end."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import orjson
import psycopg
import pytest
from bytewax.testing import TestingSink, TestingSource, run_main
from psycopg import sql

from connectors.download import Downloader, DownloadLimits
from connectors.mongo import Database, Results, SourceDocuments
from connectors.postgres import Rows
from connectors.sqs import Delivery
from flows.audio_hosts import AudioHosts
from flows.budget import ByteBudget
from flows.copies import Copies
from flows.dependencies import Dependencies
from flows.downloads import Downloads, Fetched, Withdrawn
from flows.extraction import extract_features
from flows.failures import failed
from flows.inference import Measured, Score
from flows.parsing import Malformed
from flows.settle import End
from flows.triage import MongoSource, PostgresSource, Triage
from flows.worker import Steps, build_flow
from model.audio import AudioError, AudioLimits
from model.detector import load_model
from model.outcomes import Kind, Outcome, Status
from tests import recordings
from tests.audio_host import AudioHost, Response
from tests.model.test_records import MESSAGE

DOCUMENT = "65d8f0c2a1b2c3d4e5f60718"


class Rig:
    """The worker's real steps on real services, children replaced by threads."""

    def __init__(
        self, mongo_uri: str, database: str, dsn: str, schema: str, table: str
    ) -> None:
        self.dsn, self.schema, self.table = dsn, schema, table
        self.source_collection = f"{schema}.{table}"
        self.database = Database(mongo_uri, database)
        self.results = Results(self.database.collection("results"))
        self.documents = self.database.collection("assessments")
        self.rows = Rows(dsn, schema, table)
        self.copies = Copies()
        self.held = True
        limits = DownloadLimits(retries=0, allowed_hosts=("127.0.0.1",))
        self.downloader = Downloader(limits)
        self.budget = ByteBudget(1 << 40)  # a test's source ends before its items
        self.downloads = Downloads(
            self.downloader,
            threads=4,
            begin=lambda message_id: self.held,
            hosts=AudioHosts(),
            budget=self.budget,
            patience=0,
        )
        self.executor = ThreadPoolExecutor(4)

    def close(self) -> None:
        self.downloads.close()
        self.executor.shutdown()
        self.rows.close()
        self.database.close()
        self.downloader.close()

    def add_row(self, id: int, url: str) -> None:
        name = sql.Identifier(self.schema, self.table)
        statement = sql.SQL("INSERT INTO {} (id, audio_url) VALUES (%s, %s)")
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement.format(name), [id, url])

    def message(self, id: int, url: str, **changed: Any) -> str:
        fields = {
            **MESSAGE,
            "source_collection": self.source_collection,
            "source_record_id": str(id),
            "student_id": f"student-{id}",
            "audio_s3_url": url,
            **changed,
        }
        return orjson.dumps(fields).decode()

    def run(self, *bodies: str, batch_size: int = 32) -> list[End]:
        deliveries = [
            Delivery(f"m{number}", body, 1) for number, body in enumerate(bodies)
        ]
        ends: list[End] = []
        triage = Triage(
            self.results,
            [
                PostgresSource(self.source_collection, self.rows),
                MongoSource("assessments", SourceDocuments(self.documents)),
            ],
            Dependencies(),
            self.copies,
        )
        steps = Steps(
            triage=lambda items: self.executor.submit(triage, items),
            download=self.downloads.submit,
            measure=self._measure,
            score=Score(load_model()),
            under_way=lambda: len(self.copies),
        )
        flow = build_flow(
            TestingSource(deliveries, batch_size=10),
            TestingSink(ends),
            steps,
            batch_size=batch_size,
            batch_age=timedelta(seconds=5),
        )
        run_main(flow)
        return ends

    def _measure(self, fetched: Fetched) -> Future[Measured | Outcome]:
        def measure() -> Measured | Outcome:
            try:
                extracted = extract_features(fetched.recording.path, AudioLimits())
            except AudioError as error:
                return failed(fetched.item, error)
            finally:
                fetched.recording.close()
                self.budget.release(fetched.item.message_id)
            return Measured(fetched.item, extracted)

        return self.executor.submit(measure)


@pytest.fixture
def rig(
    mongo_uri: str,
    database: str,
    postgres_dsn: str,
    postgres_schema: str,
    postgres_table: str,
) -> Iterator[Rig]:
    made = Rig(mongo_uri, database, postgres_dsn, postgres_schema, postgres_table)
    yield made
    made.close()


def outcome(end: End) -> Outcome:
    assert isinstance(end, Outcome), end
    return end


def test_a_good_recording_is_judged(rig: Rig, audio_host: AudioHost) -> None:
    url = audio_host.serve("/a.wav", Response(recordings.tone()))
    rig.add_row(1, url)
    (end,) = rig.run(rig.message(1, url))
    assert outcome(end).status is Status.COMPLETED
    judged = outcome(end).judgement
    assert judged is not None and judged.is_anomaly and judged.reasons


def test_every_delivery_comes_out_once_whatever_it_is(
    rig: Rig, audio_host: AudioHost
) -> None:
    wav = recordings.tone(0.3)
    bodies = []
    for number in range(50):
        url = audio_host.serve(f"/{number}.wav", Response(wav))
        if number % 5 != 4:
            rig.add_row(number, url)
        body = rig.message(number, url)
        bodies.append("{" if number % 7 == 6 else body)
    ends = rig.run(*bodies, batch_size=8)
    assert len(ends) == 50
    ids = [
        end.delivery.message_id if isinstance(end, Malformed) else end.item.message_id
        for end in ends
    ]
    assert sorted(ids) == sorted(f"m{number}" for number in range(50))


def test_a_malformed_message_keeps_its_reason(rig: Rig) -> None:
    (end,) = rig.run(rig.message(1, "ftp://a"))
    assert isinstance(end, Malformed)
    assert end.reason.startswith("audio_s3_url: ")


def test_a_record_with_a_result_is_skipped_without_a_download(
    rig: Rig, audio_host: AudioHost
) -> None:
    url = audio_host.serve("/a.wav", Response(recordings.tone()))
    rig.add_row(1, url)
    (first,) = rig.run(rig.message(1, url))
    rig.results.upsert([outcome(first).result_document()])
    rig.copies.resolve(outcome(first))
    (end,) = rig.run(rig.message(1, url))
    assert outcome(end).status is Status.SKIPPED_EXISTING
    assert audio_host.requests("/a.wav") == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"source_record_id": "2"},
        {"source_record_id": "no number"},
        {"source_record_id": "1; DROP TABLE records"},
        {"source_record_id": "99999999999999999999999"},
        {"audio_s3_url": "https://elsewhere.example/a.wav"},
    ],
)
def test_a_record_that_its_table_does_not_have_is_ineligible(
    rig: Rig, changed: dict[str, str]
) -> None:
    rig.add_row(1, "http://127.0.0.1/a.wav")
    (end,) = rig.run(rig.message(1, "http://127.0.0.1/a.wav", **changed))
    assert outcome(end).status is Status.SKIPPED_INELIGIBLE


def test_one_id_that_its_column_cannot_hold_spoils_no_other_item_of_the_batch(
    rig: Rig, audio_host: AudioHost
) -> None:
    url = audio_host.serve("/a.wav", Response(recordings.tone(0.3)))
    for number in range(4):
        rig.add_row(number, url)
    bodies = [rig.message(number, url) for number in range(4)]
    bodies.insert(2, rig.message(9, url, source_record_id="x"))
    statuses = [outcome(end).status for end in rig.run(*bodies)]
    assert statuses.count(Status.COMPLETED) == 4
    assert statuses.count(Status.SKIPPED_INELIGIBLE) == 1


def test_a_source_that_the_worker_does_not_know_fails_and_comes_back(rig: Rig) -> None:
    body = rig.message(1, "https://h/a", source_collection="other.table")
    (end,) = rig.run(body)
    failure = outcome(end).failure
    assert failure is not None and failure.kind is Kind.TRANSIENT
    assert "other.table" in failure.reason


def document(rig: Rig, **changed: Any) -> None:
    from bson import ObjectId

    subject = {"subject_id": 7, "subject_name": "Hindi", "audio_s3_url": "URL"}
    rig.documents.insert_one(
        {
            "_id": ObjectId(DOCUMENT),
            "teacher_record": {"subjects": [{**subject, **changed}]},
        }
    )


def mongo_message(rig: Rig, url: str, **changed: Any) -> str:
    fields = {
        "source_collection": "assessments",
        "mongo_doc_id": DOCUMENT,
        "subject_id": "7",
        **changed,
    }
    return rig.message(1, url, **fields)


def test_a_mongo_record_is_judged(rig: Rig, audio_host: AudioHost) -> None:
    url = audio_host.serve("/a.wav", Response(recordings.tone()))
    document(rig, audio_s3_url=None, audio_url=url)
    (end,) = rig.run(mongo_message(rig, url))
    assert outcome(end).status is Status.COMPLETED


@pytest.mark.parametrize(
    "changed",
    [
        {"mongo_doc_id": "65d8f0c2a1b2c3d4e5f60719"},
        {"mongo_doc_id": "no object id"},
        {"mongo_doc_id": '{"$ne": null}'},
        {"record_type": "admin_record"},
        {"subject_id": "8"},
        {"audio_s3_url": "https://elsewhere.example/a.wav"},
    ],
)
def test_a_mongo_record_that_is_gone_is_ineligible(
    rig: Rig, changed: dict[str, str]
) -> None:
    document(rig, audio_s3_url="https://h/a.wav")
    (end,) = rig.run(mongo_message(rig, "https://h/a.wav", **changed))
    assert outcome(end).status is Status.SKIPPED_INELIGIBLE


@pytest.mark.parametrize(
    "part", [None, [], "text", {"subjects": "text"}, {"subjects": ["text", None, 5]}]
)
def test_a_document_of_another_shape_is_ineligible(rig: Rig, part: Any) -> None:
    from bson import ObjectId

    rig.documents.insert_one({"_id": ObjectId(DOCUMENT), "teacher_record": part})
    (end,) = rig.run(mongo_message(rig, "https://h/a.wav"))
    assert outcome(end).status is Status.SKIPPED_INELIGIBLE


def test_a_recording_that_is_no_audio_fails_for_good(
    rig: Rig, audio_host: AudioHost
) -> None:
    url = audio_host.serve("/a.wav", Response(b"<html>"))
    rig.add_row(1, url)
    (end,) = rig.run(rig.message(1, url))
    failure = outcome(end).failure
    assert failure is not None
    assert (failure.kind, failure.stage) == (Kind.PERMANENT, "decode")


def test_copies_of_one_record_are_worked_on_once(
    rig: Rig, audio_host: AudioHost
) -> None:
    url = audio_host.serve("/a.wav", Response(recordings.tone()))
    rig.add_row(1, url)
    body = rig.message(1, url)
    (end,) = rig.run(body, body, body)
    resolved = rig.copies.resolve(outcome(end))
    assert [one.status for one in resolved] == [
        Status.COMPLETED,
        Status.SKIPPED_EXISTING,
        Status.SKIPPED_EXISTING,
    ]
    assert sorted(one.item.message_id for one in resolved) == ["m0", "m1", "m2"]
    assert audio_host.requests("/a.wav") == 1
    assert len(rig.copies) == 0


def test_an_item_that_is_not_held_any_more_is_not_downloaded(
    rig: Rig, audio_host: AudioHost
) -> None:
    url = audio_host.serve("/a.wav", Response(recordings.tone()))
    rig.add_row(1, url)
    rig.held = False
    (end,) = rig.run(rig.message(1, url))
    assert isinstance(end, Withdrawn)
    assert audio_host.requests("/a.wav") == 0
