"""A pipeline on the embedded services, and workers started as users start them."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import psycopg
from psycopg import sql
from pymongo import MongoClient

ROOT = Path(__file__).parents[2]
#: Seconds after which a test gives up; far beyond what anything takes.
PATIENCE_SECONDS = 60


@dataclass
class Pipeline:
    """One queue, database, table and folder, and what a worker needs to use them."""

    sqs: Any
    queue_url: str
    dead_letter_url: str
    mongo_uri: str
    database: str
    postgres_dsn: str
    schema: str
    table: str
    folder: Path
    environment: dict[str, str]
    sent: list[dict[str, Any]] = field(default_factory=list)

    def settings(self, **more: str) -> dict[str, str]:
        """Return the environment of a worker, with `more` variables."""
        return {
            **{k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR")},
            **self.environment,
            "PYTHONPATH": str(ROOT),
            "SQS_QUEUE_URL": self.queue_url,
            "MONGO_URI": self.mongo_uri,
            "MONGO_DB_NAME": self.database,
            "DISCOVERY_SOURCE_TYPE": "postgres",
            "POSTGRES_DSN": self.postgres_dsn,
            "POSTGRES_SCHEMA": self.schema,
            "POSTGRES_TABLE": self.table,
            "CSV_OUTPUT_PATH": str(self.folder / "results.csv"),
            "QUARANTINE_PATH": str(self.folder / "quarantine.jsonl"),
            "AUDIO_ALLOWED_HOSTS": "127.0.0.1",
            "INFERENCE_PROCESSES": "1",
            "IDLE_EXIT_SECONDS": "2",
            "S3_MAX_RETRIES": "0",
            "METRICS_PORT": "0",
            **more,
        }

    def add(self, url: str, **fields: Any) -> dict[str, Any]:
        """Put a row into the source and its message on the queue."""
        message = self.row(url, **fields)
        self.send(message)
        return message

    def row(self, url: str, **fields: Any) -> dict[str, Any]:
        """Put a row into the source; return its message."""
        number = len(self.sent)
        statement = sql.SQL("INSERT INTO {} (id, audio_url) VALUES (%s, %s)")
        with psycopg.connect(self.postgres_dsn, autocommit=True) as connection:
            name = sql.Identifier(self.schema, self.table)
            connection.execute(statement.format(name), [number, url])
        message = self.message(url, number, **fields)
        self.sent.append(message)
        return message

    def message(self, url: str, number: int, **fields: Any) -> dict[str, Any]:
        """Return a record's message."""
        return {
            "source_collection": f"{self.schema}.{self.table}",
            "mongo_doc_id": None,
            "source_record_id": str(number),
            "assessment_record_id": str(number),
            "test_date": "2026-02-23",
            "record_type": "teacher_record",
            "subject_id": "7",
            "subject_name": "हिन्दी",
            "audio_s3_url": url,
            "source_updated_at": "2026-02-23T09:30:00Z",
            "subject_created_at": "2026-02-23T09:00:00Z",
            "student_id": f"student-{number}",
            "udise": None,
            "trace_id": uuid4().hex,
            "discovered_at": "2026-02-23T10:00:00Z",
            **fields,
        }

    def send(self, message: dict[str, Any] | str) -> None:
        """Put a message on the queue."""
        body = message if isinstance(message, str) else orjson.dumps(message).decode()
        self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)

    def results(self) -> list[dict[str, Any]]:
        """Return every result."""
        client: MongoClient[dict[str, Any]]
        with MongoClient(self.mongo_uri) as client:
            return list(client[self.database]["anomaly_detection_results"].find())

    def rows(self, name: str = "results.csv") -> list[dict[str, str]]:
        """Return the rows of a CSV file that a worker wrote."""
        with (self.folder / name).open(newline="") as file:
            return list(csv.DictReader(file))

    def left(self, url: str | None = None) -> int:
        """Return how many messages a queue has, visible or not."""
        names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ]
        answer = self.sqs.get_queue_attributes(
            QueueUrl=url or self.queue_url, AttributeNames=names
        )
        return sum(int(answer["Attributes"][name]) for name in names)

    def run(self, *arguments: str, **more: str) -> WorkerProcess:
        """Run a worker until it ends by itself."""
        with self.worker(*arguments, **more) as process:
            process.wait()
        return process

    @contextmanager
    def worker(self, *arguments: str, **more: str) -> Iterator[WorkerProcess]:
        """Start a worker; it is killed at the end if it still runs."""
        command = arguments or ("-m", "bytewax.run", "run_flow")
        process = WorkerProcess(
            [sys.executable, *command], self.settings(**more), self.folder
        )
        try:
            yield process
        finally:
            process.kill()


class WorkerProcess:
    """A process that a test started."""

    def __init__(
        self, command: list[str], environment: dict[str, str], folder: Path
    ) -> None:
        self._log = folder / f"{uuid4().hex}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env=environment,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                text=True,
            )
        self.stdout = ""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def stderr(self) -> str:
        """What it has written to stderr so far."""
        return self._log.read_text()

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return its log lines, those of one event where a name is given."""
        lines = [orjson.loads(x) for x in self.stderr.splitlines() if x[:1] == "{"]
        return [line for line in lines if name in (None, line["event"])]

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait for its end and return its exit code."""
        self.stdout, _ = self._process.communicate(timeout=seconds)
        return self._process.returncode

    @property
    def exit_code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it, if it runs, and release what it held here."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


def eventually(
    condition: Callable[[], object], seconds: float = PATIENCE_SECONDS
) -> None:
    """Wait until a condition holds; fail when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
