"""What a run reads: from the beginning, from the watermark, or where one was killed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import orjson
import structlog

from connectors.mongo_state import States
from connectors.pages import Pages, Selection, Span
from flows.discovery.ledger import SENT, Scan, place_name
from flows.discovery.memory import Memory
from flows.discovery.modes import Mode
from flows.discovery.watermark import (
    Part,
    Prefix,
    divided,
    latest_watermark,
    text_of,
    time_of,
)
from flows.settings import Settings
from model.times import utc_now

log = structlog.get_logger("earshot")


@dataclass(frozen=True, slots=True)
class Order:
    """What a run of discovery is asked to do.

    Attributes
    ----------
    subject_names
        Each is a scan with a watermark of its own; none stands for all subjects.
    since
        Records from this time on, whatever the watermark says.
    workers
        Parts that are read at once.
    restart
        Whether a backfill that was cut short begins anew.
    force
        Whether to take the lease from a run that holds it.
    """

    test_date: date
    mode: Mode = "one_time"
    subject_names: tuple[str, ...] = ()
    record_types: tuple[str, ...] = ()
    since: datetime | None = None
    max_records: int | None = None
    workers: int = 1
    dry_run: bool = False
    restart: bool = False
    force: bool = False

    @property
    def keeps_state(self) -> bool:
        """Whether the run goes by the watermark and may move it."""
        return self.mode != "one_time"

    def moves(self, reached: datetime | None) -> bool:
        """Tell whether the run may move a watermark that has come so far."""
        if self.dry_run or not self.keeps_state:
            return False
        return self.since is None or (reached is not None and self.since <= reached)

    def selections(self) -> list[Selection]:
        """Return what each scan of the run selects."""
        asked = tuple(dict.fromkeys(self.subject_names))
        names: Sequence[str | None] = asked or (None,)
        return [Selection(self.test_date, name, self.record_types) for name in names]

    def lasting(self) -> dict[str, Any]:
        """Return what must be the same for a run to go on where another was killed."""
        return {"mode": self.mode, "since": self.since and text_of(self.since)}


def state_key(source: str, collection: str, selection: Selection) -> str:
    """Return the ``_id`` of a scan's state document.

    A selection of record types has one of its own: the watermark must not pass the
    records of the other types.
    """
    parts: list[object] = [source, collection, selection.test_date.isoformat()]
    parts.append(selection.subject_name)
    if selection.record_types:
        parts.append(sorted(selection.record_types))
    return orjson.dumps(parts).decode()


def described(source: str, collection: str, selection: Selection) -> dict[str, Any]:
    """Return what a state document says of its scan for people."""
    return {
        "source_type": source,
        "source_collection": collection,
        "test_date": selection.test_date.isoformat(),
        "subject_name": selection.subject_name,
    }


def plan_scan(
    order: Order,
    settings: Settings,
    pages: Pages,
    selection: Selection,
    states: States,
) -> Scan:
    """Return the scan of a selection.

    Parameters
    ----------
    states
        Where its document is, if there is one.
    """
    source = settings.discovery_source_type
    key = state_key(source, pages.name, selection)
    state = states.load(key)
    reached = time_of(state.get("watermark"))
    left = _left_over(order, state)
    fresh = order.mode != "incremental" and not left
    plan = _Plan(order, pages, settings.discovery_overlap_seconds)
    start = None if fresh else reached
    parts = plan.resumed(left) if left else plan.parts(selection, start)
    return Scan(
        key,
        selection,
        parts,
        Memory(state.get(SENT), heeded=not fresh),
        described(source, pages.name, selection),
        order.lasting(),
        reached,
        moves=order.moves(reached),
    )


def _left_over(order: Order, state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the parts of a run that was cut short and that this one goes on with."""
    scan = state.get(place_name(order.lasting())) or {}
    same = all(scan.get(name) == value for name, value in order.lasting().items())
    if not scan or not same or order.restart or not order.keeps_state:
        return []
    log.warning("discovery_resumed", mode=order.mode, left_at=state.get("updated_at"))
    return list(scan["parts"])


class _Plan:
    """Makes the parts of a scan.

    Parameters
    ----------
    overlap
        How long before a place, in seconds, a run goes on from it: what was committed
        late lies there; what was sent is remembered.
    """

    def __init__(self, order: Order, pages: Pages, overlap: float) -> None:
        self._order, self._pages = order, pages
        self._overlap = timedelta(seconds=overlap)
        self._latest = latest_watermark(order.test_date, utc_now())

    def parts(self, selection: Selection, reached: datetime | None) -> list[Part]:
        """Return the parts of a scan from its watermark on, None for all of it."""
        start = self._order.since or (reached and reached - self._overlap)
        undated = [Span(False, start)] if self._pages.has_undated else []
        dated = divided(Span(True, start), self._bounds(selection), self._order.workers)
        return [self._part(span) for span in (*undated, *dated)]

    def resumed(self, left: Sequence[Mapping[str, Any]]) -> list[Part]:
        """Return the parts that another run left, from where it was in each."""
        return [self._part(self._rest(part)) for part in left]

    def _rest(self, part: Mapping[str, Any]) -> Span:
        start, end, at = (time_of(part[name]) for name in ("start", "end", "at"))
        if at is not None and self._is_ordered(part["dated"]):
            start = max(start or at - self._overlap, at - self._overlap)
        return Span(part["dated"], start, end)

    def _part(self, span: Span) -> Part:
        return Part(span, self._is_ordered(span.dated), Prefix(self._latest))

    def _is_ordered(self, dated: bool) -> bool:
        return dated or self._pages.orders_undated

    def _bounds(self, selection: Selection) -> tuple[datetime, datetime] | None:
        """Return the times between which readers part, None for one reader."""
        if self._order.workers == 1:
            return None
        bounds = self._pages.bounds(selection)
        # One time far in the future would leave all the others to one reader.
        return bounds and (bounds[0], min(bounds[1], self._latest))
