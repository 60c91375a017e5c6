"""bytewax's output to a queue."""

from __future__ import annotations

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from connectors.sqs.consumer import Consumer
from connectors.sqs.poller import Delivery
from connectors.sqs.sender import Message, Sender

#: A message to send, and the delivery that it was made of.
Answer = tuple[Delivery, Message]


class _SenderPartition(StatelessSinkPartition[Answer]):
    def __init__(self, sender: Sender, consumer: Consumer) -> None:
        self._sender, self._consumer = sender, consumer

    def write_batch(self, items: list[Answer]) -> None:
        held = [item for item in items if self._consumer.hold(item[0].message_id)]
        failed = self._sender.send([message for _, message in held])
        sent = {delivery.message_id for delivery, _ in held}
        sent -= {held[index][0].message_id for index in failed}
        self._consumer.delete(sorted(sent))
        # Also what is no longer held: it was returned, or its lease was lost.
        ids = [delivery.message_id for delivery, _ in items]
        self._consumer.return_([id for id in ids if id not in sent])


class SqsSink(DynamicSink[Answer]):
    """Messages to a queue; the delivery that each was made of is acknowledged after.

    Delivery guarantee: at least once. A delivery is deleted only when SQS has
    confirmed its message, and returned when SQS has not after every try, or when the
    consumer was stopped before. A process that dies between the two sends the message
    again; a FIFO queue drops that second one where `Message.deduplication_id` is made
    of the delivery's id.

    Unit of parallelism: the process, like that of `SqsSource`. On a FIFO queue the
    messages of a group arrive in the order in which they were handed over, unless one
    of them fails all its tries.
    """

    def __init__(self, sender: Sender, consumer: Consumer) -> None:
        self._sender, self._consumer = sender, consumer

    def build(
        self, step_id: str, worker_index: int, worker_count: int
    ) -> _SenderPartition:
        """Build one worker's end."""
        return _SenderPartition(self._sender, self._consumer)
