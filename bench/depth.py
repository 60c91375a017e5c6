"""What the depth of a queue costs: ours, and a bare loop on the same queue."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bench.load import BUCKET, Load
from bench.measure import Running
from bench.parts import EARSHOT, requests

#: Threads that receive: as many as the worker's.
THREADS = 4


@dataclass(frozen=True)
class Depth:
    """Messages a second at the top of a queue, by the worker and by the bare loop."""

    ours: float
    bare: float


def at_depth(load: Load, count: int, measured: int) -> Depth:
    """Take the first messages of a queue so deep, transport alone."""
    queue = load.fill(count, [f"s3://{BUCKET}/none.wav"], done=True)
    environment = {**load.environment(queue), "METRICS_PORT": "0"}
    with Running([EARSHOT], [environment], load.folder / "depth.log") as running:
        first = running.wait(lambda: load.left(queue) < count)
        begun = load.left(queue)
        goal = max(0, begun - measured)
        last = running.wait(lambda: load.left(queue) <= goal)
        ours = (begun - load.left(queue)) / (last - first)
    return Depth(ours, bare_loop(load, load.fill(count, ["s3://b/k"]), measured))


def bare_loop(load: Load, queue: str, count: int) -> float:
    """Return the messages a second that threads receive and delete, nothing more."""

    def take(_: int) -> int:
        found: Any = load.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        messages = found.get("Messages", [])
        entries: Any = [
            {"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]}
            for n, one in enumerate(messages)
        ]
        if entries:
            load.sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
        return len(messages)

    began = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        taken = sum(pool.map(take, range(count // 10)))
    return taken / (time.monotonic() - began)


def requests_per_message(load: Load, count: int) -> float:
    """Return a worker's requests to SQS for each message of a deep queue."""
    queue = load.fill(count, [f"s3://{BUCKET}/none.wav"], done=True)
    port = 19_000 + hash(queue) % 900
    environment = {**load.environment(queue), "METRICS_PORT": str(port)}
    with Running([EARSHOT], [environment], load.folder / "requests.log") as running:
        running.wait(lambda: load.left(queue) == 0)
        return requests(port) / count
