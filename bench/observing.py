"""What it costs to watch: CPU time of every note that a message causes.

``python -m bench.observing`` prints one line of JSON: microseconds for a message that
is judged, for one that only passes through, and for a scrape.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

from prometheus_client.exposition import generate_latest

from connectors.sqs.receiving import ages_of
from flows.watching.progress import Tracked
from flows.watching.watch import Watch
from model.outcomes import Outcome, Status
from model.records import DiscoveryRecord, WorkItem
from model.times import utc_now

#: Messages of a receive, items of a batch, and rounds of the measurement.
RECEIVE, BATCH, ROUNDS = 10, 32, 2_000
_MESSAGES: Any = [{"Attributes": {"SentTimestamp": "1794999999000"}}] * RECEIVE


def main() -> None:
    """Measure, and print the result."""
    watch, tracked = Watch(), Tracked()
    outcomes = [_outcome(number) for number in range(BATCH)]
    judged = _microseconds(lambda: _judged(watch, tracked, outcomes)) / BATCH
    passed = _microseconds(lambda: _passed(watch, tracked, outcomes)) / BATCH
    scrape = _microseconds(lambda: generate_latest(watch.registry), rounds=50)
    found = {"judged": judged, "passed": passed, "scrape": scrape}
    print(json.dumps({f"{name}_us": round(one, 2) for name, one in found.items()}))


def _judged(watch: Watch, tracked: Tracked, outcomes: list[Outcome]) -> None:
    """Note all that a batch of judged recordings causes."""
    _passed(watch, tracked, outcomes)
    now = time.monotonic()
    submit = tracked.around(_done)
    for outcome in outcomes:
        for stage in ("download", "decode_features"):
            submit(None)
            watch.stage(stage, now, (outcome.item,))
    score = watch.around("score", _nothing, _item)
    score(outcomes)
    watch.scored([0.5] * len(outcomes))
    watch.stage("mongo", now)


def _passed(watch: Watch, tracked: Tracked, outcomes: list[Outcome]) -> None:
    """Note what a batch causes that is not downloaded: received, looked up, ended."""
    now = time.monotonic()
    for begin in range(0, len(outcomes), RECEIVE):
        received = _MESSAGES[: len(outcomes[begin : begin + RECEIVE])]
        watch.received(ages_of(received, 1_795_000_000.0))
    triage = watch.around("triage", _nothing, _item)
    triage(outcomes)
    tracked.around(_done)(None)
    watch.stage("csv", now)
    watch.batch("settle", len(outcomes))
    for outcome in outcomes:
        watch.settled(outcome, now, "deleted")


def _nothing(batch: list[Outcome]) -> None:
    pass


def _item(outcome: Outcome) -> WorkItem:
    return outcome.item


def _done(value: None) -> Future[None]:
    future: Future[None] = Future()
    future.set_result(None)
    return future


def _microseconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    began = time.process_time()
    for _ in range(rounds):
        work()
    return (time.process_time() - began) / rounds * 1e6


def _outcome(number: int) -> Outcome:
    fields = {
        "source_collection": "public.records",
        "source_record_id": str(number),
        "test_date": "2026-02-23",
        "record_type": "teacher_record",
        "subject_name": "Hindi",
        "audio_s3_url": "s3://recordings/a.wav",
        "student_id": str(number),
        "trace_id": f"{number:032x}",
        "discovered_at": utc_now() - timedelta(seconds=30),
    }
    record = DiscoveryRecord.model_validate(fields)
    return Outcome(WorkItem.of(record, str(number), 1), Status.SKIPPED_EXISTING)


if __name__ == "__main__":
    main()
