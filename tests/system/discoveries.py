"""Sources with records, and discoveries of them, each a process as users start it.

The processes are forked from one that has imported everything, or twenty of them would
take most of a minute to begin.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import orjson
import psycopg
from bson import ObjectId
from psycopg import sql
from pymongo import MongoClient

from connectors.local import LocalServices
from tests.chaos.proxy import Proxy
from tests.system.pipeline import PATIENCE_SECONDS, ROOT, Pipeline, eventually

TEST_DATE = "2026-02-23"
NINE = datetime(2026, 2, 23, 9, tzinfo=UTC)

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["commands", "flows.discovery.start"])


def after_nine(seconds: float) -> datetime:
    """Return a time so many seconds after nine o'clock of the test date."""
    return NINE + timedelta(seconds=seconds)


@contextmanager
def behind(
    services: LocalServices, system: str
) -> Iterator[tuple[Proxy, dict[str, str]]]:
    """Yield a proxy before a system, and the variable with which a run goes there."""
    name, url = {
        "mongo": ("MONGO_URI", services.mongo_uri),
        "postgres": ("POSTGRES_DSN", services.postgres_dsn),
        "sqs": ("AWS_ENDPOINT_URL", services.environment()["AWS_ENDPOINT_URL"]),
    }[system]
    port = urlsplit(url).port
    assert port is not None
    with Proxy(port) as proxy:
        yield proxy, {name: url.replace(f":{port}", f":{proxy.port}")}


class Running:
    """A discovery that runs, or has."""

    def __init__(
        self, arguments: tuple[str, ...], environment: dict[str, str], folder: Path
    ) -> None:
        name = uuid4().hex
        self._stdout, self._stderr = folder / f"{name}.out", folder / f"{name}.err"
        outputs = (str(self._stdout), str(self._stderr))
        self._process = _forks.Process(
            target=_discover, args=(arguments, environment, outputs)
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid or 0

    @property
    def stderr(self) -> str:
        """What it has written to stderr so far."""
        return self._stderr.read_text() if self._stderr.exists() else ""

    @property
    def stdout(self) -> str:
        """What it has written to stdout so far."""
        return self._stdout.read_text() if self._stdout.exists() else ""

    @property
    def summary(self) -> dict[str, Any]:
        """The one line that it has printed."""
        (line,) = self.stdout.splitlines()
        found: dict[str, Any] = orjson.loads(line)
        return found

    def counts(self) -> tuple[int, ...]:
        """Return what was scanned, skipped, sent and what failed."""
        found = self.summary
        names = ("scanned", "skipped_existing", "sent", "failed")
        return tuple(found[name] for name in names)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return its log lines of an event."""
        lines = [orjson.loads(x) for x in self.stderr.splitlines() if x[:1] == "{"]
        return [line for line in lines if line["event"] == name]

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait for its end and return its exit code."""
        self._process.join(seconds)
        assert self._process.exitcode is not None, f"still runs: {self.stderr}"
        return self._process.exitcode

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.join()


def _discover(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    outputs: tuple[str, str],
) -> None:
    for descriptor, path in zip((1, 2), outputs, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    from commands import run

    run(["discover", *arguments])


@dataclass
class Discoveries:
    """A pipeline's sources, and discoveries of them."""

    pipeline: Pipeline
    rows: list[int] = field(default_factory=list)

    def start(self, *arguments: str, **more: str) -> Running:
        """Start a discovery of the test date."""
        usual = {
            "MONGO_SOURCE_COLLECTION": "assessments",
            "TEST_DATE": TEST_DATE,
            "LOG_FORMAT": "json",
        }
        environment = self.pipeline.settings(**(usual | more))
        return Running(arguments, environment, self.pipeline.folder)

    def run(self, *arguments: str, code: int = 0, **more: str) -> Running:
        """Run a discovery to its end, which must have an exit code."""
        running = self.start(*arguments, **more)
        assert running.wait() == code, running.stderr
        return running

    def wait_for_sent(self, count: int) -> None:
        """Wait until so many messages are on the queue."""
        eventually(lambda: self.pipeline.left() > count)

    def wait_for_its_middle(self, running: Running) -> None:
        """Wait until a run has sent some of many rows."""
        eventually(lambda: self.pipeline.left() > 100 or running.stdout)
        assert not running.stdout

    def add_row(self, seconds: float | None, **columns: Any) -> int:
        """Put a row into Postgres, changed so many seconds after nine; None: never."""
        number = len(self.rows) + 1
        row = {
            "id": number,
            "student_id": f"student-{number}",
            "udise": f"school-{number % 7}",
            "record_type": "teacher_record",
            "subject_id": "7",
            "subject_name": "Hindi",
            "test_date": TEST_DATE,
            "audio_url": f"https://audio.example/{number}.wav",
            "subject_created_at": NINE,
            "updated_at": None if seconds is None else after_nine(seconds),
            **columns,
        }
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(self.pipeline.schema, self.pipeline.table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(sql.Placeholder() for _ in row),
        )
        with psycopg.connect(self.pipeline.postgres_dsn, autocommit=True) as connection:
            connection.execute(statement, list(row.values()))
        self.rows.append(number)
        return number

    def add_rows(self, count: int, *, every: float = 1.0) -> None:
        """Put many rows into Postgres, each changed so many seconds after the last."""
        statement = sql.SQL(
            "INSERT INTO {} SELECT i, 'student-' || i, 'school', 'teacher_record', '7',"
            " 'Hindi', %s::date, 'https://audio.example/' || i || '.wav',"
            " %s::timestamptz, %s::timestamptz + i * %s * interval '1 second'"
            " FROM generate_series(%s::int, %s::int) AS i"
        ).format(sql.Identifier(self.pipeline.schema, self.pipeline.table))
        first = len(self.rows) + 1
        numbers = range(first, first + count)
        values = [TEST_DATE, NINE, NINE, every, first, numbers[-1]]
        with psycopg.connect(self.pipeline.postgres_dsn, autocommit=True) as connection:
            connection.execute(statement, values)
        self.rows.extend(numbers)

    def add_document(self, seconds: float | None, **fields: Any) -> ObjectId:
        """Put a document with one subject into Mongo."""
        key = ObjectId()
        subject = {
            "subject_id": 7,
            "subject_name": "Hindi",
            "audio_s3_url": f"s3://recordings/{key}.wav",
            "created_at": NINE,
        }
        document = {
            "_id": key,
            "student_id": 12,
            "udise": "school",
            "test_date": TEST_DATE,
            "updated_at": None if seconds is None else after_nine(seconds),
            "teacher_record": {"subjects": [subject]},
            **fields,
        }
        with MongoClient[Any](self.pipeline.mongo_uri) as client:
            client[self.pipeline.database]["assessments"].insert_one(document)
        return key

    def add_result(self, identity: str) -> None:
        """Put a result into Mongo."""
        with MongoClient[Any](self.pipeline.mongo_uri) as client:
            results = client[self.pipeline.database]["anomaly_detection_results"]
            results.insert_one({"_id": identity})

    def put_lease(self, *, host: str, expires_at: str) -> None:
        """Give the lease on the test date to a run of another machine."""
        collection = f"{self.pipeline.schema}.{self.pipeline.table}"
        key = orjson.dumps(["postgres", collection, TEST_DATE, None]).decode()
        lease = {"run": "other", "host": host, "process": 1, "expires_at": expires_at}
        with MongoClient[Any](self.pipeline.mongo_uri) as client:
            states = client[self.pipeline.database]["anomaly_pipeline_state"]
            states.update_one({"_id": f"lease {key}"}, {"$set": lease}, upsert=True)

    def state(self) -> list[dict[str, Any]]:
        """Return every document of the state collection."""
        with MongoClient[Any](self.pipeline.mongo_uri, tz_aware=True) as client:
            return list(client[self.pipeline.database]["anomaly_pipeline_state"].find())

    def watermark(self) -> str | None:
        """Return the one watermark that there is, None where there is none."""
        found = [
            state.get("watermark")
            for state in self.state()
            if not state["_id"].startswith("lease")
        ]
        assert len(found) <= 1
        return found[0] if found else None

    def take_messages(self) -> list[dict[str, Any]]:
        """Return the messages on the queue, and delete them."""
        found = []
        while batch := self._receive():
            found += [orjson.loads(message["Body"]) for message in batch]
        return found

    def take_ids(self) -> list[str]:
        """Return the source's ids of the messages on the queue, and delete them."""
        return sorted(
            (message["source_record_id"] for message in self.take_messages()),
            key=lambda key: (len(key), key),
        )

    def _receive(self) -> list[dict[str, Any]]:
        queue = {"QueueUrl": self.pipeline.queue_url}
        answer = self.pipeline.sqs.receive_message(**queue, MaxNumberOfMessages=10)
        found: list[dict[str, Any]] = answer.get("Messages", [])
        if found:
            entries = [
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                for index, message in enumerate(found)
            ]
            self.pipeline.sqs.delete_message_batch(**queue, Entries=entries)
        return found
