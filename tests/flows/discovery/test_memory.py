"""What a scan remembers to have sent, and how much of it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from structlog.testing import capture_logs

from connectors.pages import Span
from flows.discovery.memory import MAX_BYTES, Memory, fingerprint
from flows.discovery.watermark import Part

NINE = datetime(2026, 2, 23, 9, tzinfo=UTC)
#: Bytes of a document that MongoDB takes.
DOCUMENT_BYTES = 16 << 20


def test_what_was_sent_is_remembered_until_its_part_has_gone_on() -> None:
    memory, one = Memory(), Part(Span())
    prints = [fingerprint(str(number), NINE) for number in range(3)]
    for second, version in enumerate(prints):
        memory.add(one, {version: NINE + timedelta(seconds=second)})
    memory.forget({one: NINE + timedelta(seconds=1), None: None})
    later = Memory(memory.kept())
    assert [version in later for version in prints] == [False, True, True]


def test_another_version_of_a_record_is_not_the_one_remembered() -> None:
    assert fingerprint("a", NINE) != fingerprint("a", NINE + timedelta(microseconds=1))


def leaf(memory: Memory, owner: Part, second: int) -> None:
    at = NINE + timedelta(seconds=second)
    memory.add(owner, {fingerprint(str(second), at): at})


def test_only_what_is_new_is_written_down_until_half_of_it_is_forgotten() -> None:
    memory, one = Memory(), Part(Span())
    document: list[dict[str, Any]] = []
    whole = 0
    for second in range(100):
        leaf(memory, one, second)
        floor = NINE + timedelta(seconds=second - 9)
        memory.forget({one: floor, None: None})
        added = memory.added()
        whole += added is None
        document = memory.kept() if added is None else document + added
        memory.saved()
        kept = memory.kept()
        assert [one for one in document if one in kept] == kept
        assert len(document) <= 2 * len(kept) + 1
    assert 5 < whole < 15


def test_what_could_not_be_written_is_written_with_the_next() -> None:
    memory, one = Memory(), Part(Span())
    memory.saved()
    leaf(memory, one, 1)
    assert len(memory.added() or []) == 1
    leaf(memory, one, 2)
    assert len(memory.added() or []) == 2


def test_what_a_run_does_not_heed_is_remembered_for_later_ones() -> None:
    memory, one = Memory(), Part(Span())
    leaf(memory, one, 1)
    version = fingerprint("1", NINE + timedelta(seconds=1))
    assert version in Memory(memory.kept())
    unheeded = Memory(memory.kept(), heeded=False)
    assert version not in unheeded
    assert version in Memory(unheeded.kept())


@pytest.mark.parametrize(("records", "least"), [(240, 400_000), (1, 50_000)])
def test_the_oldest_is_forgotten_beyond_the_limit_and_once_it_is_said(
    records: int, least: int
) -> None:
    memory, one = Memory(), Part(Span())
    generator = random.Random(0)
    with capture_logs() as lines:
        for _ in range(MAX_BYTES // (8 * records)):
            memory.add(one, {generator.randbytes(8): NINE for _ in range(records)})
        memory.forget({one: None})
        memory.add(one, {b"the last": NINE})
        memory.forget({one: None})
    kept = memory.kept()
    assert least < sum(len(leaf["sent"]) for leaf in kept) // 8
    assert kept[-1]["sent"] == b"the last"
    assert len(bson.encode({"remembered": kept})) < MAX_BYTES + 1000
    (warning,) = lines
    assert warning["event"] == "sent_forgotten" and warning["remembered"] > least


def test_the_document_has_room_for_what_is_forgotten_and_not_yet_written_anew() -> None:
    memory, one = Memory(), Part(Span())
    generator = random.Random(0)
    document: list[dict[str, Any]] = []
    largest = 0
    for second in range(4 * MAX_BYTES // 80_000):
        at = NINE + timedelta(seconds=second)
        memory.add(one, {generator.randbytes(8): at for _ in range(10_000)})
        memory.forget({one: None})
        added = memory.added()
        document = memory.kept() if added is None else document + added
        memory.saved()
        largest = max(largest, sum(len(leaf["sent"]) + 64 for leaf in document))
    assert MAX_BYTES < largest < DOCUMENT_BYTES * 3 / 4


def test_what_lies_in_the_future_is_remembered_until_it_is_past() -> None:
    memory, one = Memory(), Part(Span())
    later = NINE + timedelta(days=365)
    ahead, now = fingerprint("ahead", later), fingerprint("now", NINE)
    memory.add(one, {ahead: later})
    memory.add(one, {now: NINE})
    memory.forget({one: NINE + timedelta(hours=1)})
    assert [version in Memory(memory.kept()) for version in (ahead, now)] == [1, 0]
    memory.forget({one: later + timedelta(hours=1)})
    assert memory.kept() == []
