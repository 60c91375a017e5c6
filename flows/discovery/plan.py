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
from flows.discovery.ledger import Scan, place_name
from flows.discovery.memory import Memory
from flows.discovery.modes import Mode
from flows.discovery.watermark import Part, divided, text_of, time_of
from flows.settings import Settings

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
    # What was committed late lies there; what was sent is remembered.
    overlap = timedelta(seconds=settings.discovery_overlap_seconds)
    key = state_key(source, pages.name, selection)
    state = states.load(key)
    reached = time_of(state.get("watermark"))
    left = _left_over(order, state)
    fresh = order.mode != "incremental" and not left
    spans = _resumed(left, pages, overlap)
    if not left:
        start = None if fresh or reached is None else reached - overlap
        spans = _spans(order, pages, selection, order.since or start)
    return Scan(
        key,
        selection,
        [Part(span, span.dated or pages.orders_undated) for span in spans],
        Memory(state.get("remembered") or (), heeded=not fresh),
        described(source, pages.name, selection),
        order.lasting(),
        reached,
        moves=order.keeps_state
        and not order.dry_run
        and (order.since is None or (reached is not None and order.since <= reached)),
    )


def _left_over(order: Order, state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the parts of a run that was cut short and that this one goes on with."""
    scan = state.get(place_name(order.lasting())) or {}
    same = all(scan.get(name) == value for name, value in order.lasting().items())
    if not scan or not same or order.restart or not order.keeps_state:
        return []
    log.warning("discovery_resumed", mode=order.mode, left_at=state.get("updated_at"))
    return list(scan["parts"])


def _resumed(
    parts: Sequence[Mapping[str, Any]], pages: Pages, overlap: timedelta
) -> list[Span]:
    spans = []
    for part in parts:
        start, end, at = (time_of(part[name]) for name in ("start", "end", "at"))
        if at is not None and (part["dated"] or pages.orders_undated):
            start = max(start or at - overlap, at - overlap)
        spans.append(Span(part["dated"], start, end))
    return spans


def _spans(
    order: Order, pages: Pages, selection: Selection, start: datetime | None
) -> list[Span]:
    dated = Span(True, start)
    bounds = pages.bounds(selection) if order.workers > 1 else None
    undated = [Span(False, start)] if pages.has_undated else []
    return [*undated, *divided(dated, bounds, order.workers)]
