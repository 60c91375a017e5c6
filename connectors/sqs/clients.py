"""The clients of one consumer: to receive, and to keep and end leases.

They are two, so that an answer that never comes to one does not cost other leases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.aws import sqs_client

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: Seconds that an answer may take beyond the long poll.
_BEYOND_SECONDS = 10
#: Seconds for the answer to a delete, a return or an extension: this share of a lease,
#: so that one that hangs leaves time for others, within these limits.
ANSWER_WITHIN, ANSWER_MIN_SECONDS, ANSWER_MAX_SECONDS = 1 / 8, 0.5, 5.0


def receiving_client(long_poll: int, threads: int) -> SQSClient:
    """Return the client of threads that long-poll for so many seconds."""
    return sqs_client(read=long_poll + _BEYOND_SECONDS, connections=threads + 2)


def settling_client(visibility_timeout: float) -> SQSClient:
    """Return the client that keeps and ends leases of so many seconds."""
    answer = answer_seconds(visibility_timeout)
    return sqs_client(connect=answer, read=answer, connections=2)


def answer_seconds(visibility_timeout: float) -> float:
    """Return how long SQS may take to answer what keeps or ends a lease."""
    wanted = visibility_timeout * ANSWER_WITHIN
    return min(ANSWER_MAX_SECONDS, max(ANSWER_MIN_SECONDS, wanted))
