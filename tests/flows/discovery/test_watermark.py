"""The watermark's bookkeeping: to the last record such that all before it are done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.pages import Selection, Span
from flows.discovery.ledger import Scan
from flows.discovery.watermark import (
    Part,
    Prefix,
    divided,
    latest_watermark,
    text_of,
    time_of,
    watermark,
)

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


def test_the_cuts_of_a_span_are_whole_seconds() -> None:
    bounds = NINE, NINE + timedelta(seconds=13, microseconds=1000)
    spans = divided(Span(), bounds, 5)
    cuts = [span.end for span in spans[:-1]]
    assert len(cuts) == 4 and all(cut and not cut.microsecond for cut in cuts)


def test_a_scan_may_be_read_again_from_its_lowest_place() -> None:
    behind, ahead = Part(Span(start=NINE)), part(0)
    ahead.prefix.at = NINE + timedelta(hours=1)
    scan = Scan("key", Selection(NINE.date()), [behind, ahead], reached=ahead.prefix.at)
    assert scan.read_again_from() == NINE
    scan.parts.append(Part(Span()))
    assert scan.read_again_from() is None


def test_what_has_no_order_is_read_again_from_its_start_however_far_it_was() -> None:
    unordered, dated = Part(Span(False), ordered=False), part(0)
    for one in (unordered, dated):
        one.prefix.at = NINE + timedelta(hours=1)
    scan = Scan(
        "key", Selection(NINE.date()), [unordered, dated], reached=dated.prefix.at
    )
    assert scan.read_again_from() is None
    unordered.span = Span(False, NINE)
    assert scan.read_again_from() == NINE


def test_a_time_that_does_not_count_is_passed_and_moves_nothing() -> None:
    prefix = Prefix(latest=NINE)
    ahead = NINE + timedelta(microseconds=1)
    for index, at in enumerate([NINE - timedelta(hours=1), ahead, None, NINE, ahead]):
        prefix.end(index, at, done=True)
    assert (prefix.count, prefix.at) == (5, NINE)


@pytest.mark.parametrize(
    ("hours_after_nine", "latest"),
    [
        (0, NINE),
        (1000, NINE + timedelta(hours=1000)),
        # The date begins in Kiribati at ten, the day before.
        (-23, NINE - timedelta(hours=23)),
        (-24, datetime(2026, 2, 24, 12, tzinfo=UTC)),
        (-8760, datetime(2026, 2, 24, 12, tzinfo=UTC)),
    ],
)
def test_a_watermark_moves_to_the_begin_of_the_run_or_the_end_of_a_date_to_come(
    hours_after_nine: int, latest: datetime
) -> None:
    begin = NINE + timedelta(hours=hours_after_nine)
    assert latest_watermark(NINE.date(), begin) == latest
