"""Create the queues that compose.yaml's worker expects; again is no error.

``python -m deploy.create_queues NAME`` makes the queue with its dead-letter queue,
``NAME-dead``, and the quarantine queue, ``NAME-quarantine``.
"""

from __future__ import annotations

import sys

from connectors.aws import sqs_client
from connectors.queues import create_queue


def main(name: str) -> None:
    """Create the queues, and print where they are."""
    sqs = sqs_client()
    queue = create_queue(sqs, name, max_receive_count=5, visibility_timeout=120)
    quarantine = sqs.create_queue(QueueName=f"{name}-quarantine")["QueueUrl"]
    print(queue.url, queue.dead_letter_url, quarantine, sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
