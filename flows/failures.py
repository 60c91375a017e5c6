"""Every failure, what is done about it, and when its message comes back."""

from __future__ import annotations

import random

import structlog

from connectors.quarantine import Quarantined
from flows.triage import Malformed
from model.outcomes import Kind, Outcome
from model.times import utc_now

log = structlog.get_logger("earshot")

#: Doublings after which a backoff grows no more; beyond, a float would overflow.
_MAX_DOUBLINGS = 32


class Backoff:
    """Seconds until a failed delivery comes back: exponential, with full jitter.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog.

    Parameters
    ----------
    first, most
        Seconds: the longest delay after the first delivery, and after any.
    """

    def __init__(self, first: float, most: float) -> None:
        self._first, self._most = first, most

    def __call__(self, receive_count: int) -> float:
        """Return a delay for a delivery by how often it was received."""
        doublings = min(receive_count - 1, _MAX_DOUBLINGS)
        return random.uniform(0, min(self._most, self._first * 2**doublings))


def is_permanent(outcome: Outcome) -> bool:
    """Tell whether an item failed for good."""
    return outcome.failure is not None and outcome.failure.kind is Kind.PERMANENT


def quarantined(outcome: Outcome) -> Quarantined:
    """Return a failed item as the quarantine keeps it."""
    assert outcome.failure is not None, "only a failed item goes to the quarantine"
    return Quarantined(
        outcome.item.origin,
        outcome.failure.stage,
        outcome.failure.reason,
        outcome.item.record.trace_id,
        outcome.processed_at,
    )


def unparsed(malformed: Malformed) -> Quarantined:
    """Return a malformed message as the quarantine keeps it."""
    return Quarantined(malformed.delivery, "parse", malformed.reason, None, utc_now())


def log_failure(outcome: Outcome) -> None:
    """Log an item that could not be judged."""
    assert outcome.failure is not None
    log.warning(
        "item_failed_pre_inference",
        trace_id=outcome.item.record.trace_id,
        message_id=outcome.item.message_id,
        receive_count=outcome.item.receive_count,
        kind=outcome.failure.kind.value,
        stage=outcome.failure.stage,
        reason=outcome.failure.reason,
    )


def log_malformed(malformed: Malformed) -> None:
    """Log a message that is no record."""
    log.warning(
        "message_malformed",
        message_id=malformed.delivery.message_id,
        receive_count=malformed.delivery.receive_count,
        reason=malformed.reason,
    )
