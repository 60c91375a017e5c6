"""What can go wrong with a call to SQS, sorted by what to do about it.

Expected
├── Unavailable        out of reach, throttled, credentials expired: wait
│   └── Refused        this request is wrong: the same again is refused again
└── QueueGone          the queue does not exist (any more): end
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError, ParamValidationError

from connectors.aws import reaching
from connectors.errors import QueueGone, Unavailable

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


#: Codes of a request, or an entry, whose content SQS does not take.
REFUSED_CODES = {
    "AWS.SimpleQueueService.BatchRequestTooLong",
    "BatchRequestTooLong",
    "InvalidAttributeValue",
    "InvalidMessageContents",
    "InvalidParameterCombination",
    "InvalidParameterValue",
    "InvalidParameterValueException",
    "MessageTooLong",
    "MissingParameter",
    "UnsupportedOperation",
    "ValidationError",
    "ValidationException",
}
_INVALID = "InvalidParameterValue"


class Refused(Unavailable):
    """SQS does not take the content of a request.

    Attributes
    ----------
    code
        Its error code.
    """

    def __init__(self, code: str, cause: object) -> None:
        super().__init__("sqs", cause)
        self.code = code


@contextmanager
def translated(queue_url: str) -> Iterator[None]:
    """Turn the SDK's exceptions into `Unavailable`, `Refused` or `QueueGone`."""
    try:
        with reaching("sqs"):
            yield
    except Unavailable as error:
        # Of the SDK's own look at a request: it was never sent.
        if isinstance(error.__cause__, ParamValidationError | UnicodeError):
            raise Refused(_INVALID, error.__cause__) from error
        raise
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code"))
        if code in _GONE:
            raise QueueGone(f"the queue {queue_url} does not exist") from error
        if code in REFUSED_CODES:
            raise Refused(code, error) from error
        raise Unavailable("sqs", error) from error
