"""A record on its way through a run: found, made of what its source holds, ended."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from pydantic import ValidationError

from connectors.pages import Found, Selection
from flows.discovery.memory import Memory, fingerprint
from flows.discovery.watermark import Part
from model.identity import dedupe_key, result_document_id
from model.records import DiscoveryRecord
from model.times import utc_now

log = structlog.get_logger("earshot")

#: How far clocks may differ before a time is said to lie in the future.
CLOCKS_DIFFER = timedelta(minutes=5)
_TRACE_BYTES, _TRACE_DIGITS = 16, 32


class Fate(StrEnum):
    """What became of a record."""

    SENT = "sent"
    SKIPPED = "skipped_existing"
    FAILED = "failed"
    REMEMBERED = "remembered"  # sent by an earlier run, read again in the overlap
    WOULD_SEND = "would_send"  # in a dry run


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands: the part of its scan, its number and time there."""

    part: Part
    index: int
    at: datetime | None


@dataclass(frozen=True, slots=True)
class New:
    """A record that may have to be sent."""

    place: Place
    record: DiscoveryRecord
    identity: str
    version: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """A record that nothing more happens to."""

    place: Place
    fate: Fate
    version: bytes | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """A page of records: those that are to be sent, and the ends of the others."""

    new: list[New] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)

    def batches(self, size: int) -> list[list[New]]:
        """Return what is to be sent in lists of at most so many."""
        return [self.new[at : at + size] for at in range(0, len(self.new), size)]


class Reader:
    """Makes records of what a source holds.

    Parameters
    ----------
    collection
        The ``source_collection`` of its messages.
    memory
        What earlier runs have sent, None where that does not count.
    """

    def __init__(
        self, collection: str, selection: Selection, memory: Memory | None
    ) -> None:
        self._memory = memory
        self._warned = False
        self._common = {
            "source_collection": collection,
            "test_date": selection.test_date,
        }

    def __call__(
        self, page: Sequence[Found], part: Part, first: int
    ) -> list[New | Ended]:
        """Return the records of a page; an end for each that needs no look at results.

        Parameters
        ----------
        first
            The number in its part of the page's first record.
        """
        now = utc_now()
        self._warn(page, part, now)
        # All of it random, as samplers of traces expect; a UUID's version is not. At
        # once for a page: each asking gives other threads the interpreter's lock.
        traces = secrets.token_hex(_TRACE_BYTES * len(page))
        return [
            self._item(
                found,
                Place(part, first + number, found.at),
                trace_id=traces[number * _TRACE_DIGITS : (number + 1) * _TRACE_DIGITS],
                discovered_at=now,
            )
            for number, found in enumerate(page)
        ]

    def _warn(self, page: Sequence[Found], part: Part, now: datetime) -> None:
        """Name the first record whose time lies in the future, once."""
        latest = max(now, part.prefix.latest or now) + CLOCKS_DIFFER
        ahead = [found for found in page if found.at and found.at > latest]
        if ahead and not self._warned:
            self._warned = True
            log.warning(
                "time_in_future",
                source_record_id=ahead[0].fields.get("source_record_id"),
                at=ahead[0].at,
                records_of_page=len(ahead),
            )

    def _item(self, found: Found, place: Place, **now: object) -> New | Ended:
        try:
            record = DiscoveryRecord.model_validate(
                {**self._common, **found.fields, **now}
            )
        except ValidationError as error:
            key = found.fields.get("source_record_id")
            log.error("record_failed", source_record_id=key, reason=_reason(error))
            return Ended(place, Fate.FAILED)
        identity = result_document_id(dedupe_key(record))
        version = fingerprint(identity, found.at)
        if self._memory is not None and version in self._memory:
            return Ended(place, Fate.REMEMBERED)
        return New(place, record, identity, version)


def _reason(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False)
    return "; ".join(
        f"{fault['loc'][0] if fault['loc'] else 'record'}: {fault['msg']}"
        for fault in faults
    )
