"""Messages as people read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from commands.tables import show_table
from model.display import age, escaped
from model.times import utc_now

if TYPE_CHECKING:
    from flows.steering.letters import Case
    from flows.steering.places import Depth


def show_depths(depths: Sequence[Depth]) -> None:
    """Print how many messages queues have."""
    numbers = ("waiting", "in flight", "delayed")
    rows = [
        (
            *(one.place, one.name, one.waiting, one.in_flight, one.delayed),
            age(timedelta(seconds=one.retention_seconds)),
            one.max_receive_count or "",
        )
        for one in depths
    ]
    columns = ("queue", "name", *numbers, "kept for", "receives")
    show_table("messages", columns, rows, right=(*numbers, "receives"))


def show_letters(title: str, cases: Sequence[Case], *, reasons: bool = True) -> None:
    """Print a line for each message."""
    now = utc_now()
    columns = ["id", "age", "receives", "record", "trace id"]
    rows = [
        [
            case.letter.message_id,
            age(case.age(now)),
            case.letter.receive_count,
            _record(case),
            case.trace_id,
            *([case.stage, case.reason] if reasons else []),
        ]
        for case in cases
    ]
    columns += ["stage", "reason"] if reasons else []
    show_table(title, columns, rows, right=("age", "receives"))


def show_reasons(cases: Sequence[Case]) -> None:
    """Print how many messages are there for each reason."""
    from flows.steering.letters import counted

    show_table("reasons", ("reason", "messages"), counted(cases), right=("messages",))


def print_letter(case: Case) -> None:
    """Print all that is known of a message, as JSON."""
    from flows.steering.letters import fields

    text = json.dumps(fields(case, utc_now()), ensure_ascii=False, indent=2)
    print(escaped(text))


def _record(case: Case) -> str:
    record = case.record
    if record is None:
        return case.detail or ""
    return f"{record.test_date} {record.subject_name} {record.student_id}"
