"""bytewax's input from a queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bytewax.inputs import DynamicSource, StatelessSourcePartition

from connectors.sqs.consumer import Consumer
from connectors.sqs.poller import Delivery

#: Time between two looks at what has been received.
_LOOK_AGAIN = timedelta(milliseconds=10)
#: Seconds to wait for a delivery while none is held. There is nothing else to do then,
#: and bytewax would turn a thousand times a second.
_IDLE_SECONDS = 0.1


class _ConsumerPartition(StatelessSourcePartition[Delivery]):
    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        consumer.start()

    def next_batch(self) -> list[Delivery]:
        deliveries = self._consumer.take(_IDLE_SECONDS)
        if not deliveries and self._consumer.drained:
            raise StopIteration
        return deliveries

    def next_awake(self) -> datetime:
        return datetime.now(UTC) + _LOOK_AGAIN


class SqsSource(DynamicSource[Delivery]):
    """Deliveries of a `Consumer`, which the flow's last step settles.

    Delivery guarantee: at least once. The source ends only when every delivery is
    settled and SQS has confirmed it, so whatever settles must run beside the flow
    or in its steps, not at its end.

    Unit of parallelism: the process. A delivery is held by the process that received
    it, so a bytewax cluster is refused: start more processes instead.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def build(
        self, step_id: str, worker_index: int, worker_count: int
    ) -> _ConsumerPartition:
        """Build the only partition.

        Raises
        ------
        ValueError
            In a bytewax cluster.
        """
        if worker_count > 1:
            raise ValueError(
                f"{step_id}: expected 1 bytewax worker, got {worker_count}: "
                "start more processes instead"
            )
        return _ConsumerPartition(self._consumer)
