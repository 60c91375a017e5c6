"""What a scan remembers to have sent, and how much of it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from structlog.testing import capture_logs

from connectors.pages import Span
from flows.discovery.memory import LEAF_BYTES, MAX_BYTES, Memory, fingerprint
from flows.discovery.watermark import Part

NINE = datetime(2026, 2, 23, 9, tzinfo=UTC)
#: Records that fill a leaf.
IN_LEAF = LEAF_BYTES // 8


def test_what_was_sent_is_remembered_until_its_part_has_gone_on() -> None:
    memory, one = Memory(), Part(Span())
    prints = [full(memory, one, second) for second in range(3)]
    memory.forget({one: NINE + timedelta(seconds=1), None: None})
    later = Memory(memory.kept())
    assert [some[0] in later for some in prints] == [False, True, True]


def test_another_version_of_a_record_is_not_the_one_remembered() -> None:
    assert fingerprint("a", NINE) != fingerprint("a", NINE + timedelta(microseconds=1))


def full(memory: Memory, owner: Part, second: int) -> list[bytes]:
    """Have a part send as much as a leaf takes; return the fingerprints."""
    at = NINE + timedelta(seconds=second)
    sent = [fingerprint(f"{second} {number}", at) for number in range(IN_LEAF)]
    memory.add(owner, dict.fromkeys(sent, at))
    return sent


def write(document: dict[str, Any], memory: Memory) -> int:
    """Write a memory's changes to a document; return how many they were."""
    changes = memory.changes()
    for name, leaf in changes.items():
        if leaf is None:
            document.pop(name, None)
        else:
            document[name] = leaf
    memory.saved()
    return len(changes)


def test_the_document_holds_what_is_remembered_and_only_changes_are_written() -> None:
    memory, parts = Memory(), [Part(Span()), Part(Span())]
    document: dict[str, Any] = {}
    generator = random.Random(0)
    for second in range(2_000):
        at = NINE + timedelta(seconds=second)
        prints = [generator.randbytes(8) for _ in range(240)]
        memory.add(parts[second % 2], dict.fromkeys(prints, at))
        floor = NINE + timedelta(seconds=second - 300)
        memory.forget({**dict.fromkeys(parts, floor), None: None})
        assert write(document, memory) <= 3
        assert document == memory.kept()
    known = Memory(document)
    assert all(print_ in known for print_ in prints)
    # What is read again, and in each part a leaf that is not all of it.
    assert len(document) <= 300 * 240 // IN_LEAF + 2 + len(parts)
    assert write(document, memory) == 0


def test_what_could_not_be_written_is_written_with_the_next() -> None:
    memory, one, other = Memory(), Part(Span()), Part(Span())
    for part in (one, other):
        full(memory, part, 1)
        assert memory.changes() == memory.kept()
    memory.forget({one: NINE + timedelta(seconds=2)})
    assert sorted(leaf is None for leaf in memory.changes().values()) == [False, True]


def test_a_leaf_stays_until_the_last_that_it_took_has_gone_by() -> None:
    memory, one = Memory(), Part(Span())
    late, early = NINE + timedelta(minutes=2), NINE + timedelta(minutes=1)
    prints = [fingerprint("a", NINE), fingerprint("b", late), fingerprint("c", early)]
    for print_, at in zip(prints, (NINE, late, early), strict=True):
        memory.add(one, {print_: at})
    assert len(memory.kept()) == 1
    memory.forget({one: late})
    assert all(print_ in Memory(memory.kept()) for print_ in prints)
    memory.forget({one: late + timedelta(seconds=1)})
    assert memory.kept() == {}


def test_runs_that_send_little_leave_few_leaves() -> None:
    document: dict[str, Any] = {}
    prints = [fingerprint(str(number), NINE) for number in range(2 * IN_LEAF)]
    for number, print_ in enumerate(prints):
        memory, one = Memory(document), Part(Span())
        memory.add(one, {print_: NINE + timedelta(seconds=number)})
        write(document, memory)
        assert document == memory.kept()
        assert len(document) <= 4
    known = Memory(document)
    assert all(print_ in known for print_ in prints)


def test_a_run_forgets_what_earlier_ones_sent_before_its_own() -> None:
    earlier, one = Memory(), Part(Span())
    for second in range(MAX_BYTES // LEAF_BYTES):
        full(earlier, one, 3_600 + second)
    memory = Memory(earlier.kept())
    sent = [full(memory, one, second)[0] for second in range(100)]
    memory.forget({one: None, None: None})
    known = Memory(memory.kept())
    assert all(print_ in known for print_ in sent)


def test_a_slow_part_does_not_lose_what_it_has_just_sent() -> None:
    memory, slow, fast = Memory(), Part(Span()), Part(Span())
    for second in range(MAX_BYTES // LEAF_BYTES + 10):
        at = NINE + timedelta(seconds=second)
        full(memory, fast, second)
        memory.add(slow, {fingerprint(f"slow {second}", at): at})
        memory.forget({slow: None, fast: None})
    assert fingerprint(f"slow {second}", at) in Memory(memory.kept())


def test_two_runs_write_to_no_leaf_in_common() -> None:
    one, two, part = Memory(), Memory(), Part(Span())
    full(one, part, 1)
    full(two, part, 1)
    assert not one.kept().keys() & two.kept().keys()


def test_what_a_run_does_not_heed_is_remembered_for_later_ones() -> None:
    memory, one = Memory(), Part(Span())
    version = full(memory, one, 1)[0]
    assert version in Memory(memory.kept())
    unheeded = Memory(memory.kept(), heeded=False)
    assert version not in unheeded
    assert version in Memory(unheeded.kept())


@pytest.mark.parametrize("records", [240, 1])
def test_the_oldest_is_forgotten_beyond_the_limit_and_once_it_is_said(
    records: int,
) -> None:
    memory, one = Memory(), Part(Span())
    generator = random.Random(0)
    with capture_logs() as lines:
        for second in range(MAX_BYTES // (8 * records)):
            at = NINE + timedelta(microseconds=second)
            memory.add(one, {generator.randbytes(8): at for _ in range(records)})
        memory.forget({one: None})
        memory.add(one, {b"the last": at})
        memory.forget({one: None})
    kept = memory.kept()
    prints = b"".join(leaf["fingerprints"] for leaf in kept.values())
    assert len(prints) // 8 > 500_000
    assert b"the last" in Memory(kept)
    assert len(bson.encode({"sent": kept})) < MAX_BYTES + 1000
    (warning,) = lines
    assert warning["event"] == "sent_forgotten" and warning["remembered"] > 500_000


def test_what_lies_in_the_future_is_remembered_until_it_is_past() -> None:
    memory, one = Memory(), Part(Span())
    year = 365 * 86_400
    now, ahead = full(memory, one, 0)[0], full(memory, one, year)[0]
    memory.forget({one: NINE + timedelta(hours=1)})
    assert [version in Memory(memory.kept()) for version in (ahead, now)] == [1, 0]
    memory.forget({one: NINE + timedelta(seconds=year, hours=1)})
    assert memory.kept() == {}
