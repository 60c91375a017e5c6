"""Looks at the messages of a queue without using them up."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import structlog
from tenacity import (
    RetryError,
    Retrying,
    retry_if_result,
    stop_after_attempt,
    wait_random_exponential,
)

from connectors.errors import QueueGone, Unavailable
from connectors.sqs.batches import MAX_ENTRIES, Call, call_batch
from connectors.sqs.interrupts import interrupts_wait
from connectors.sqs.receiving import group_id, receive, receive_count, sent_at

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

log = structlog.get_logger("earshot.sqs")

#: Seconds for which a message that is looked at is hidden, and those in which a look
#: receives: the last ends before the first, so one look sees each message once. Both
#: are short: a look that is killed leaves what it saw hidden for so long.
HIDE_SECONDS = 300
LOOK_SECONDS = 240
#: Seconds that a receive waits: a long poll asks every server, so that an empty
#: answer means an empty queue. SQS Developer Guide, "Short and long polling".
_WAIT_SECONDS = 1
#: Tries of a delete or a release, and the longest wait between two.
_TRIES, _RETRY_SECONDS = 4, 2.0


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that was received to be looked at.

    Attributes
    ----------
    receive_count
        How often it was received, this look included.
    sent_at
        When it was sent; a standard queue's dead letters keep their first time.
    """

    message_id: str
    body: str
    receive_count: int
    sent_at: datetime
    receipt_handle: str
    attributes: Mapping[str, Any]
    group_id: str | None = None


class Look:
    """A look at one queue; at its end all that it saw and kept is visible again.

    Each receive raises a message's ``ApproximateReceiveCount``: so does a look, and
    on a queue with a redrive policy it brings messages nearer to the dead-letter
    queue. A FIFO queue gives no more of a group while one of it is looked at.

    Parameters
    ----------
    hide
        Seconds for which what is received stays hidden from others.
    """

    def __init__(
        self, client: SQSClient, queue_url: str, *, hide: int = HIDE_SECONDS
    ) -> None:
        self._client, self._queue_url, self._hide = client, queue_url, hide
        self._held: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def letters(
        self,
        most: float = math.inf,
        *,
        at_once: int = MAX_ENTRIES,
        seconds: float = LOOK_SECONDS,
    ) -> Iterator[list[Letter]]:
        """Yield the messages that are there, a receive at a time, each message once.

        Parameters
        ----------
        most
            Messages after which it ends.
        at_once
            Messages of one receive.
        seconds
            Time after which it ends.
        """
        seen: set[str] = set()
        deadline = time.monotonic() + seconds
        while len(seen) < most and time.monotonic() < deadline:
            left = min(at_once, MAX_ENTRIES, most - len(seen))
            received = self._receive(int(left))
            if not received:
                return
            fresh = [one for one in received if one.message_id not in seen]
            seen.update(one.message_id for one in fresh)
            if fresh:
                yield fresh

    def delete(self, letters: Sequence[Letter]) -> set[str]:
        """Delete messages; return the ids of those that SQS did not confirm."""
        handles = {one.message_id: one.receipt_handle for one in letters}
        failed = self._all(self._client.delete_message_batch, handles, {})
        for message_id in handles.keys() - failed:
            self._held.pop(message_id, None)
        return failed

    def release(self) -> None:
        """Make all that is held visible; what fails is visible by itself later."""
        held, self._held = self._held, {}
        call = self._client.change_message_visibility_batch
        if failed := self._all(call, held, {"VisibilityTimeout": 0}):
            log.warning("look_not_ended", messages=len(failed), hidden_for=self._hide)

    def _receive(self, most: int) -> list[Letter]:
        with interrupts_wait():
            received = receive(
                self._client,
                self._queue_url,
                most,
                wait=_WAIT_SECONDS,
                hide=self._hide,
            )
            letters = [_letter(message) for message in received]
            self._held.update((one.message_id, one.receipt_handle) for one in letters)
        return letters

    def _all(
        self, call: Call, handles: Mapping[str, str], more: Mapping[str, Any]
    ) -> set[str]:
        """Make a batch call for messages; return the ids of those it failed for."""
        failed: set[str] = set()
        ids = list(handles)
        for start in range(0, len(ids), MAX_ENTRIES):
            chunk = ids[start : start + MAX_ENTRIES]
            failed |= self._chunk(call, {i: handles[i] for i in chunk}, more)
        return failed

    def _chunk(
        self, call: Call, handles: Mapping[str, str], more: Mapping[str, Any]
    ) -> set[str]:
        left = list(handles)

        def request() -> list[str]:
            nonlocal left
            entries = [{"ReceiptHandle": handles[i], **more} for i in left]
            try:
                failed = call_batch(call, self._queue_url, entries)
                left = [left[index] for index in sorted(failed)]
            except Unavailable as error:
                log.warning("look_retried", error=str(error))
            return left

        try:
            _retrying()(request)
        except (RetryError, QueueGone):
            return set(left)
        return set()


def _retrying() -> Retrying:
    return Retrying(
        retry=retry_if_result(bool),
        stop=stop_after_attempt(_TRIES),
        wait=wait_random_exponential(0.1, _RETRY_SECONDS),
    )


def _letter(message: MessageTypeDef) -> Letter:
    return Letter(
        message["MessageId"],
        message.get("Body", ""),
        receive_count(message),
        datetime.fromtimestamp(sent_at(message) or 0, UTC),
        message["ReceiptHandle"],
        dict(message.get("MessageAttributes", {})),
        group_id(message),
    )
