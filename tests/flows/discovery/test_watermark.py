"""The watermark's bookkeeping: to the last record such that all before it are done."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connectors.pages import Selection, Span
from flows.discovery.ledger import Scan
from flows.discovery.memory import MAX_REMEMBERED, Memory, fingerprint
from flows.discovery.watermark import Part, Prefix, divided, text_of, time_of, watermark

NINE = datetime(2026, 2, 23, 9, tzinfo=UTC)
TIMES = st.integers(0, 5).map(lambda seconds: NINE + timedelta(seconds=seconds))
MOMENTS = st.datetimes(timezones=st.just(UTC))


@st.composite
def rows(draw: st.DrawFn) -> tuple[list[datetime], list[bool], list[int]]:
    """Give times in order, which of them are done, and the order of their ends."""
    times = sorted(draw(st.lists(TIMES, max_size=30)))
    done = draw(st.lists(st.booleans(), min_size=len(times), max_size=len(times)))
    return times, done, draw(st.permutations(range(len(times))))


@given(rows(), st.data())
def test_it_moves_to_the_last_record_such_that_all_before_it_are_done(
    row: tuple[list[datetime], list[bool], list[int]], data: st.DataObject
) -> None:
    times, done, order = row
    ended = order[: data.draw(st.integers(0, len(order)))]
    prefix = Prefix()
    for index in ended:
        prefix.end(index, times[index], done=done[index])
    count = 0
    while count < len(times) and count in ended and done[count]:
        count += 1
    assert prefix.count == count
    assert prefix.at == (times[count - 1] if count else None)


@given(rows())
def test_it_never_moves_back(row: tuple[list[datetime], list[bool], list[int]]) -> None:
    times, done, order = row
    prefix = Prefix()
    seen = [NINE]
    for index in order:
        prefix.end(index, times[index], done=done[index])
        seen.append(prefix.at or NINE)
    assert seen == sorted(seen)


def test_what_lies_behind_a_failure_takes_no_memory() -> None:
    prefix = Prefix()
    prefix.end(0, NINE, done=False)
    for index in range(1, 1000):
        prefix.end(index, NINE, done=True)
    assert (prefix.count, prefix.at, prefix._early) == (0, None, {})


@given(MOMENTS, MOMENTS)
def test_texts_compare_as_times_do(one: datetime, other: datetime) -> None:
    assert (text_of(one) < text_of(other)) is (one < other)
    assert time_of(text_of(one)) == one
    assert len(text_of(one)) == len(text_of(other))


def part(seconds: int | None, *, dated: bool = True, total: int | None = None) -> Part:
    """Return a part that has come to a time, of so many records as far as is known."""
    found = Part(Span(dated), total=total)
    if seconds is not None:
        found.prefix.end(0, NINE + timedelta(seconds=seconds), done=True)
    return found


def test_there_is_none_before_what_has_no_time_is_done() -> None:
    assert watermark([part(5, dated=False), part(3, total=1)]) is None
    assert watermark([part(5, dated=False, total=1), part(3)]) == part(3).prefix.at


def test_it_is_that_of_the_first_part_that_is_not_done() -> None:
    parts = [part(1, total=1), part(2), part(9, total=1)]
    assert watermark(parts) == part(2).prefix.at
    assert watermark([part(1, total=1), part(None), part(9)]) == part(1).prefix.at


def test_an_empty_part_leaves_it_to_the_others() -> None:
    assert watermark([part(1, total=1), part(None, total=0)]) == part(1).prefix.at
    assert watermark([part(None, dated=False, total=0), part(None, total=0)]) is None


@given(MOMENTS, MOMENTS, st.integers(1, 9), st.data())
def test_the_parts_of_a_span_hold_each_time_once(
    one: datetime, other: datetime, count: int, data: st.DataObject
) -> None:
    bounds = min(one, other), max(one, other)
    spans = divided(Span(), bounds, count)
    assert (spans[0].start, spans[-1].end) == (None, None)
    at = data.draw(MOMENTS)
    holding = [
        span
        for span in spans
        if (span.start is None or span.start <= at)
        and (span.end is None or at < span.end)
    ]
    assert len(holding) == 1


def test_what_was_sent_is_remembered_until_its_part_has_gone_on() -> None:
    memory, one = Memory(), part(0)
    prints = [fingerprint(str(number), NINE) for number in range(3)]
    for second, version in enumerate(prints):
        memory.add(one, {version: NINE + timedelta(seconds=second)})
    memory.forget({one: NINE + timedelta(seconds=1), None: None})
    later = Memory(memory.kept())
    assert [version in later for version in prints] == [False, True, True]


def test_another_version_of_a_record_is_not_the_one_remembered() -> None:
    assert fingerprint("a", NINE) != fingerprint("a", NINE + timedelta(microseconds=1))


def test_the_oldest_is_forgotten_beyond_the_limit() -> None:
    memory, one = Memory(), part(0)
    generator = random.Random(0)
    for _ in range(3):
        full = {generator.randbytes(8): NINE for _ in range(MAX_REMEMBERED // 2)}
        memory.add(one, full)
    memory.forget({one: None})
    assert sum(len(leaf["sent"]) for leaf in memory.kept()) == MAX_REMEMBERED * 8


def leaf(memory: Memory, owner: Part, second: int) -> None:
    at = NINE + timedelta(seconds=second)
    memory.add(owner, {fingerprint(str(second), at): at})


def test_only_what_is_new_is_written_down_until_half_of_it_is_forgotten() -> None:
    memory, one = Memory(), part(0)
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
    memory, one = Memory(), part(0)
    memory.saved()
    leaf(memory, one, 1)
    assert len(memory.added() or []) == 1
    leaf(memory, one, 2)
    assert len(memory.added() or []) == 2


def test_the_cuts_of_a_span_are_whole_seconds() -> None:
    bounds = NINE, NINE + timedelta(seconds=13, microseconds=1000)
    spans = divided(Span(), bounds, 5)
    cuts = [span.end for span in spans[:-1]]
    assert len(cuts) == 4 and all(cut and not cut.microsecond for cut in cuts)


def test_what_a_run_does_not_heed_is_remembered_for_later_ones() -> None:
    memory, one = Memory(), part(0)
    leaf(memory, one, 1)
    version = fingerprint("1", NINE + timedelta(seconds=1))
    assert version in Memory(memory.kept())
    unheeded = Memory(memory.kept(), heeded=False)
    assert version not in unheeded
    assert version in Memory(unheeded.kept())


def test_a_scan_may_be_read_again_from_its_lowest_place() -> None:
    behind, ahead = Part(Span(start=NINE)), part(0)
    ahead.prefix.at = NINE + timedelta(hours=1)
    scan = Scan("key", Selection(NINE.date()), [behind, ahead], reached=ahead.prefix.at)
    assert scan.read_again_from() == NINE
    scan.parts.append(Part(Span()))
    assert scan.read_again_from() is None
