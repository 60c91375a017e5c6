"""What the demo plays: recordings in S3, rows in Postgres, documents in Mongo."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from pymongo import MongoClient

from connectors.local import LocalServices
from connectors.local.aws import create_bucket, s3_client, sqs_client
from connectors.queues import Queue, create_queue
from demo.pupils import Recording
from model.records import DiscoveryRecord, WorkItem

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

TEST_DATE = "2026-02-23"
DATABASE = "earshot_demo"
DOCUMENTS = "assessments"
TABLE = "assessment_records"
BUCKET = "recordings"
RESULTS = "anomaly_detection_results"
#: Receives after which a message that fails goes to the dead-letter queue.
MAX_RECEIVES = 3

_MOMENT = datetime(2026, 2, 23, 9, 30, tzinfo=UTC)
_TABLE = f"""
    CREATE TABLE {TABLE} (
        id bigint PRIMARY KEY, student_id text, udise text, record_type text,
        subject_id text, subject_name text, test_date date, audio_url text,
        subject_created_at timestamptz, updated_at timestamptz
    )
"""


@dataclass(frozen=True)
class Row:
    """A row of the Postgres source."""

    id: int
    recording: Recording
    url: str

    def values(self) -> tuple[object, ...]:
        """Return the row in the order of the table's columns."""
        pupil, at = self.recording, _MOMENT + timedelta(seconds=self.id)
        subject = pupil.subject_name
        identity = (self.id, pupil.student_id, pupil.udise, "teacher_record")
        return (*identity, subject.lower(), subject, TEST_DATE, self.url, at, at)

    def message(self) -> DiscoveryRecord:
        """Return the message that discovery would send for the row."""
        return DiscoveryRecord(
            source_collection=f"public.{TABLE}",
            source_record_id=str(self.id),
            assessment_record_id=str(self.id),
            test_date=datetime.fromisoformat(TEST_DATE).date(),
            record_type="teacher_record",
            subject_id=self.recording.subject_name.lower(),
            subject_name=self.recording.subject_name,
            audio_s3_url=self.url,
            student_id=self.recording.student_id,
            udise=self.recording.udise,
            trace_id=f"{self.id:032x}",
            discovered_at=_MOMENT,
        )


class Stage:
    """The services with the demo's records on them.

    Attributes
    ----------
    kinds
        By URL: what each recording that was put there is.
    """

    def __init__(self, services: LocalServices) -> None:
        self.services = services
        self.kinds: dict[str, str] = {}
        self._mongo: MongoClient[dict[str, Any]] = MongoClient(services.mongo_uri)
        self._database = self._mongo[DATABASE]
        with sqs_client(services) as sqs:
            self.queue: Queue = create_queue(
                sqs, "recordings", max_receive_count=MAX_RECEIVES
            )
        with s3_client(services) as s3:
            create_bucket(s3, BUCKET)
        with psycopg.connect(services.postgres_dsn, autocommit=True) as connection:
            connection.execute(_TABLE)

    def put(self, recordings: Iterable[Recording]) -> None:
        """Put recordings into S3, every other one into Postgres or into Mongo."""
        with s3_client(self.services) as s3:
            for number, recording in enumerate(recordings):
                url = self._upload(s3, number, recording)
                if number % 4 < 2:
                    self.put_row(Row(number, recording, url))
                else:
                    self._put_document(number, recording, url)

    def put_row(self, row: Row) -> None:
        """Put a row into Postgres."""
        places = ", ".join(["%s"] * len(row.values()))
        self._execute(f"INSERT INTO {TABLE} VALUES ({places})", row.values())

    def delete_row(self, row: Row) -> None:
        """Take a row out of Postgres again."""
        self._execute(f"DELETE FROM {TABLE} WHERE id = %s", (row.id,))

    def put_result(self, row: Row) -> None:
        """Put a result there, as if the row had been processed yesterday."""
        item = WorkItem.of(row.message(), "earlier", 1)
        self._database[RESULTS].insert_one(
            {
                "_id": item.result_document_id,
                **row.message().message_fields(),
                "processing_status": "completed",
            }
        )

    def send(self, *bodies: str) -> None:
        """Put messages on the queue past discovery."""
        with sqs_client(self.services) as sqs:
            for body in bodies:
                sqs.send_message(QueueUrl=self.queue.url, MessageBody=body)

    def left(self, url: str) -> int:
        """Return how many messages a queue has, visible or not."""
        with sqs_client(self.services) as sqs:
            return _left(sqs, url)

    def results(self) -> list[dict[str, Any]]:
        """Return the results that the worker wrote."""
        return list(self._database[RESULTS].find({"features": {"$exists": True}}))

    def close(self) -> None:
        """Close the connections."""
        self._mongo.close()

    def _upload(self, s3: S3Client, number: int, recording: Recording) -> str:
        key = f"{TEST_DATE}/{recording.student_id}-{number}.{recording.suffix}"
        s3.put_object(Bucket=BUCKET, Key=key, Body=recording.audio)
        url = f"s3://{BUCKET}/{key}"
        self.kinds[url] = recording.kind
        return url

    def _put_document(self, number: int, recording: Recording, url: str) -> None:
        record_type = "teacher_record" if number % 2 else "admin_record"
        at = _MOMENT + timedelta(seconds=number)
        subject = {
            "subject_id": recording.subject_name.lower(),
            "subject_name": recording.subject_name,
            "audio_s3_url": url,
            "created_at": at,
        }
        self._database[DOCUMENTS].insert_one(
            {
                "student_id": recording.student_id,
                "udise": recording.udise,
                "test_date": TEST_DATE,
                "updated_at": at,
                record_type: {"subjects": [subject]},
            }
        )

    def _execute(self, statement: str, values: tuple[object, ...]) -> None:
        with psycopg.connect(self.services.postgres_dsn, autocommit=True) as connection:
            connection.execute(statement.encode(), values)


def _left(sqs: SQSClient, url: str) -> int:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    return sum(
        int(value)
        for name, value in answer["Attributes"].items()
        if name.startswith("ApproximateNumberOfMessages")
    )
