"""Amazon SQS as a source and a sink of bytewax flows.

Knows nothing of what the messages mean. A `Consumer` holds what it received until it
is told what became of it; `SqsSource` brings its deliveries into a flow; a `Sender`
sends and says what was confirmed; `SqsSink` sends what a flow made of its deliveries,
and acknowledges them then.
"""

from connectors.errors import QueueGone
from connectors.sqs.batches import MAX_BYTES, MAX_ENTRIES
from connectors.sqs.consumer import Consumer
from connectors.sqs.looking import Letter, Look
from connectors.sqs.outbox import Outbox
from connectors.sqs.poller import Delivery
from connectors.sqs.sender import UNREACHABLE, Message, Sender
from connectors.sqs.sink import SqsSink
from connectors.sqs.source import SqsSource

__all__ = [
    "MAX_BYTES",
    "MAX_ENTRIES",
    "UNREACHABLE",
    "Consumer",
    "Delivery",
    "Letter",
    "Look",
    "Message",
    "Outbox",
    "QueueGone",
    "Sender",
    "SqsSink",
    "SqsSource",
]
