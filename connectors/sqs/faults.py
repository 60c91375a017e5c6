"""What can go wrong with a call to SQS, sorted by what to do about it.

Exception
├── Unavailable        out of reach, throttled, credentials expired: wait
└── QueueGone          the queue does not exist (any more): end
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from connectors.errors import Unavailable

_GONE = {
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
    "AWS.SimpleQueueService.QueueDeletedRecently",
}
#: Codes of a receipt handle that no longer holds its message.
STALE_CODES = {
    "ReceiptHandleIsInvalid",
    "InvalidReceiptHandle",
    "MessageNotInflight",
    "AWS.SimpleQueueService.MessageNotInflight",
    "InvalidParameterValue",
    "InvalidParameterValueException",
}


class QueueGone(Exception):
    """The queue does not exist: nothing that this process does can succeed."""


@contextmanager
def translated(queue_url: str) -> Iterator[None]:
    """Turn the SDK's exceptions into `Unavailable` or `QueueGone`."""
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _GONE:
            raise QueueGone(f"the queue {queue_url} does not exist") from error
        raise Unavailable("sqs", error) from error
    except (BotoCoreError, HTTPError) as error:
        raise Unavailable("sqs", error) from error
