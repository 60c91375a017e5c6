"""Sends messages in batches, and says which were confirmed."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from connectors.errors import Unavailable
from connectors.sqs.batches import FIFO_SUFFIX, MAX_BYTES, MAX_ENTRIES, call_batch
from connectors.sqs.faults import REFUSED_CODES, Refused, translated

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: Tries of an entry, the first included.
SEND_TRIES = 6
#: Seconds between two tries: random up to this, doubled with each.
RETRY_SECONDS, RETRY_MAX_SECONDS = 0.2, 10.0
#: Why a message was not sent when not the message but its whole request failed.
UNREACHABLE = "Unreachable"

log = structlog.get_logger("earshot.sqs")


@dataclass(frozen=True, slots=True)
class Message:
    """A message to send.

    Attributes
    ----------
    attributes
        Message attributes in SQS's form, ``{name: {DataType, StringValue}}``.
    group_id, deduplication_id
        For FIFO queues; a group id alone also asks a standard queue for fairness.
    """

    body: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    group_id: str | None = None
    deduplication_id: str | None = None

    def entry(self) -> dict[str, Any]:
        """Return the message as an entry of ``send_message_batch``, without its id."""
        entry: dict[str, Any] = {"MessageBody": self.body}
        if self.attributes:
            entry["MessageAttributes"] = dict(self.attributes)
        if self.group_id is not None:
            entry["MessageGroupId"] = self.group_id
        if self.deduplication_id is not None:
            entry["MessageDeduplicationId"] = self.deduplication_id
        return entry

    def size(self) -> int:
        """Return the bytes that count towards the batch's limit.

        They are those of the body and of each attribute's name, type and value.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
        """
        told = sum(
            _bytes(name) + sum(_bytes(part) for part in value.values())
            for name, value in self.attributes.items()
        )
        return _bytes(self.body) + told


class Sender:
    """Sends to one queue; a message counts as sent when SQS has confirmed it.

    Parameters
    ----------
    threads
        Requests at once; on a FIFO queue they go one after the other all the same.
    stop
        Once it is set, no request begins; what is left is `UNREACHABLE`.
    sleep
        Waits between two tries, no longer than until `stop` where it is not given.
    """

    def __init__(
        self,
        client: SQSClient,
        queue_url: str,
        *,
        threads: int = 1,
        tries: int = SEND_TRIES,
        stop: threading.Event | None = None,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._client, self._queue_url = client, queue_url
        self._stop = stop or threading.Event()
        self._tries, self._sleep = tries, sleep or self._stop.wait
        several = threads > 1 and not self.fifo
        self._threads = ThreadPoolExecutor(threads, "send") if several else None

    @property
    def fifo(self) -> bool:
        """Whether the queue keeps order and wants a group and deduplication id."""
        return self._queue_url.endswith(FIFO_SUFFIX)

    def check(self) -> None:
        """Look at the queue once; raises `Unavailable`, `QueueGone`."""
        with translated(self._queue_url):
            self._client.get_queue_attributes(
                QueueUrl=self._queue_url, AttributeNames=["QueueArn"]
            )

    def send(self, messages: Sequence[Message]) -> dict[int, str]:
        """Send messages, up to 10 a request, and retry those that failed.

        A message that SQS does not take is not sent again, and holds up no other:
        where a request is refused as a whole, its messages are sent one by one.

        Returns
        -------
        dict
            The index of each message that SQS has not confirmed after every try,
            and SQS's code for it, or `UNREACHABLE`.

        Raises
        ------
        QueueGone
            When the queue does not exist.
        """
        send = partial(self._send_chunk, messages)
        each = self._threads.map if self._threads else map
        answers = each(send, _chunks(messages))
        return {index: code for one in answers for index, code in one.items()}

    def close(self) -> None:
        """Begin no more requests."""
        if self._threads:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _send_chunk(
        self, messages: Sequence[Message], chunk: list[int]
    ) -> dict[int, str]:
        failed: dict[int, str] = {}
        for tried in range(1, self._tries + 1):
            failed = {i: failed[i] for i in failed if i not in chunk}
            failed |= self._try(messages, chunk)
            chunk = sorted(i for i, code in failed.items() if code not in REFUSED_CODES)
            if not chunk:
                return failed
            if tried < self._tries:
                most = min(RETRY_MAX_SECONDS, RETRY_SECONDS * 2**tried)
                self._sleep(random.uniform(0, most))
        return failed

    def _try(self, messages: Sequence[Message], chunk: list[int]) -> dict[int, str]:
        if self._stop.is_set():
            return dict.fromkeys(chunk, UNREACHABLE)
        entries = [messages[index].entry() for index in chunk]
        try:
            answer = call_batch(
                self._client.send_message_batch, self._queue_url, entries
            )
        except Refused as error:
            if len(chunk) == 1:
                return {chunk[0]: error.code}
            alone = [self._try(messages, [index]) for index in chunk]
            return {index: code for one in alone for index, code in one.items()}
        except Unavailable as error:
            log.warning("send_retried", messages=len(chunk), error=str(error))
            return dict.fromkeys(chunk, UNREACHABLE)
        return {chunk[index]: code for index, code in answer.items()}


def _bytes(part: str | bytes) -> int:
    if isinstance(part, bytes):
        return len(part)
    return len(part.encode(errors="surrogatepass"))


def _chunks(messages: Sequence[Message]) -> Iterator[list[int]]:
    """Split into runs of at most 10 messages and 1 MiB."""
    chunk: list[int] = []
    size = 0
    for index, message in enumerate(messages):
        added = message.size()
        if chunk and (len(chunk) == MAX_ENTRIES or size + added > MAX_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(index)
        size += added
    if chunk:
        yield chunk
