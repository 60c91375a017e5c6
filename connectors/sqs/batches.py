"""SQS's batch calls: their quotas, and their answers read entry by entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connectors.sqs.faults import STALE_CODES, translated

#: Entries in one batch request, and messages in one receive.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MAX_ENTRIES = 10
#: Bytes of one message, and of all the messages of one batch request.
MAX_BYTES = 1_048_576
#: The longest that a message can stay hidden, counted from its receipt (12 h).
MAX_VISIBILITY_SECONDS = 43_200
#: What the URL of a queue that keeps order ends with.
FIFO_SUFFIX = ".fifo"
#: The longest wait of one receive.
MAX_LONG_POLL_SECONDS = 20

Call = Callable[..., Mapping[str, Any]]


def call_batch(
    call: Call, queue_url: str, entries: Sequence[Mapping[str, Any]]
) -> dict[int, str]:
    """Make one batch request and return what failed in it.

    An HTTP 200 can carry failures, so the answer is read entry by entry; an entry
    that the answer does not name has failed too.

    Parameters
    ----------
    call
        The client's method, such as ``client.delete_message_batch``.
    entries
        At most 10, without their ``Id``.

    Returns
    -------
    dict
        The index of each failed entry and its error code.

    Raises
    ------
    Unavailable, QueueGone
        When the request as a whole failed.
    """
    numbered = [{"Id": str(index), **entry} for index, entry in enumerate(entries)]
    with translated(queue_url):
        answer = call(QueueUrl=queue_url, Entries=numbered)
    done = {int(entry["Id"]) for entry in answer.get("Successful", ())}
    codes = {int(entry["Id"]): entry["Code"] for entry in answer.get("Failed", ())}
    return {
        index: codes.get(index, "Unanswered")
        for index in range(len(numbered))
        if index not in done
    }


def is_stale(code: str) -> bool:
    """Tell whether an entry's error code says that the delivery is no longer ours."""
    return code in STALE_CODES
