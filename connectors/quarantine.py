"""Where messages go that can never succeed: a queue, or a file of JSON lines."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from connectors import disk
from connectors.errors import Misconfigured, Unavailable
from connectors.sqs import MAX_BYTES, Delivery, Message, Outbox, Sender

#: SQS takes 10 attributes a message; the rest of the original's stay in the body.
MAX_ATTRIBUTES = 10
#: What a copy in the quarantine's queue says of itself, as attributes.
STAGE, REASON, TRACE_ID = "quarantine_stage", "quarantine_reason", "trace_id"


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A message and why it is here."""

    delivery: Delivery
    stage: str
    reason: str
    trace_id: str | None
    quarantined_at: datetime


class Quarantine(Protocol):
    """Takes messages for good: what it has kept is safe."""

    def put(self, messages: Sequence[Quarantined]) -> set[str]:
        """Keep messages; return the ids of those it can't. Raises `Unavailable`."""
        ...


class QuarantineFile:
    """Appends one JSON object a line; several processes may share the file.

    Raises
    ------
    Misconfigured
        When its folder cannot be made.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = f"quarantine: cannot write {path}: {error.strerror}"
            raise Misconfigured(reason) from None
        self.path = path
        self._named = False  # whether its name is on the disk, as far as we know

    def put(self, messages: Sequence[Quarantined]) -> set[str]:
        """Append messages; returns when they are on the disk, which keeps all."""
        lines = b"".join(_line(one) for one in messages)
        try:
            named = self._named and self.path.exists()
            with self.path.open("a+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                disk.cut_torn_line(file.fileno())  # of a process that died
                disk.append(file.fileno(), lines)
            if not named:
                disk.sync_folder(self.path.parent)
                self._named = True
        except OSError as error:
            raise Unavailable("quarantine", error) from error
        return set()


class QuarantineQueue:
    """Copies messages, their body and attributes as they were, to another queue.

    The reason goes along in the attributes ``quarantine_stage``,
    ``quarantine_reason`` and ``trace_id``.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender, self._outbox = sender, Outbox(sender, "quarantine")

    def put(self, messages: Sequence[Quarantined]) -> set[str]:
        """Send copies; returns when SQS has confirmed or refused each.

        Called again after an outage it sends what was not answered.
        """
        fifo = self._sender.fifo
        copies = {one.delivery.message_id: _copy(one, fifo=fifo) for one in messages}
        return set(self._outbox.send(copies))


def original(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy's attributes without those that the quarantine has put there."""
    own = {STAGE, REASON, TRACE_ID} if REASON in attributes else set()
    return {name: value for name, value in attributes.items() if name not in own}


def _line(one: Quarantined) -> bytes:
    # A body can hold half a surrogate pair, which UTF-8 cannot: it goes as an escape.
    text = json.dumps(_fields(one), ensure_ascii=False)
    return text.encode(errors="backslashreplace") + b"\n"


def _fields(one: Quarantined) -> dict[str, Any]:
    return {
        "message_id": one.delivery.message_id,
        "receive_count": one.delivery.receive_count,
        "stage": one.stage,
        "reason": one.reason,
        "trace_id": one.trace_id,
        "quarantined_at": one.quarantined_at.isoformat().replace("+00:00", "Z"),
        "body": one.delivery.body,
        "attributes": {
            name: value.get("StringValue")
            for name, value in one.delivery.attributes.items()
        },
    }


def _copy(one: Quarantined, *, fifo: bool) -> Message:
    told = {
        STAGE: one.stage,
        REASON: one.reason,
        TRACE_ID: one.trace_id,
    }
    attributes = {
        name: {"DataType": "String", "StringValue": _printable(text)}
        for name, text in told.items()
        if text
    }
    room = MAX_ATTRIBUTES - len(attributes)
    kept = [item for item in one.delivery.attributes.items() if item[0] not in told]
    attributes.update(kept[:room])
    copy = Message(
        one.delivery.body,
        attributes,
        group_id=(one.delivery.group_id or "quarantine") if fifo else None,
        deduplication_id=one.delivery.message_id if fifo else None,
    )
    # A body of the full size leaves no room to say why; the log has the reason too.
    return copy if copy.size() <= MAX_BYTES else replace(copy, attributes={})


def _printable(text: str) -> str:
    """Return a text that SQS takes as an attribute: it refuses control characters."""
    return "".join(one if one.isprintable() else " " for one in text)
