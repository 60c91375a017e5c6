"""Celery's messages as kombu writes them to SQS."""

from __future__ import annotations

import base64
import uuid

import orjson


def empty_task(number: int) -> str:
    """Return the message of a task that does nothing."""
    identity = str(uuid.uuid4())
    body = orjson.dumps([[number], {}, {"callbacks": None, "errbacks": None}])
    headers = {"lang": "py", "task": "bench.nothing", "id": identity}
    message = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers
        | {"root_id": identity, "argsrepr": f"({number},)", "kwargsrepr": "{}"},
        "properties": {
            "correlation_id": identity,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "celery"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": identity,
        },
    }
    return base64.b64encode(orjson.dumps(message)).decode()
