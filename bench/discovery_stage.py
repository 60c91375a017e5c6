"""What discovery's benchmark runs on: services, records in them, and runs."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import boto3
import psutil
import psycopg
from botocore.config import Config
from pymongo import MongoClient

from connectors import aws
from connectors.local import LocalServices
from connectors.sqs import MAX_ENTRIES
from flows.discovery.senders import SEND_THREADS

DATE = "2026-02-23"
STATES = "discovery_state"
NINE = datetime(2026, 2, 23, 9, tzinfo=UTC)
#: One record in so many has a result.
WITH_RESULT = 5

_ROWS = """
CREATE TABLE {table} AS SELECT
    i AS id, 'S' || i AS student_id, 'U' || i % 5000 AS udise,
    'teacher_record' AS record_type, '7' AS subject_id, 'Hindi' AS subject_name,
    date '2026-02-23' AS test_date,
    'https://recordings.example/2026-02-23/' || i || '.wav' AS audio_url,
    timestamptz '2026-02-23 08:00Z' AS subject_created_at,
    timestamptz '2026-02-23 09:00Z' + i * interval '36 ms' AS updated_at
FROM generate_series(1, {count}) AS i;
ALTER TABLE {table} ADD PRIMARY KEY (id), ALTER updated_at SET NOT NULL;
CREATE INDEX ON {table} (test_date, updated_at, id);
ANALYZE {table};
"""


@dataclass(frozen=True)
class Run:
    """One run of discovery: what it said, how long it took, what memory it had."""

    summary: dict[str, Any]
    seconds: float
    peak_mib: float

    @property
    def scanned_per_second(self) -> int:
        """Records read and checked in a second."""
        scanned: int = self.summary["scanned"]
        return round(scanned / self.seconds)


class Stage:
    """The services, and what discovery finds in them."""

    def __init__(self, services: LocalServices, queue_url: str, folder: Path) -> None:
        self._services, self._queue_url = services, queue_url
        self._folder = folder
        self._results = MongoClient[Any](services.mongo_uri)["bench"]

    def add_rows(self, table: str, count: int, *, results: bool = True) -> None:
        """Make a table of so many rows, with the results of a fifth of them or none."""
        with psycopg.connect(self._services.postgres_dsn, autocommit=True) as database:
            database.execute(_ROWS.format(table=table, count=count))
        if not results:
            return
        urls = (_url(number) for number in range(WITH_RESULT, count + 1, WITH_RESULT))
        numbers = range(WITH_RESULT, count + 1, WITH_RESULT)
        self._add_results(
            [f"public.{table}", f"S{number}", "Hindi", DATE, url]
            for number, url in zip(numbers, urls, strict=True)
        )

    def add_documents(self, count: int) -> None:
        """Make so many documents, with the results of a fifth of their records."""
        source = self._results["assessments"]
        for numbers in batched(range(count), 5000):
            source.insert_many([_document(number) for number in numbers])
        source.create_index([("test_date", 1), ("updated_at", 1)])
        self._add_results(
            ["assessments", f"S{number}", "Hindi", DATE, _url(number)]
            for number in range(0, count, WITH_RESULT)
        )

    def discover(self, *arguments: str, **more: str) -> Run:
        """Run a discovery and watch its memory."""
        log = self._folder / "discovery.log"
        with log.open("wb") as errors:
            process = psutil.Popen(
                [sys.executable, "run_flow.py", "discover", *arguments],
                env={**os.environ, **self._environment(), **more},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            peak = _peak_mib(process)
        output, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(log.read_text())
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        seconds = next(x["seconds"] for x in lines if x["event"] == _FINISHED)
        return Run(json.loads(output), seconds, peak)

    def bare_loop(self, count: int) -> float:
        """Send as many messages as fast as threads can; return messages a second.

        It is what anyone would write first, with boto3's client as it comes.
        """
        config = Config(max_pool_connections=SEND_THREADS)
        region = os.environ["AWS_REGION"]
        client = boto3.client("sqs", region_name=region, config=config)
        body = json.dumps({"body": "x" * 640})
        entries: Any = [{"Id": str(i), "MessageBody": body} for i in range(MAX_ENTRIES)]

        def send(_: int) -> None:
            client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)

        began = time.monotonic()
        with ThreadPoolExecutor(SEND_THREADS) as executor:
            list(executor.map(send, range(count // MAX_ENTRIES)))
        return count / (time.monotonic() - began)

    def clear(self) -> None:
        """Drop every message, and what a run has written down.

        A deep queue slows the emulated SQS down, and each run is to be a date's first.
        """
        aws.sqs_client().purge_queue(QueueUrl=self._queue_url)
        self._results[STATES].drop()

    def _add_results(self, keys: Iterable[list[str]]) -> None:
        results = self._results["anomaly_detection_results"]
        for chunk in batched(keys, 5000):
            results.insert_many([{"_id": _identity(key)} for key in chunk])

    def _environment(self) -> dict[str, str]:
        return {
            **self._services.environment(),
            "SQS_QUEUE_URL": self._queue_url,
            "MONGO_DB_NAME": "bench",
            "DISCOVERY_SOURCE_TYPE": "postgres",
            "POSTGRES_TABLE": "records",
            "MONGO_SOURCE_COLLECTION": "assessments",
            "MONGO_STATE_COLLECTION": STATES,
            "TEST_DATE": DATE,
            "LOG_FORMAT": "json",
        }


#: Seconds between two looks at the memory; a look takes 5 ms.
_SAMPLE_SECONDS = 0.5
_FINISHED = "discovery_finished"


def batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of so many items."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def _peak_mib(process: psutil.Popen) -> float:
    """Return the peak memory of a process with its children once it has ended.

    Pages that they share count once: the sum of proportional set sizes.
    """
    peak = 0
    while process.poll() is None:
        with suppress(psutil.Error):
            all_of_it = [process, *process.children(recursive=True)]
            peak = max(peak, sum(one.memory_full_info().pss for one in all_of_it))
        time.sleep(_SAMPLE_SECONDS)
    return round(peak / 1024**2, 1)


def _url(number: int) -> str:
    return f"https://recordings.example/{DATE}/{number}.wav"


def _identity(key: list[str]) -> str:
    text = json.dumps(key, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _document(number: int) -> dict[str, Any]:
    changed = NINE + timedelta(milliseconds=36 * number)
    subject = {"subject_id": 7, "subject_name": "Hindi", "created_at": NINE}
    first = subject | {"audio_s3_url": _url(number)}
    second = subject | {"audio_s3_url": f"{_url(number)}.admin"}
    return {
        "student_id": f"S{number}",
        "test_date": DATE,
        "updated_at": changed,
        "teacher_record": {"subjects": [first]},
        "admin_record": {"subjects": [second]},
    }
