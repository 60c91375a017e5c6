"""What a source of recordings is read in: pages, in the order of time and key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records of a source are wanted; no record type stands for all."""

    test_date: date
    subject_name: str | None = None
    record_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a source's order, from `start` up to but without `end`.

    Attributes
    ----------
    dated
        Whether it holds the records that go by their ``updated_at``, or those that
        have none and go by ``subject_created_at``.
    start, end
        None where the part is open.
    """

    dated: bool = True
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A recording as its source has it, nothing of it checked yet.

    Attributes
    ----------
    at
        Its place in the order; None where the source holds no time there.
    fields
        The fields of its message that come from the source.
    """

    at: datetime | None
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """What one query gave.

    Attributes
    ----------
    read
        Rows or documents that it took; one document can hold several recordings.
    next
        Where the next page begins, opaque; None after the last page.
    """

    found: Sequence[Found]
    read: int
    next: Any = None


class Pages(Protocol):
    """A source, read page by page; every method raises `Unavailable`.

    Attributes
    ----------
    name
        The ``source_collection`` of its messages.
    orders_undated
        Whether records without ``updated_at`` come in the order of time.
    """

    name: str
    orders_undated: bool

    @property
    def has_undated(self) -> bool:
        """Whether there can be records without ``updated_at``."""
        ...

    def check(self, selection: Selection) -> None:
        """Look at what is there; raises `Misconfigured` where a name is wrong."""
        ...

    def page(
        self, selection: Selection, span: Span, after: Any | None, limit: int
    ) -> Page:
        """Return the rows or documents that follow `after`, at most `limit`."""
        ...

    def bounds(self, selection: Selection) -> tuple[datetime, datetime] | None:
        """Return the earliest and latest ``updated_at``, None where there is none."""
        ...

    def estimate(self, selection: Selection) -> int:
        """Return about how many rows or documents there are to read."""
        ...

    def missing_index(self, selection: Selection) -> str | None:
        """Return the statement that makes the index that pages need and lack."""
        ...

    def close(self) -> None:
        """Close the connections that are its own."""
        ...


def moment(value: object) -> datetime | None:
    """Return a source's time in UTC, where it names no zone too; None if it is none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError:  # in another zone it is year 1 or 9999, in UTC it is not
        return None


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return the closest known name as a question, nothing where none is close."""
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f", did you mean {close[0]!r}?" if close else ""
