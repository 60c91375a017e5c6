"""The worker that one writes in an afternoon: the yardstick of the benchmark.

boto3 long polling, a pool of threads with requests and S3, ``librosa.load`` and one
librosa call for each feature, an isolation forest, ``bulk_write``, ``csv``,
``delete_message_batch``. It reads the same environment as the real one, and is written
as well as one would in an afternoon: batches where the services have them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import librosa
import numpy as np
import psycopg
import requests
from pymongo import MongoClient, ReplaceOne
from sklearn.ensemble import IsolationForest

SAMPLE_RATE = 16_000
FIELDS = ["result_document_id", "trace_id", "processing_status", "is_anomaly", "score"]


def features(data: bytes) -> np.ndarray[Any, Any]:
    """Return means and deviations of the usual librosa features."""
    y, sr = librosa.load(io.BytesIO(data), sr=SAMPLE_RATE)
    mfcc = librosa.feature.mfcc(y=y, sr=sr, n_mfcc=13)
    rows = [
        mfcc,
        librosa.feature.delta(mfcc),
        librosa.feature.delta(mfcc, order=2),
        librosa.feature.spectral_centroid(y=y, sr=sr),
        librosa.feature.spectral_bandwidth(y=y, sr=sr),
        librosa.feature.spectral_rolloff(y=y, sr=sr),
        librosa.feature.zero_crossing_rate(y),
        librosa.feature.rms(y=y),
        librosa.feature.spectral_flatness(y=y),
        librosa.feature.spectral_contrast(y=y, sr=sr),
        librosa.feature.chroma_stft(y=y, sr=sr),
    ]
    both = [[row.mean(axis=1), row.std(axis=1)] for row in rows]
    return np.concatenate([part for pair in both for part in pair])


class PlainWorker:
    """Receive ten, process them, write, delete, again."""

    def __init__(self) -> None:
        self.stopping = False
        self.queue_url = os.environ["SQS_QUEUE_URL"]
        self.sqs, self.s3 = boto3.client("sqs"), boto3.client("s3")
        self.session = requests.Session()
        self.pool = ThreadPoolExecutor(int(os.environ.get("PLAIN_THREADS", "8")))
        mongo: MongoClient[dict[str, Any]] = MongoClient(os.environ["MONGO_URI"])
        self.results = mongo[os.environ["MONGO_DB_NAME"]]["anomaly_detection_results"]
        self.postgres = psycopg.connect(os.environ["POSTGRES_DSN"], autocommit=True)
        self.table = os.environ["POSTGRES_TABLE"]
        path = Path(os.environ["CSV_OUTPUT_PATH"])
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("a", newline="")
        self.rows = csv.DictWriter(self.file, FIELDS)
        if not self.file.tell():
            self.rows.writeheader()
        rng = np.random.default_rng(0)
        self.forest = IsolationForest(random_state=0).fit(rng.normal(size=(240, 128)))

    def run(self) -> None:
        """Work until told to stop, or until the queue was empty for so long."""
        idle_exit = float(os.environ.get("IDLE_EXIT_SECONDS", "0"))
        idle_since = time.monotonic()
        while not self.stopping:
            answer = self.sqs.receive_message(
                QueueUrl=self.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1
            )
            messages = answer.get("Messages", [])
            if messages:
                self.process(messages)
                idle_since = time.monotonic()
            elif idle_exit and time.monotonic() - idle_since >= idle_exit:
                break

    def process(self, messages: list[Any]) -> None:
        """Process one receive."""
        items = [{"message": m, **json.loads(m["Body"])} for m in messages]
        for item in items:
            item["id"] = identity(item)
        todo = self.unfinished(items)
        if todo:
            self.judge(todo)
        self.write(items)
        self.sqs.delete_message_batch(
            QueueUrl=self.queue_url,
            Entries=[
                {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]}
                for n, m in enumerate(messages)
            ],
        )

    def unfinished(self, items: list[Any]) -> list[Any]:
        """Return the items whose record is there still and has no result."""
        known = {
            found["_id"]
            for found in self.results.find(
                {"_id": {"$in": [item["id"] for item in items]}}, {"_id": 1}
            )
        }
        ids = [int(item["source_record_id"]) for item in items]
        query = f"SELECT id::text FROM {self.table} WHERE id = ANY(%s)"
        there = {row[0] for row in self.postgres.execute(query.encode(), [ids])}
        return [
            item
            for item in items
            if item["id"] not in known and item["source_record_id"] in there
        ]

    def judge(self, items: list[Any]) -> None:
        """Download and score items, and write their results."""
        vectors = list(self.pool.map(self.measure, items))
        scores = -self.forest.score_samples(np.stack(vectors))
        for item, score in zip(items, scores, strict=True):
            item["score"], item["is_anomaly"] = float(score), bool(score > 0.5)
        self.results.bulk_write(
            [
                ReplaceOne(
                    {"_id": item["id"]},
                    {
                        **{k: v for k, v in item.items() if k not in ("message", "id")},
                        "_id": item["id"],
                        "processing_status": "completed",
                        "processed_at": datetime.now(UTC),
                    },
                    upsert=True,
                )
                for item in items
            ],
            ordered=False,
        )

    def measure(self, item: Any) -> np.ndarray[Any, Any]:
        """Return one recording's features."""
        return features(self.download(item["audio_s3_url"]))

    def download(self, url: str) -> bytes:
        """Return the bytes behind a URL."""
        parts = urlsplit(url)
        if parts.scheme == "s3":
            got = self.s3.get_object(Bucket=parts.netloc, Key=parts.path[1:])
            return bytes(got["Body"].read())
        answer = self.session.get(url, timeout=60)
        answer.raise_for_status()
        return answer.content

    def write(self, items: list[Any]) -> None:
        """Write a row for each item."""
        for item in items:
            self.rows.writerow(
                {
                    "result_document_id": item["id"],
                    "trace_id": item["trace_id"],
                    "processing_status": "completed"
                    if "score" in item
                    else "skipped_existing",
                    "is_anomaly": item.get("is_anomaly"),
                    "score": item.get("score"),
                }
            )
        self.file.flush()


def identity(item: Any) -> str:
    """Return the result's id, as the contract of results has it."""
    names = (
        "source_collection",
        "student_id",
        "subject_name",
        "test_date",
        "audio_s3_url",
    )
    key = json.dumps(
        [item[name] for name in names], ensure_ascii=False, separators=(",", ":")
    )
    return hashlib.sha256(key.encode()).hexdigest()


if __name__ == "__main__":
    worker = PlainWorker()
    signal.signal(signal.SIGTERM, lambda *_: setattr(worker, "stopping", True))
    worker.run()
