"""The parts of the benchmark, each against its partner in the same run."""

from __future__ import annotations

import base64
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from bench.load import BUCKET, Load, record
from bench.measure import Running

EARSHOT = [sys.executable, "-m", "bytewax.run", "run_flow"]
PLAIN = [sys.executable, "-m", "bench.plain_worker"]
CELERY = [
    *(sys.executable, "-m", "celery", "-A", "bench.celery_app", "worker"),
    *("--pool", "solo", "--without-gossip", "--without-mingle", "--without-heartbeat"),
    *("-Q", "celery", "--loglevel", "ERROR"),
]


@dataclass(frozen=True)
class Run:
    """One run of one worker over a full queue.

    Attributes
    ----------
    rate
        Messages deleted a second between the first and the last delete.
    first
        Seconds from the start of the process to the first delete.
    cpu
        CPU seconds a message, of all its processes, between the first delete and
        the last.
    parent, child
        Highest memory of a parent and of a child, in MiB.
    """

    rate: float
    first: float
    cpu: float
    parent: float
    child: float


def drain(
    load: Load, queue: str, count: int, command: list[str], processes: int, **more: str
) -> Run:
    """Run a worker until its queue is empty."""
    environment = {**load.environment(queue), "METRICS_PORT": "0", **more}
    environments = [
        {**environment, "CSV_OUTPUT_PATH": str(load.folder / f"{uuid.uuid4().hex}.csv")}
        for _ in range(processes)
    ]
    log = load.folder / "worker.log"
    with Running([command] * processes, environments, log) as running:
        first = running.wait(lambda: load.left(queue) < count)
        begun, cpu = load.left(queue), running.cpu
        last = running.wait(lambda: load.left(queue) == 0)
        used = running.cpu - cpu
        return Run(
            rate=begun / (last - first),
            first=first,
            cpu=used / begun,
            parent=running.peak(parent=True),
            child=running.peak(parent=False),
        )


def pipeline(
    load: Load, count: int, plain_count: int, urls: list[str]
) -> dict[str, Run]:
    """Judge recordings: Earshot in one process, then two plain workers."""
    ours = earshot(load, count, urls)
    queue = load.fill(plain_count, urls)
    theirs = drain(load, queue, plain_count, PLAIN, 2, PLAIN_THREADS="4")
    return {"earshot": ours, "plain": theirs}


def earshot(load: Load, count: int, urls: list[str], **more: str) -> Run:
    """Judge recordings in one process of Earshot."""
    return drain(load, load.fill(count, urls), count, EARSHOT, 1, **more)


def transport(load: Load, count: int) -> dict[str, Run]:
    """Pass messages whose records have results; Celery passes empty tasks."""
    urls = [f"s3://{BUCKET}/none.wav"]
    ours = drain(load, load.fill(count, urls, done=True), count, EARSHOT, 1)
    plain = drain(load, load.fill(count, urls, done=True), count, PLAIN, 1)
    return {"earshot": ours, "plain": plain, "celery": celery(load, count)}


def celery(load: Load, count: int) -> Run:
    """Let Celery run empty tasks from a queue of its own."""
    queue = load.fill(0, [""])
    bodies = [_task(number) for number in range(count)]
    for start in range(0, count, 10):
        load.send(queue, bodies[start : start + 10])
    return drain(load, queue, count, CELERY, 1, CELERY_QUEUE_URL=queue)


def _task(number: int) -> str:
    """Return an empty task's message as kombu writes it."""
    identity = str(uuid.uuid4())
    body = orjson.dumps([[number], {}, {"callbacks": None, "errbacks": None}])
    message = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": "bench.nothing",
            "id": identity,
            "root_id": identity,
            "argsrepr": f"({number},)",
            "kwargsrepr": "{}",
        },
        "properties": {
            "correlation_id": identity,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "celery"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": identity,
        },
    }
    return base64.b64encode(orjson.dumps(message)).decode()


@dataclass(frozen=True)
class Idle:
    """An idle worker: its cost, and the latency of single recordings, in seconds."""

    cpu_share: float
    requests_per_minute: float
    latencies: list[float]


def idle(load: Load, urls: list[str], *, seconds: float, singles: int) -> Idle:
    """Leave a worker idle, then give it one recording after another."""
    queue = load.fill(singles + 1, urls)
    bodies = [record(n, urls[n % len(urls)]).to_message() for n in range(singles + 1)]
    load.sqs.purge_queue(QueueUrl=queue)
    port = 19_000 + hash(queue) % 900
    environment = {**load.environment(queue), "METRICS_PORT": str(port)}
    with Running([EARSHOT], [environment], load.folder / "idle.log") as running:
        load.send(queue, bodies[:1])
        running.wait(lambda: deleted(port) >= 1)
        time.sleep(5)
        cpu, asked, began = running.cpu, requests(port), time.monotonic()
        time.sleep(seconds)
        passed = time.monotonic() - began
        share = (running.cpu - cpu) / passed
        # The scrape itself costs nothing at SQS.
        per_minute = (requests(port) - asked) * 60 / passed
        latencies = [_latency(load, queue, body) for body in bodies[1:]]
    return Idle(share, per_minute, latencies)


def _latency(load: Load, queue: str, body: str) -> float:
    began = time.monotonic()
    load.send(queue, [body])
    while load.left(queue):
        time.sleep(0.01)
    return time.monotonic() - began


def metric(port: int, wanted: Callable[[str], bool]) -> float:
    """Return the sum of a worker's samples whose names are wanted."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return 0.0
    return sum(float(line.split()[-1]) for line in lines if wanted(line))


def deleted(port: int) -> float:
    """Return how many messages a worker has deleted."""
    return metric(port, lambda line: line.startswith("earshot_messages_deleted_total"))


def requests(port: int) -> float:
    """Return how many requests a worker has made to SQS."""
    return metric(port, lambda line: line.startswith("earshot_sqs_requests_total"))


def soak(load: Load, count: int) -> dict[str, float]:
    """Return the memory after the first tenth of many short recordings, and later."""
    urls = load.put_audio(0.5, "wav")
    queue = load.fill(count, urls)
    environment = {**load.environment(queue), "METRICS_PORT": "0"}
    with Running([EARSHOT], [environment], load.folder / "soak.log") as running:
        running.wait(lambda: load.left(queue) <= count * 0.9)
        early = running.memory()
        running.wait(lambda: load.left(queue) == 0)
        return {
            "early_mib": early,
            "late_mib": running.memory(),
            "parent_mib": running.peak(parent=True),
            "child_mib": running.peak(parent=False),
        }
