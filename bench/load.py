"""What the benchmark puts on the embedded services: recordings, rows and messages."""

from __future__ import annotations

import io
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import av
import numpy as np
import psycopg
import soundfile
import soxr
from pymongo import MongoClient

from bench.supply import Proof, Supply
from connectors.local import local_services
from connectors.local.aws import create_bucket, s3_client, sqs_client
from connectors.local.programs import REGION
from connectors.queues import create_queue
from model.records import DiscoveryRecord, WorkItem

ROOT = Path(__file__).parents[1]
#: Real speech, where it lies beside the repository.
SPEECH = ROOT.parent / "shared" / "audio" / "train" / "normal"
#: Samples a second of wav, and of mp3 and m4a, as phones record.
RATE, PHONE_RATE = 16_000, 44_100
BUCKET, TABLE, DATABASE = "bench-audio", "recordings", "earshot_bench"
RESULTS = "anomaly_detection_results"
#: Distinct recordings; the others are these again under another name.
DISTINCT = 20
#: Messages that a queue has at once, unless its depth is what is measured.
DEPTH = 1_000


class Load:
    """Embedded services with one queue after another on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.services = self._stack.enter_context(
            local_services(self.folder / "services")
        )
        self.sqs = self._stack.enter_context(sqs_client(self.services))
        self.s3 = self._stack.enter_context(s3_client(self.services))
        mongo: MongoClient[dict[str, Any]] = MongoClient(self.services.mongo_uri)
        self._stack.callback(mongo.close)
        self._pool = self._stack.enter_context(ThreadPoolExecutor(4))
        self.database = mongo[DATABASE]
        create_bucket(self.s3, BUCKET)
        self._execute(f"CREATE TABLE {TABLE} (id bigint PRIMARY KEY, audio_url text)")
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def put_audio(self, seconds: float, suffix: str) -> list[str]:
        """Put recordings of a length and format into S3; return their URLs."""
        urls = []
        for number, samples in enumerate(_speech(seconds)):
            key = f"{seconds:g}s-{number}.{suffix}"
            body = _encoded(samples, suffix)
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
            urls.append(f"s3://{BUCKET}/{key}")
        return urls

    def supply(
        self,
        count: int,
        urls: list[str],
        *,
        done: bool = False,
        depth: int = DEPTH,
    ) -> Supply:
        """Return records on a fresh queue; the results of earlier ones are dropped.

        Parameters
        ----------
        done
            Whether each record has its result already, so that only transport is
            left of the work.
        depth
            Messages that the queue is to have at once.
        """
        records = [record(n, urls[n % len(urls)]) for n in range(count)]
        self._put_rows(records)
        self.database[RESULTS].drop()
        if done:
            self._put_results(records)
        bodies = [one.to_message() for one in records]
        return self.supply_of(bodies, "row" if done else "result", depth)

    def _put_rows(self, records: list[DiscoveryRecord]) -> None:
        self._execute(f"TRUNCATE {TABLE}")
        with psycopg.connect(self.services.postgres_dsn, autocommit=True) as connection:
            with connection.cursor().copy(f"COPY {TABLE} FROM STDIN".encode()) as copy:
                for one in records:
                    copy.write_row((one.source_record_id, one.audio_s3_url))

    def _put_results(self, records: list[DiscoveryRecord]) -> None:
        ids = [WorkItem.of(one, "", 1).result_document_id for one in records]
        for start in range(0, len(ids), 5_000):
            some = [{"_id": key} for key in ids[start : start + 5_000]]
            self.database[RESULTS].insert_many(some)

    def supply_of(self, bodies: list[str], proof: Proof, depth: int = DEPTH) -> Supply:
        """Return messages on a fresh queue."""
        name = f"bench-{uuid.uuid4().hex[:8]}"
        return Supply(
            create_queue(self.sqs, name, visibility_timeout=300).url,
            bodies,
            send=self.send,
            left=self.left,
            pool=self._pool,
            depth=depth,
            proof=proof,
        )

    def send(self, queue: str, bodies: list[str]) -> None:
        """Send up to ten messages.

        Raises
        ------
        RuntimeError
            If SQS did not take one.
        """
        entries = [{"Id": str(n), "MessageBody": b} for n, b in enumerate(bodies)]
        answer = self.sqs.send_message_batch(QueueUrl=queue, Entries=entries)  # type: ignore[arg-type]
        if failed := answer.get("Failed"):
            raise RuntimeError(f"not sent: {failed}")

    def left(self, queue: str) -> int:
        """Return how many messages a queue has, visible or not."""
        answer = self.sqs.get_queue_attributes(
            QueueUrl=queue,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
            ],
        )
        return sum(map(int, answer["Attributes"].values()))

    def environment(self, queue: str) -> dict[str, str]:
        """Return the variables of a worker on a queue, defaults for all the rest."""
        return {
            **os.environ,
            **self.services.environment(),
            "AWS_DEFAULT_REGION": REGION,  # what boto3 itself and kombu read
            "PYTHONPATH": str(ROOT),
            "SQS_QUEUE_URL": queue,
            "MONGO_DB_NAME": DATABASE,
            "DISCOVERY_SOURCE_TYPE": "postgres",
            "POSTGRES_TABLE": TABLE,
            "LOG_FORMAT": "json",
        }

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.services.postgres_dsn, autocommit=True) as connection:
            connection.execute(statement.encode())


def record(number: int, url: str) -> DiscoveryRecord:
    """Return a record whose audio lies at `url`."""
    return DiscoveryRecord.model_validate(
        {
            "source_collection": f"public.{TABLE}",
            "source_record_id": str(number),
            "assessment_record_id": str(number),
            "test_date": "2026-02-23",
            "record_type": "teacher_record",
            "subject_id": "1",
            "subject_name": "Hindi",
            "audio_s3_url": url,
            "student_id": f"S{number}",
            "trace_id": uuid.uuid4().hex,
            "discovered_at": "2026-02-23T10:00:00Z",
        }
    )


def _speech(seconds: float) -> list[np.ndarray[Any, Any]]:
    """Return recordings of a length: real ones where they are, else generated."""
    files = sorted(SPEECH.glob("*.flac"))[:DISTINCT] if SPEECH.is_dir() else []
    voices = [soundfile.read(file, dtype="float32")[0] for file in files]
    if not voices:
        from demo.pupils import recordings

        read = [soundfile.read(io.BytesIO(r.audio)) for r in recordings(DISTINCT)]
        voices = [soxr.resample(y, rate, RATE) for y, rate in read]
    return [np.resize(voice, int(seconds * RATE)) for voice in voices]


def _encoded(samples: np.ndarray[Any, Any], suffix: str) -> bytes:
    file = io.BytesIO()
    if suffix == "wav":
        soundfile.write(file, samples, RATE, format="WAV", subtype="PCM_16")
        return file.getvalue()
    samples = soxr.resample(samples, RATE, PHONE_RATE)
    if suffix == "mp3":
        soundfile.write(file, samples, PHONE_RATE, format="MP3")
    else:
        _encode_aac(file, samples, PHONE_RATE)
    return file.getvalue()


def _encode_aac(file: io.BytesIO, samples: np.ndarray[Any, Any], rate: int) -> None:
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        block = 1024
        for start in range(0, len(samples), block):
            part = np.ascontiguousarray(samples[None, start : start + block], "float32")
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
