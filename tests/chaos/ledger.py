"""Where every record ended, counted after a run."""

from __future__ import annotations

import csv
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import orjson

from tests.chaos.records import INNOCENT, Records
from tests.system.pipeline import Pipeline

#: Seconds for which a message can be hidden at the end: a lease, or a backoff.
_HIDDEN_SECONDS = 45
#: Receives above which a good record counts as burnt: half of those after which it is
#: dead-lettered, which none may be. Kills and lost leases alone can bring some there.
_MANY_RECEIVES = 6
#: Statuses of the row that a result must have before its message is deleted.
_WRITTEN = {"completed", "skipped_existing"}


@dataclass(frozen=True)
class Ledger:
    """The ends of a run's records.

    Attributes
    ----------
    duplicate_results
        Records with more than one result, told apart by the trace id that each was
        sent with, and not by the identity that the results themselves are made of.
    judged_again
        Rows of a record's second and further judgement: none is wrong, since a worker
        may die, or two have a copy each, before the first is written.
    unwritten
        Records with a result and no message left, of which no CSV file has a row.
    lost
        Records, and malformed bodies, that are nowhere.
    doubled
        Records that ended in more than one way.
    innocent_unjudged
        Records with a good recording that ended otherwise than with a result.
    highest_receive_count
        Of such a record, wherever its messages are.
    burnt
        Such records that were received more than six times, by kind.
    innocent_failures
        How often a delivery of such a record failed, by the reason of its row.
    """

    sent: int
    results: int
    queued: int
    dead_lettered: int
    quarantined: int
    malformed_quarantined: int
    duplicate_results: int
    judged_again: int
    unwritten: int
    lost: int
    doubled: int
    innocent_unjudged: int
    highest_receive_count: int
    burnt: dict[str, int]
    innocent_failures: dict[str, int]

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, doubled, unwritten or ended as it should not."""
        wrong = (self.lost, self.doubled, self.duplicate_results, self.unwritten)
        return not any((*wrong, self.innocent_unjudged))

    def as_json(self, **more: Any) -> str:
        """Return the ledger as one line."""
        return orjson.dumps({**asdict(self), **more}).decode()


class Found(NamedTuple):
    """A message that a queue still had, and how often others had received it."""

    body: str
    receives: int


@dataclass(frozen=True)
class _Remains:
    """What a run has left behind."""

    results: list[str]
    rows: list[dict[str, str]]
    quarantined: list[Found]
    left: list[Found]
    dead: list[Found]

    @classmethod
    def of(cls, records: Records, quarantine_url: str) -> Self:
        pipeline, sent = records.pipeline, records.sent
        return cls(
            [result["trace_id"] for result in pipeline.results()],
            [row for row in _rows(pipeline) if row["trace_id"] in sent],
            # In this order: to receive a message once too often moves it on.
            list(_found(pipeline, quarantine_url)),
            list(_found(pipeline, pipeline.queue_url)),
            list(_found(pipeline, pipeline.dead_letter_url)),
        )

    def malformed_lost(self, bodies: set[str]) -> int:
        found = (*self.quarantined, *self.left, *self.dead)
        return len(bodies - {one.body for one in found})


def ledger_of(records: Records, quarantine_url: str) -> Ledger:
    """Return where every record of a run is now; empties the queues."""
    now = _Remains.of(records, quarantine_url)
    sent, malformed = records.sent, set(records.malformed)
    innocent = {trace for trace in sent if records.kinds[trace] in INNOCENT}
    judged, off = set(now.results), sent - _traces(now.left)
    ends = [judged, _traces(now.quarantined), _traces(now.dead)]
    receives = _receives(now.rows, [*now.left, *now.dead], innocent)
    return Ledger(
        sent=len(sent),
        results=len(now.results),
        queued=len({one.body for one in now.left}),
        dead_lettered=len(ends[2]),
        quarantined=len(ends[1]),
        malformed_quarantined=len(malformed & {x.body for x in now.quarantined}),
        duplicate_results=_repeated(now.results),
        judged_again=_again(now.rows),
        unwritten=len(judged & off - _written(now.rows)),
        lost=len(off.difference(*ends)) + now.malformed_lost(malformed),
        doubled=_repeated(trace for end in ends for trace in end),
        innocent_unjudged=len(innocent & off - judged),
        highest_receive_count=max(receives.values(), default=0),
        burnt=_burnt(receives, records),
        innocent_failures=_failures(r for r in now.rows if r["trace_id"] in innocent),
    )


def _repeated(names: Iterable[str]) -> int:
    return sum(1 for count in Counter(names).values() if count > 1)


def _traces(found: Iterable[Found]) -> set[str]:
    return {orjson.loads(x.body)["trace_id"] for x in found if x.body[:1] == "{"}


def _rows(pipeline: Pipeline) -> Iterator[dict[str, str]]:
    """Yield every row of every worker."""
    for path in pipeline.folder.glob("results*.csv"):
        with path.open(newline="") as file:
            yield from csv.DictReader(file)


def _written(rows: Iterable[dict[str, str]]) -> set[str]:
    return {row["trace_id"] for row in rows if row["processing_status"] in _WRITTEN}


def _again(rows: Iterable[dict[str, str]]) -> int:
    judged = [r["trace_id"] for r in rows if r["processing_status"] == "completed"]
    return len(judged) - len(set(judged))


def _receives(
    rows: Iterable[dict[str, str]], found: Iterable[Found], traces: set[str]
) -> dict[str, int]:
    """Return how often a message of each record was received, of its copies the most.

    A row tells of a delivery that ended; a message that is left, of all its deliveries.
    """
    told = [(row["trace_id"], int(row["receive_count"])) for row in rows]
    for one in found:
        told += [(trace, one.receives) for trace in _traces([one])]
    most: dict[str, int] = {}
    for trace, receives in told:
        if trace in traces:
            most[trace] = max(receives, most.get(trace, 0))
    return most


def _burnt(receives: dict[str, int], records: Records) -> dict[str, int]:
    burnt = (trace for trace, most in receives.items() if most > _MANY_RECEIVES)
    return dict(Counter(str(records.kinds[trace]) for trace in burnt))


def _failures(rows: Iterable[dict[str, str]]) -> dict[str, int]:
    """Count reasons; numbers in them, such as ports and seconds, make no other."""
    reasons = (re.sub(r"\d+", "N", row["error"]) for row in rows if row["error"])
    return dict(Counter(reason[:120] for reason in reasons).most_common(20))


def _found(pipeline: Pipeline, url: str) -> Iterator[Found]:
    """Take what a queue has; wait for what is hidden, by a backoff or a dead worker."""
    deadline = time.monotonic() + _HIDDEN_SECONDS
    taken = 0
    while pipeline.left(url) > taken and time.monotonic() < deadline:
        messages = pipeline.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=600,
            WaitTimeSeconds=1,
            AttributeNames=["ApproximateReceiveCount"],
        ).get("Messages", [])
        taken += len(messages)
        for message in messages:
            received = int(message["Attributes"]["ApproximateReceiveCount"])
            yield Found(message["Body"], received - 1)  # this receive is our own
