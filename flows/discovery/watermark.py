"""How far a scan has come: to the last record such that all before it are done.

Nothing here talks to anything. A scan has parts, read side by side; each part numbers
its records in their order, and they end in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from connectors.pages import Span

#: How far the first and the last time zone on Earth are from UTC.
_EAST, _WEST = timedelta(hours=14), timedelta(hours=12)


def text_of(at: datetime) -> str:
    """Return a time as texts of fixed width that compare as the times do."""
    naive = at.astimezone(UTC).replace(tzinfo=None)
    return naive.isoformat(timespec="microseconds") + "Z"


def time_of(text: str | None) -> datetime | None:
    """Return the time that `text_of` wrote."""
    return None if text is None else datetime.fromisoformat(text)


def latest_watermark(test_date: date, begin: datetime) -> datetime:
    """Return the latest time that a run which begins now may move a watermark to.

    It is the run's begin: what changes from then on can be changed before a record
    whose time lies in the future. The times of a date that has begun nowhere on Earth
    are made up, as for a rehearsal, and count up to the date's end everywhere.
    """
    midnight = datetime.combine(test_date, time(), UTC)
    if begin >= midnight - _EAST:
        return begin
    return midnight + timedelta(days=1) + _WEST


class Prefix:
    """The place in a numbered row of records up to which all are done.

    One that failed holds it for good; nothing behind it is remembered.

    Parameters
    ----------
    latest
        The latest time that counts, None where any does.

    Attributes
    ----------
    at
        The latest time that counts among the records up to there, None before the
        first.
    count
        How many they are.
    """

    def __init__(self, latest: datetime | None = None) -> None:
        self.latest = latest
        self.at: datetime | None = None
        self.count = 0
        self._held_at: int | None = None
        self._early: dict[int, datetime | None] = {}

    def end(self, index: int, at: datetime | None, *, done: bool) -> None:
        """Note the end of a record; each ends once, in any order."""
        if not done:
            self._hold(index)
        elif self._held_at is None or index < self._held_at:
            self._early[index] = at
            self._advance()

    def _hold(self, index: int) -> None:
        if self._held_at is None or index < self._held_at:
            self._held_at = index
            self._early = {i: at for i, at in self._early.items() if i < index}

    def _advance(self) -> None:
        while self.count in self._early:
            at = self._early.pop(self.count)
            self.count += 1
            if at is not None and (self.latest is None or at <= self.latest):
                self.at = at if self.at is None else max(at, self.at)


@dataclass(eq=False, slots=True)
class Part:
    """A part of a scan, and how far it has come.

    Attributes
    ----------
    span
        What it reads.
    ordered
        Whether it comes in the order of time; else it is read from its start again.
    total
        How many records it has, once it has been read to its end.
    """

    span: Span
    ordered: bool = True
    prefix: Prefix = field(default_factory=Prefix)
    total: int | None = None

    @property
    def complete(self) -> bool:
        """Whether every record of it is done."""
        return self.prefix.count == self.total

    def place(self) -> dict[str, Any]:
        """Return the part as the state document keeps it."""
        places = {"start": self.span.start, "end": self.span.end, "at": self.prefix.at}
        return {
            "dated": self.span.dated,
            **{name: at and text_of(at) for name, at in places.items()},
        }


def watermark(parts: Sequence[Part]) -> datetime | None:
    """Return the time up to which every record of a scan is done.

    The records without a time of their own can stand anywhere in the order, so that
    there is none before they are done.
    """
    undated = [part for part in parts if not part.span.dated]
    dated = [part for part in parts if part.span.dated]
    if not all(part.complete for part in undated):
        return None
    reached = None
    for part in dated:
        reached = part.prefix.at or reached
        if not part.complete:
            return reached
    return _latest([reached, *(part.prefix.at for part in undated)])


def divided(
    span: Span, bounds: tuple[datetime, datetime] | None, count: int
) -> list[Span]:
    """Return a span cut into so many of about equal time; the outer ends stay.

    The cuts are whole seconds: Mongo's times have no microseconds, and a record in the
    millisecond of a cut would lie in neither part.
    """
    if bounds is None or bounds[0] >= bounds[1]:
        return [span]
    first, last = max(bounds[0], span.start or bounds[0]), bounds[1]
    step = (last - first) / count
    if step <= timedelta(0):
        return [span]
    evenly = (first + step * number for number in range(1, count))
    whole = (cut.replace(microsecond=0) for cut in evenly)
    cuts = [max(cut, span.start or cut) for cut in whole]
    starts, ends = [span.start, *cuts], [*cuts, span.end]
    return [Span(True, a, b) for a, b in zip(starts, ends, strict=True)]


def _latest(times: Iterable[datetime | None]) -> datetime | None:
    return max((time for time in times if time is not None), default=None)
