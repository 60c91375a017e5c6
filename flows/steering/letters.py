"""Messages that were put aside: why they are, and which of them are meant.

A message in the quarantine carries its reason. One in the dead-letter queue carries
none, for SQS has moved it there: what is known is whether its body is a record
(``malformed`` where not), and whether the record has a result meanwhile (its status,
``completed``); else its reason is ``unknown`` here, and in the CSV file and the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.quarantine import REASON, STAGE, TRACE_ID
from connectors.sqs import Letter
from model.identity import dedupe_key, result_document_id
from model.records import DiscoveryRecord, MalformedMessage

MALFORMED, UNKNOWN = "malformed", "unknown"

#: Result ids to the status of each that there is.
Statuses = Callable[[Sequence[str]], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Case:
    """A message and why it lies where it lies.

    Attributes
    ----------
    stage
        Where it failed, None where nobody knows.
    detail
        What is wrong with a body that is no record.
    record
        None where the body is none.
    """

    letter: Letter
    reason: str
    stage: str | None
    trace_id: str | None
    detail: str | None
    record: DiscoveryRecord | None

    @property
    def why(self) -> str:
        """Stage and reason in one."""
        return f"{self.stage}: {self.reason}" if self.stage else self.reason

    def age(self, now: datetime) -> timedelta:
        """Return the time since it was sent."""
        return now - self.letter.sent_at


def cases(letters: Sequence[Letter], statuses: Statuses) -> list[Case]:
    """Return why messages were put aside; asks for the results of all at once."""
    read = [(letter, *_parsed(letter.body)) for letter in letters]
    ids = {
        letter.message_id: result_document_id(dedupe_key(record))
        for letter, record, _ in read
        if record is not None and REASON not in letter.attributes
    }
    known = statuses(sorted(set(ids.values()))) if ids else {}
    return [
        _case(letter, record, fault, known.get(ids.get(letter.message_id, "")))
        for letter, record, fault in read
    ]


def no_statuses(ids: Sequence[str]) -> dict[str, str]:
    """Know of no result: what a look at the work queue needs."""
    return {}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which of the messages are meant.

    Attributes
    ----------
    reason
        A part of the stage and reason, in any case; None for any.
    sent_before
        Only messages that were sent before then.
    """

    sent_before: datetime
    reason: str | None = None

    def __call__(self, case: Case) -> bool:
        """Tell whether a message is meant."""
        named = self.reason is None or self.reason.lower() in case.why.lower()
        return named and case.letter.sent_at <= self.sent_before


def counted(found: Iterable[Case]) -> list[tuple[str, int]]:
    """Return each stage and reason with its messages, most first."""
    counts = Counter(case.why for case in found)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def fields(case: Case, now: datetime) -> dict[str, Any]:
    """Return all that is known of a message, as JSON values."""
    letter = case.letter
    return {
        "message_id": letter.message_id,
        "reason": case.reason,
        "stage": case.stage,
        "detail": case.detail,
        "trace_id": case.trace_id,
        "receive_count": letter.receive_count,
        "sent_at": letter.sent_at.isoformat().replace("+00:00", "Z"),
        "age_seconds": round(case.age(now).total_seconds()),
        "attributes": dict(_texts(letter.attributes)),
        "body": case.record.message_fields() if case.record else letter.body,
    }


def _parsed(body: str) -> tuple[DiscoveryRecord | None, str | None]:
    try:
        return DiscoveryRecord.from_message(body), None
    except MalformedMessage as error:
        return None, str(error)


def _case(
    letter: Letter,
    record: DiscoveryRecord | None,
    fault: str | None,
    status: str | None,
) -> Case:
    told = dict(_texts(letter.attributes))
    trace_id = record.trace_id if record else told.get(TRACE_ID)
    if reason := told.get(REASON):
        return Case(letter, reason, told.get(STAGE), trace_id, fault, record)
    if record is None:
        return Case(letter, MALFORMED, "parse", trace_id, fault, None)
    return Case(letter, status or UNKNOWN, None, trace_id, None, record)


def _texts(attributes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in attributes.items():
        with suppress(KeyError, TypeError):
            yield name, str(value["StringValue"])
