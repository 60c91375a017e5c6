"""Threads that receive and delete, and do nothing more: what the queue itself gives."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import boto3

#: As many as a worker's.
THREADS = 4


def main() -> None:
    """Receive and delete until killed."""
    sqs, queue = boto3.client("sqs"), os.environ["SQS_QUEUE_URL"]

    def take(_: int) -> None:
        while True:
            found = sqs.receive_message(
                QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=20
            )
            if messages := found.get("Messages"):
                sqs.delete_message_batch(
                    QueueUrl=queue,
                    Entries=[
                        {"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]}
                        for n, one in enumerate(messages)
                    ],
                )

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(take, range(THREADS)))


if __name__ == "__main__":
    main()
