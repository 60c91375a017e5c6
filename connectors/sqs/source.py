"""bytewax's input from a queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bytewax.inputs import DynamicSource, StatelessSourcePartition

from connectors.sqs.consumer import Consumer
from connectors.sqs.poller import Delivery

#: Time between two looks at what has been received, doubled up to the second while
#: there is nothing: each is a turn of the whole graph.
_LOOK_AGAIN, _LOOK_AGAIN_IDLE = timedelta(milliseconds=10), timedelta(milliseconds=40)


class _ConsumerPartition(StatelessSourcePartition[Delivery]):
    def __init__(self, consumer: Consumer) -> None:
        self._consumer, self._look_again = consumer, _LOOK_AGAIN
        consumer.start()

    def next_batch(self) -> list[Delivery]:
        deliveries = self._consumer.take()
        if not deliveries and self._consumer.drained:
            raise StopIteration
        later = min(_LOOK_AGAIN_IDLE, 2 * self._look_again)
        self._look_again = _LOOK_AGAIN if deliveries else later
        return deliveries

    def next_awake(self) -> datetime:
        return datetime.now(UTC) + self._look_again


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
