"""Every failure, what is done about it, and when its message comes back."""

from __future__ import annotations

import random
from dataclasses import dataclass

import structlog
from pebble import ProcessExpired

from connectors.download_errors import HostDown, PermanentDownload, TransientDownload
from connectors.errors import Misconfigured, QueueGone, Unavailable
from connectors.quarantine import Quarantined
from flows.parsing import Malformed
from model.audio import AudioError
from model.errors import ModelError
from model.outcomes import Kind, Outcome
from model.records import MalformedMessage, WorkItem
from model.times import utc_now

log = structlog.get_logger("earshot")

#: Doublings after which a backoff grows no more; beyond, a float would overflow.
_MAX_DOUBLINGS = 32


class HostStaysDown(Exception):
    """A recording's host does not answer, while others do."""


class ResultRefused(Exception):
    """Mongo will never take a record's result."""


class UnknownSource(Exception):
    """A record is from a source that this worker does not know."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What an error means.

    Attributes
    ----------
    stage
        Where it happens; the quarantine and the error column name it.
    kind
        What becomes of an item; None where it is not the item's.
    meaning
        What it is, for a person.
    done
        What is done about it.
    """

    stage: str
    kind: Kind | None
    meaning: str
    done: str


_COMES_BACK = "redelivered after a backoff; dead-letter queue by the redrive policy"
_COMES_LATER = "redelivered after the longest backoff, so that few receives are used"
_QUARANTINED = "quarantined; without a quarantine queue redelivered like a transient"
_WAITED_FOR = "nothing received; what is held waits; tried by one until it answers"
_ENDS = "the process ends with 1 and a line; every message stays on the queue"

#: Which error is which. The first row whose type an error has is its own.
TAXONOMY: dict[type[Exception], Fate] = {
    MalformedMessage: Fate(
        "parse",
        None,
        "malformed: the body is no record",
        "quarantined, to the queue or else to the file",
    ),
    PermanentDownload: Fate(
        "download",
        Kind.PERMANENT,
        "404 and other 4xx, forbidden host or scheme, too large",
        _QUARANTINED,
    ),
    AudioError: Fate(
        "decode",
        Kind.PERMANENT,
        "no audio, damaged, empty, beyond a limit",
        _QUARANTINED,
    ),
    HostDown: Fate(
        "download",
        Kind.TRANSIENT,
        "5xx, 429, refused, silent, no such host, S3 credentials expired",
        f"a single recording: {_COMES_BACK}; no host answers: {_WAITED_FOR}",
    ),
    HostStaysDown: Fate(
        "download",
        Kind.LATER,
        "its host is down while others answer, or has never answered",
        _COMES_LATER,
    ),
    TransientDownload: Fate(
        "download", Kind.TRANSIENT, "cut off, too slow, 408, 425", _COMES_BACK
    ),
    UnknownSource: Fate(
        "eligibility",
        Kind.TRANSIENT,
        "a source that this worker does not know",
        _COMES_BACK,
    ),
    TimeoutError: Fate(
        "features",
        Kind.TRANSIENT,
        "not done within INFERENCE_TIMEOUT_SECONDS; the child is replaced",
        _COMES_BACK,
    ),
    ProcessExpired: Fate(
        "features",
        Kind.TRANSIENT,
        "its child crashed or used up its CPU time; the child is replaced",
        _COMES_BACK,
    ),
    MemoryError: Fate(
        "features",
        Kind.TRANSIENT,
        "needs more memory than a child may take",
        _COMES_BACK,
    ),
    ResultRefused: Fate(
        "store",
        Kind.PERMANENT,
        "Mongo refuses the result: a validator, a unique index, too large",
        _QUARANTINED,
    ),
    Unavailable: Fate(
        "any",
        None,
        "Mongo, Postgres, quarantine or announcement out of reach, disk full; "
        "for SQS also throttling, access denied, credentials expired",
        _WAITED_FOR,
    ),
    QueueGone: Fate("any", None, "the queue was deleted", _ENDS),
    Misconfigured: Fate("any", None, "the table or the CSV file is another one", _ENDS),
    ModelError: Fate("start", None, "the model's file or its checksum is wrong", _ENDS),
}
#: What a step's error is that no row names: an item's own, and worth another try.
UNNAMED = Fate(
    "features", Kind.TRANSIENT, "anything else that a recording causes", _COMES_BACK
)


def fate_of(error: Exception) -> Fate:
    """Return what an error means."""
    rows = (fate for kind, fate in TAXONOMY.items() if isinstance(error, kind))
    return next(rows, UNNAMED)


def failed(item: WorkItem, error: Exception, reason: str | None = None) -> Outcome:
    """Return the outcome of an item that an error kept from being judged."""
    fate = fate_of(error)
    assert fate.kind is not None, f"{error!r} is no item's own"
    return Outcome.failed(item, fate.kind, fate.stage, reason or str(error))


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

    @property
    def longest(self) -> float:
        """Seconds near the longest, by chance: not all that waits comes at once."""
        return random.uniform(self._most / 2, self._most)

    def __call__(self, receive_count: int) -> float:
        """Return a delay for a delivery by how often it was received."""
        doublings = min(receive_count - 1, _MAX_DOUBLINGS)
        return random.uniform(0, min(self._most, self._first * 2**doublings))


def delay_of(outcome: Outcome, backoff: Backoff) -> float:
    """Return the seconds until a failed item comes back."""
    if outcome.failure is not None and outcome.failure.kind is Kind.LATER:
        return backoff.longest
    return backoff(outcome.item.receive_count)


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
    stage = TAXONOMY[MalformedMessage].stage
    return Quarantined(malformed.delivery, stage, malformed.reason, None, utc_now())


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
