"""Sent round again: confirmed by the work queue first, deleted then, and counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from connectors.queues import Queue
from connectors.sqs import Letter, Look, Sender
from flows.steering.letters import Case, Filter, cases, counted, no_statuses
from flows.steering.pace import Pace
from flows.steering.redrive import Redrive, Redriven, unseen, unseen_line
from tests.connectors.test_looking import Faulty, fill, visible

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

NOW = datetime(2026, 2, 23, 9, 30, tzinfo=UTC)
RECORD = {
    "source_collection": "public.records",
    "source_record_id": "1",
    "test_date": "2026-02-23",
    "record_type": "teacher_record",
    "subject_name": "Hindi",
    "audio_s3_url": "https://audio/1.wav",
    "student_id": "9",
    "trace_id": "0" * 32,
    "discovered_at": "2026-02-23T09:00:00Z",
}


def letter(body: str = "{}", **attributes: str) -> Letter:
    told = {
        name: {"DataType": "String", "StringValue": text}
        for name, text in attributes.items()
    }
    return Letter("id", body, 6, NOW, "handle", told)


def why(one: Letter, status: str | None = None) -> Case:
    (case,) = cases([one], lambda ids: dict.fromkeys(ids, status) if status else {})
    return case


def test_a_quarantined_message_tells_its_reason_itself() -> None:
    one = letter(
        orjson.dumps(RECORD).decode(),
        quarantine_stage="download",
        quarantine_reason="HTTP 404",
        trace_id="1" * 32,
    )
    case = why(one, "completed")
    assert (case.why, case.trace_id) == ("download: HTTP 404", "0" * 32)


def test_a_dead_letter_is_malformed_or_as_its_record_ended_or_unknown() -> None:
    body = orjson.dumps(RECORD).decode()
    assert why(letter("{")).why == "parse: malformed"
    assert "not JSON" in (why(letter("{")).detail or "")
    assert why(letter(body), "completed").why == "completed"
    assert why(letter(body)).why == "unknown"


def test_messages_are_meant_by_a_part_of_their_reason_and_by_their_age() -> None:
    case = why(letter(quarantine_stage="decode", quarantine_reason="HTML, no audio"))
    later = NOW + timedelta(seconds=1)
    assert Filter(later)(case)
    assert Filter(later, "html")(case) and Filter(later, "decode: HTML")(case)
    assert not Filter(later, "404")(case)
    assert not Filter(NOW - timedelta(seconds=1))(case)


def test_reasons_are_counted_most_first() -> None:
    found = [
        why(letter("{")),
        why(letter("[")),
        why(letter(orjson.dumps(RECORD).decode())),
    ]
    assert counted(found) == [("parse: malformed", 2), ("unknown", 1)]


def redriven(client: Any, queue: Queue, sender: Sender | None, **more: Any) -> Redriven:
    given = {"meant": lambda case: True, "pace": Pace(None), **more}
    with Look(client, queue.dead_letter_url) as look:
        run = Redrive(look, sender, statuses=no_statuses, **given)
        for _ in run.run():
            pass
    return run.done


def test_what_the_work_queue_refuses_stays_and_is_counted(
    sqs: SQSClient, queue: Queue
) -> None:
    sent = fill(sqs, queue.dead_letter_url, 3)

    class Refusing(Sender):
        def send(self, messages: Any) -> dict[int, str]:
            refused = {i: "TooLong" for i, m in enumerate(messages) if m.body == "1"}
            super().send([m for i, m in enumerate(messages) if i not in refused])
            return refused

    done = redriven(sqs, queue, Refusing(sqs, queue.url))
    assert (done.sent, done.failed) == (2, 1)
    assert len(visible(sqs, queue.dead_letter_url)) == 1
    assert len(visible(sqs, queue.url)) == 2
    assert len(sent) == 3


def test_what_was_sent_and_cannot_be_deleted_has_failed_and_is_lost_nowhere(
    sqs: SQSClient, queue: Queue
) -> None:
    sent = fill(sqs, queue.dead_letter_url, 2)
    client = Faulty(sqs, "delete_message_batch", 99)
    done = redriven(client, queue, Sender(sqs, queue.url))
    assert (done.sent, done.failed) == (2, 2)
    assert visible(sqs, queue.dead_letter_url) == sent
    assert len(visible(sqs, queue.url)) == 2


def test_nothing_is_deleted_before_it_is_sent(sqs: SQSClient, queue: Queue) -> None:
    sent = fill(sqs, queue.dead_letter_url, 2)
    done = redriven(sqs, queue, None)
    assert done.line() == {
        "would_send": 2,
        "failed": 0,
        "left": 0,
        "reasons": {"parse: malformed": 2},
    }
    assert visible(sqs, queue.dead_letter_url) == sent
    assert visible(sqs, queue.url) == set()


@pytest.mark.parametrize(
    ("done", "before", "now", "expected"),
    [
        (Redriven(sent=8, left=2, looked_at=10), 10, None, 0),
        (Redriven(sent=8, left=2, looked_at=10), 9, None, 0),
        (Redriven(sent=8, left=2, looked_at=10), 15, 7, 5),
        (Redriven(sent=8, failed=1, left=1, looked_at=10), 15, 2, 0),
        (Redriven(sent=8, left=2, looked_at=10, dry_run=True), 15, 15, 5),
        (Redriven(sent=8, left=2, looked_at=10), 15, 1, 0),
        (Redriven(sent=8, left=2, looked_at=10), 15, 90, 5),
    ],
    ids=[
        *("all seen", "some came", "held by others", "late at the beginning"),
        *("a dry run keeps all", "late at the end", "many came"),
    ],
)
def test_unseen_is_what_both_counts_of_a_queue_say(
    done: Redriven, before: int, now: int | None, expected: int
) -> None:
    def count() -> int:
        assert now is not None, "it is not asked where nothing is missing"
        return now

    assert unseen(done, before, count) == expected


def test_what_to_do_about_the_unseen_depends_on_the_queue() -> None:
    assert "try again in 15 min" in unseen_line(3, "dead")
    assert "holds up its group" in unseen_line(3, "dead.fifo")


def test_a_pace_waits_for_what_it_has_let_through() -> None:
    now, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))
        now[0] += seconds

    pace = Pace(4, clock=lambda: now[0], sleep=sleep)
    assert pace.at_once(10) == 4
    pace.wait(4)
    now[0] += 0.75
    pace.wait(4)
    now[0] += 3
    pace.wait(4)
    assert slept == [1.0, 0.25]
    assert Pace(0.5).at_once(10) == 1
    assert Pace(None).at_once(10) == 10
