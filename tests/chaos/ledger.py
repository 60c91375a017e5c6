"""Where every record ended, counted after a run."""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from tests.chaos.records import INNOCENT, Records
from tests.system.pipeline import Pipeline

#: Seconds for which a message can be hidden at the end: a lease, or a backoff.
_HIDDEN_SECONDS = 20


@dataclass(frozen=True)
class Ledger:
    """The ends of a run's records.

    Attributes
    ----------
    lost
        Records, and malformed bodies, that are nowhere.
    doubled
        Records that ended in more than one way.
    innocent_unjudged
        Records with a good recording that ended otherwise than with a result.
    """

    sent: int
    results: int
    queued: int
    dead_lettered: int
    quarantined: int
    malformed_quarantined: int
    duplicate_results: int
    lost: int
    doubled: int
    innocent_unjudged: int
    highest_receive_count: int

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, doubled or ended as it should not."""
        wrong = (self.lost, self.doubled, self.duplicate_results)
        return not any((*wrong, self.innocent_unjudged))

    def as_json(self, **more: Any) -> str:
        """Return the ledger as one line."""
        return orjson.dumps({**asdict(self), **more}).decode()


def ledger_of(records: Records, quarantine_url: str) -> Ledger:
    """Return where every record of a run is now; empties the queues."""
    pipeline = records.pipeline
    results = pipeline.results()
    sent = records.sent
    innocent = {trace for trace in sent if records.kinds[trace] in INNOCENT}
    judged = {result["trace_id"] for result in results}
    quarantined = set(_bodies(pipeline, quarantine_url))
    # In this order: to receive a message once too often moves it on.
    left = set(_bodies(pipeline, pipeline.queue_url))
    dead = set(_bodies(pipeline, pipeline.dead_letter_url))
    ends = [judged, _traces(quarantined), _traces(dead)]
    everywhere = set().union(*ends, _traces(left))
    malformed = set(records.malformed)
    return Ledger(
        sent=len(sent),
        results=len(results),
        queued=len(left),
        dead_lettered=len(ends[2]),
        quarantined=len(ends[1]),
        malformed_quarantined=len(malformed & quarantined),
        duplicate_results=_repeated(result["dedupe_key"] for result in results),
        lost=len(sent - everywhere) + len(malformed - quarantined - left - dead),
        doubled=_repeated(trace for end in ends for trace in end),
        innocent_unjudged=len(innocent - judged - _traces(left)),
        highest_receive_count=_highest(pipeline, innocent),
    )


def _repeated(names: Iterator[str]) -> int:
    return sum(1 for count in Counter(names).values() if count > 1)


def _traces(bodies: set[str]) -> set[str]:
    return {orjson.loads(body)["trace_id"] for body in bodies if body[:1] == "{"}


def _highest(pipeline: Pipeline, innocent: set[str]) -> int:
    counts = [0]
    for path in pipeline.folder.glob("results*.csv"):
        with path.open(newline="") as file:
            rows = csv.DictReader(file)
            counts += [
                int(r["receive_count"]) for r in rows if r["trace_id"] in innocent
            ]
    return max(counts)


def _bodies(pipeline: Pipeline, url: str) -> Iterator[str]:
    """Take what a queue has; wait for what is hidden, by a backoff or a dead worker."""
    deadline = time.monotonic() + _HIDDEN_SECONDS
    taken = 0
    while pipeline.left(url) > taken and time.monotonic() < deadline:
        messages = pipeline.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=600,
            WaitTimeSeconds=1,
        ).get("Messages", [])
        taken += len(messages)
        yield from (message["Body"] for message in messages)
