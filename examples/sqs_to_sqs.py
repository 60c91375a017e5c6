"""Move messages from one queue to another, in capitals; none is lost.

FROM_QUEUE_URL=... TO_QUEUE_URL=... python -m bytewax.run examples.sqs_to_sqs
"""

import os
import signal

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from connectors.aws import sqs_client
from connectors.sqs import Consumer, Message, Sender, SqsSink, SqsSource

idle_exit = float(os.environ.get("IDLE_EXIT_SECONDS", "0"))
consumer = Consumer(os.environ["FROM_QUEUE_URL"], idle_exit=idle_exit)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, frame: consumer.stop())

flow = Dataflow("sqs_to_sqs")
deliveries = op.input("from", flow, SqsSource(consumer))
answers = op.map("capitals", deliveries, lambda one: (one, Message(one.body.upper())))
sink = SqsSink(Sender(sqs_client(), os.environ["TO_QUEUE_URL"]), consumer)
op.output("to", answers, sink)
