"""What a ledger writes down, and when: on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from connectors.mongo_state import States
from connectors.pages import Selection, Span
from flows.discovery.ending import Ending, Window
from flows.discovery.items import Ended, Fate, Place
from flows.discovery.ledger import Ledger, Scan
from flows.discovery.memory import FINGERPRINT_BYTES, LEAF_BYTES, fingerprint
from flows.discovery.watermark import Part

NINE = datetime(2026, 2, 23, 9, tzinfo=UTC)
#: Records that fill a leaf.
IN_LEAF = LEAF_BYTES // FINGERPRINT_BYTES
KEYS = [f"scan {number}" for number in range(50)]


class Counted(States):
    """State documents that note which are written."""

    def __init__(self, states: States) -> None:
        super().__init__(states._collection)
        self.written: list[str] = []

    def save(self, key: str, *fields: Any, **more: Any) -> None:
        """Write a document; see `States.save`."""
        self.written.append(key)
        super().save(key, *fields, **more)

    def take(self) -> list[str]:
        """Return which were written since this was asked."""
        written, self.written = self.written, []
        return written


@pytest.fixture
def counted(states: States) -> Counted:
    return Counted(states)


@pytest.fixture
def scans() -> list[Scan]:
    selection = Selection(date(2026, 2, 23))
    order = {"mode": "backfill", "since": None}
    return [Scan(key, selection, [Part(Span())], order=order) for key in KEYS]


@pytest.fixture
def ledger(scans: list[Scan], counted: Counted) -> Iterator[Ledger]:
    ending = Ending()
    found = Ledger(
        scans,
        counted,
        ending,
        held=Window(100, ending),
        unsaved=Window(100, ending),
        overlap=timedelta(minutes=5),
        save_after=1000,
    )
    yield found
    found.close()


def end(ledger: Ledger, scan: Scan, index: int, fate: Fate = Fate.SENT) -> None:
    """Note a record's end at once, as the ledger's thread does."""
    at = NINE + timedelta(seconds=index)
    version = fingerprint(f"{scan.key} {index}", at) if fate is Fate.SENT else None
    ledger._note(Ended(Place(scan.parts[0], index, at), fate, version))


def test_only_scans_that_went_on_are_written_down(
    ledger: Ledger, scans: list[Scan], counted: Counted, states: States
) -> None:
    ledger.save()
    assert counted.take() == KEYS  # a place that an earlier run left is gone
    ledger.save()
    assert counted.take() == []
    end(ledger, scans[3], 0)
    end(ledger, scans[7], 0, Fate.SKIPPED)
    ledger.save()
    assert counted.take() == [KEYS[3], KEYS[7]]
    assert states.load(KEYS[7])["watermark"] == "2026-02-23T09:00:00.000000Z"
    (leaf,) = states.load(KEYS[3])["sent"].values()
    assert len(leaf["fingerprints"]) == 8
    ledger.save()
    assert counted.take() == []


def test_what_is_not_read_again_goes_from_the_document(
    ledger: Ledger, scans: list[Scan], states: States
) -> None:
    scan = scans[0]
    seen: set[str] = set()
    # A leaf is half an hour of these records, and five minutes are read again.
    for begin in range(0, 5 * IN_LEAF, IN_LEAF):
        for index in range(begin, begin + IN_LEAF):
            end(ledger, scan, index)
        ledger.save()
        found = states.load(scan.key)["sent"]
        assert {name: dict(leaf) for name, leaf in found.items()} == scan.memory.kept()
        assert len(found) == 1 and not found.keys() & seen
        seen |= found.keys()


def test_a_part_whose_end_alone_is_new_is_written_down(
    ledger: Ledger, scans: list[Scan], counted: Counted
) -> None:
    scan = scans[0]
    scan.parts[:] = [Part(Span(dated=False)), Part(Span())]
    scan.parts[1].prefix.end(0, NINE, done=True)
    ledger.save()
    counted.take()
    scan.parts[0].total = 0
    ledger.save()
    assert counted.take() == [scan.key]


def test_at_its_end_every_scan_has_no_place_any_more(
    ledger: Ledger, scans: list[Scan], counted: Counted, states: States
) -> None:
    ledger.save()
    counted.take()
    ledger.save(finished=True)
    assert counted.take() == KEYS
    assert all(states.load(key)["scan_backfill"] is None for key in KEYS)
