"""The end of a discovery's graph: counts, and the watermark that follows them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from connectors.mongo_state import States
from connectors.pages import Selection
from flows.discovery.ending import Ending, Window
from flows.discovery.items import Ended, Fate
from flows.discovery.memory import Memory
from flows.discovery.watermark import Part, text_of, watermark
from model.times import utc_now

#: The field of a state document with what was sent within the overlap.
SENT = "sent"
#: Seconds after which what was skipped moves the watermark, though nothing is sent.
SAVE_SECONDS = 2.0


@dataclass(eq=False)
class Scan:
    """One subject of a date, read from one source.

    Attributes
    ----------
    key
        The ``_id`` of its state document.
    described
        What the state document says of it for people.
    order
        What the run was asked; another run goes on from here if it is asked the same.
    reached
        The watermark before the run.
    moves
        Whether the run may move the watermark.
    """

    key: str
    selection: Selection
    parts: list[Part]
    memory: Memory = field(default_factory=Memory)
    described: Mapping[str, Any] = field(default_factory=dict)
    order: Mapping[str, Any] = field(default_factory=dict)
    reached: datetime | None = None
    moves: bool = True

    def watermark(self) -> datetime | None:
        """Return the watermark as it is now."""
        found = watermark(self.parts) if self.moves else None
        times = [time for time in (self.reached, found) if time is not None]
        return max(times, default=None)

    @property
    def place_name(self) -> str:
        """The field of the state document with the place of this run."""
        return place_name(self.order)

    def read_again_from(self) -> datetime | None:
        """Return the lowest time from which a later run may read, None for all."""
        # One without an order is read from its start again, however far it was.
        places = [
            (part.ordered and part.prefix.at) or part.span.start for part in self.parts
        ]
        times = [time for time in (self.watermark(), *places) if time is not None]
        return min(times) if len(times) > len(places) else None


def place_name(order: Mapping[str, Any]) -> str:
    """Return the field of a state document with the place of a run of a mode.

    An incremental run between two halves of a backfill must not make it begin anew.
    """
    return f"scan_{order.get('mode')}"


class Ledger:
    """Takes the ends of records, in any order, and writes down how far the scans are.

    On a thread of its own: the flow sends on while Mongo is written to.

    Parameters
    ----------
    states
        Where that is written, None where nothing is: `one_time` and dry runs.
    held, unsaved
        What the run has read and not ended, and has sent and not written down.
    overlap
        How long before the watermark records are read again.
    save_after
        Records sent after which it is written down.
    """

    def __init__(
        self,
        scans: Sequence[Scan],
        states: States | None,
        ending: Ending,
        *,
        held: Window,
        unsaved: Window,
        overlap: timedelta,
        save_after: int,
    ) -> None:
        self._scans, self._states, self._ending = scans, states, ending
        self._held, self._unsaved = held, unsaved
        self._overlap, self._save_after = overlap, save_after
        self._sent: dict[Part, dict[bytes, datetime]] = {}
        self._waiting = 0
        self._saved_at = time.monotonic()
        self._written: dict[Scan, tuple[object, ...]] = {}
        self._thread = ThreadPoolExecutor(1, "ledger")
        self.counts: Counter[Fate] = Counter()

    def put(self, batches: Sequence[Sequence[Ended]]) -> None:
        """Take the ends of some records."""
        for ends in batches:
            self._thread.submit(self._ending.guarded, partial(self._put, ends), None)

    def close(self) -> None:
        """Wait until all that was taken is noted; no more is taken then."""
        self._thread.shutdown()

    def save(self, *, finished: bool = False) -> None:
        """Write down the scans that went on since; raises `Unavailable`.

        Parameters
        ----------
        finished
            Whether the run has done all it was asked: the next one begins anew.
        """
        if self._states is not None:
            for scan in self._scans:
                self._save(self._states, scan, finished=finished)
        self._unsaved.give(self._waiting)
        self._waiting = 0
        self._saved_at = time.monotonic()

    def watermark(self) -> str | None:
        """Return the lowest of the scans' watermarks, None where one has none."""
        times = [scan.watermark() for scan in self._scans]
        known = [time for time in times if time is not None]
        return text_of(min(known)) if len(known) == len(times) else None

    def summary(self) -> dict[str, Any]:
        """Return the counts and the watermark as they are now."""
        scanned = sum(self.counts.values()) - self.counts[Fate.REMEMBERED]
        return {
            "scanned": scanned,
            "skipped_existing": self.counts[Fate.SKIPPED],
            "sent": self.counts[Fate.SENT],
            "failed": self.counts[Fate.FAILED],
            "watermark": self.watermark(),
        }

    def _put(self, ends: Sequence[Ended]) -> None:
        for end in ends:
            self._note(end)
        self._held.give(len(ends))
        late = time.monotonic() - self._saved_at > SAVE_SECONDS
        if self._waiting >= self._save_after or late:
            self._ending.call(self.save)

    def _note(self, end: Ended) -> None:
        place, fate = end.place, end.fate
        self.counts[fate] += 1
        place.part.prefix.end(place.index, place.at, done=fate is not Fate.FAILED)
        # A failed one was on its way to the queue, too, if it has a version.
        self._waiting += end.version is not None
        if fate is Fate.SENT and end.version and place.at:
            self._sent.setdefault(place.part, {})[end.version] = place.at

    def _save(self, states: States, scan: Scan, *, finished: bool) -> None:
        self._remember(scan)
        reached = scan.watermark()
        text = None if reached is None else text_of(reached)
        parts = [part.place() for part in scan.parts]
        place = None if finished else {**scan.order, "parts": parts}
        changes = scan.memory.changes()
        if not changes and self._written.get(scan) == (place, text):
            return
        fields = {**scan.described, scan.place_name: place}
        fields["updated_at"] = text_of(utc_now())
        paths = {f"{SENT}.{name}": leaf for name, leaf in changes.items()}
        states.save(scan.key, fields, watermark=text, paths=paths)
        scan.memory.saved()
        self._written[scan] = (place, text)

    def _remember(self, scan: Scan) -> None:
        floors: dict[Part | None, datetime | None] = {
            None: self._floor(scan.read_again_from())
        }
        for part in scan.parts:
            scan.memory.add(part, self._sent.pop(part, {}))
            floors[part] = self._floor(part.prefix.at) if part.ordered else None
        scan.memory.forget(floors)

    def _floor(self, at: datetime | None) -> datetime | None:
        return at and at - self._overlap
