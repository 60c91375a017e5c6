"""An SQS stricter than any real one, with a clock of its own, for faults on command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from botocore.exceptions import EndpointConnectionError


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        """Let seconds pass."""
        self.now += seconds


@dataclass
class Message:
    """A message on the queue; `handle` is the newest, the only one that is taken."""

    id: str
    visible_at: float = 0.0
    receives: int = 0
    handle: str | None = None
    received_at: float = 0.0


@dataclass
class StrictSqs:
    """A queue that takes nothing that real SQS would only sometimes refuse.

    A stale handle fails its entry, duplicate entry ids fail the whole batch, entries
    and requests fail on command, and a message can come twice.

    Attributes
    ----------
    meanwhile
        Done one by one, each while a request is under way.
    extensions
        Of each extension that was asked for its message's id.
    """

    clock: Clock
    messages: dict[str, Message] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    fail_entries: int = 0
    fail_requests: int = 0
    lease: int = 30
    extended_after_end: list[str] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    meanwhile: list[Callable[[], object]] = field(default_factory=list)
    extensions: list[str] = field(default_factory=list)
    _number: Iterator[int] = field(default_factory=count)

    def put(self, message_id: str) -> None:
        """Put a message on the queue."""
        self.messages[message_id] = Message(message_id)

    def receive(self, most: int, timeout: float) -> list[tuple[str, str]]:
        """Return the id and handle of messages that are visible now."""
        found = [m for m in self.messages.values() if m.visible_at <= self.clock.now]
        return [self.deliver(message.id, timeout) for message in found[:most]]

    def deliver(self, message_id: str, timeout: float) -> tuple[str, str]:
        """Deliver a message, also one that is hidden: SQS does so now and then."""
        message = self.messages[message_id]
        message.receives += 1
        message.handle = f"{message_id}#{next(self._number)}"
        message.received_at = self.clock.now
        message.visible_at = self.clock.now + timeout
        self.ended.discard(message_id)
        return message_id, message.handle

    def delete_message_batch(
        self, *, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Delete messages, entry by entry."""
        return self._answer(Entries, self._delete)

    def change_message_visibility_batch(
        self, *, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Hide or show messages, entry by entry."""
        return self._answer(Entries, self._change)

    def _answer(self, entries: Sequence[Mapping[str, Any]], act: Any) -> dict[str, Any]:
        ids = [entry["Id"] for entry in entries]
        assert 1 <= len(ids) <= 10, "a batch has 1 to 10 entries"
        assert len(set(ids)) == len(ids), "BatchEntryIdsNotDistinct"
        if self.fail_requests:
            self.fail_requests -= 1
            raise EndpointConnectionError(endpoint_url="http://sqs")
        if self.meanwhile:
            self.meanwhile.pop(0)()
        self.extensions += [
            entry["ReceiptHandle"].split("#")[0]
            for entry in entries
            if entry.get("VisibilityTimeout") == self.lease
        ]
        answer: dict[str, Any] = {"Successful": [], "Failed": []}
        for entry in entries:
            code = self._refused() or act(entry)
            if code is None:
                answer["Successful"].append({"Id": entry["Id"]})
            else:
                answer["Failed"].append({"Id": entry["Id"], "Code": code})
        return answer

    def _refused(self) -> str | None:
        if not self.fail_entries:
            return None
        self.fail_entries -= 1
        return "InternalError"

    def _held(self, handle: str) -> Message | None:
        """Return the message that a handle holds, None when it is stale."""
        message = self.messages.get(handle.split("#")[0])
        if message is None or message.handle != handle:
            return None
        return message if message.visible_at > self.clock.now else None

    def _delete(self, entry: Mapping[str, Any]) -> str | None:
        message = self._held(entry["ReceiptHandle"])
        if message is None:
            return "ReceiptHandleIsInvalid"
        del self.messages[message.id]
        self.deleted.append(message.id)
        self.ended.add(message.id)
        return None

    def _change(self, entry: Mapping[str, Any]) -> str | None:
        seconds = entry["VisibilityTimeout"]
        assert 0 <= seconds <= 43_200, "a visibility of 0 to 43,200 s"
        message_id = entry["ReceiptHandle"].split("#")[0]
        if message_id in self.ended and seconds == self.lease:
            self.extended_after_end.append(message_id)
        message = self._held(entry["ReceiptHandle"])
        if message is None:
            return "ReceiptHandleIsInvalid"
        assert self.clock.now + seconds <= message.received_at + 43_200 + 1
        message.visible_at = self.clock.now + seconds
        if seconds != self.lease:
            self.ended.add(message_id)  # a return, which nothing may extend
        return None
