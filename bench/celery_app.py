"""Celery on SQS as one sets it up: a task that does nothing, acknowledged late."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from celery import Celery

endpoint = urlsplit(os.environ["AWS_ENDPOINT_URL"])
app = Celery("bench", broker=f"sqs://test:test@{endpoint.netloc}")
app.conf.update(
    task_default_queue="celery",
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=50,
    worker_hijack_root_logger=False,
    broker_transport_options={
        "region": os.environ["AWS_REGION"],
        "is_secure": False,
        "polling_interval": 0,
        # kombu's own: with 1 second it passed no more messages.
        "wait_time_seconds": 10,
        "visibility_timeout": 300,
        "predefined_queues": {"celery": {"url": os.environ["CELERY_QUEUE_URL"]}},
    },
)


@app.task(name="bench.nothing")  # type: ignore[untyped-decorator]
def nothing(number: int) -> None:
    """Do nothing."""
