"""Batches by count and age, and work that overlaps, driven with test inputs."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.testing import TestingSink, TestingSource, run_main

from flows.operators import EachBatch, batch, map_concurrent

LONG = timedelta(hours=1)


class _Timed(StatelessSourcePartition[int]):
    """Gives each item at its time, in seconds from the start."""

    def __init__(self, times: list[float]) -> None:
        self._due = [time.monotonic() + at for at in times]
        self._next = 0

    def next_batch(self) -> list[int]:
        if self._next == len(self._due):
            raise StopIteration
        if self._due[self._next] > time.monotonic():
            return []
        self._next += 1
        return [self._next]

    def next_awake(self) -> datetime:
        return datetime.now(UTC) + timedelta(milliseconds=5)


class TimedSource(DynamicSource[int]):
    def __init__(self, times: list[float]) -> None:
        self._times = times

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Timed:
        return _Timed(self._times)


def batches(source: Any, **options: Any) -> list[list[int]]:
    flow = Dataflow("test")
    found: list[list[int]] = []
    items = op.input("in", flow, source)
    op.output("out", batch("batch", items, **options), TestingSink(found))
    run_main(flow)
    return found


def mapped(inputs: list[Any], submit: Callable[[Any], Future[Any]]) -> list[Any]:
    flow = Dataflow("test")
    found: list[Any] = []
    items = op.input("in", flow, TestingSource(inputs, batch_size=10))
    op.output("out", map_concurrent("map", items, submit), TestingSink(found))
    run_main(flow)
    return found


def test_a_batch_goes_when_it_is_full() -> None:
    source = TestingSource(list(range(7)))
    assert batches(source, size=3, age=LONG) == [[0, 1, 2], [3, 4, 5], [6]]


def test_items_that_come_together_are_cut_to_size() -> None:
    source = TestingSource(list(range(7)), batch_size=7)
    assert batches(source, size=3, age=LONG) == [[0, 1, 2], [3, 4, 5], [6]]


def test_a_batch_goes_by_the_age_of_its_first_item() -> None:
    # Items 0.1 s apart under an age of 0.25 s: a timer that each item set anew
    # would let the first one out at the end only.
    source = TimedSource([0.1 * number for number in range(9)])
    found = batches(source, size=100, age=timedelta(seconds=0.25))
    assert len(found) >= 2
    assert len(found[0]) <= 5


def test_a_batch_goes_at_once_while_nothing_is_under_way() -> None:
    source = TimedSource([0, 0.1, 0.2])
    assert batches(source, size=100, age=LONG, idle=lambda waiting: True) == [
        [1],
        [2],
        [3],
    ]


def test_what_is_left_goes_at_the_end() -> None:
    assert batches(TestingSource([1, 2]), size=100, age=LONG) == [[1, 2]]


def test_nothing_in_makes_nothing_out() -> None:
    assert batches(TestingSource([]), size=1, age=LONG) == []


def test_work_overlaps_and_each_result_comes_once() -> None:
    running: list[int] = []
    most = 0

    def work(item: int) -> int:
        nonlocal most
        running.append(item)
        most = max(most, len(running))
        time.sleep(0.02)
        running.remove(item)
        return item * item

    with ThreadPoolExecutor(4) as executor:
        found = mapped(list(range(40)), lambda item: executor.submit(work, item))
    assert sorted(found) == [item * item for item in range(40)]
    assert most > 1


def test_a_slow_item_holds_up_no_other() -> None:
    def work(item: float) -> float:
        time.sleep(item)
        return item

    with ThreadPoolExecutor(2) as executor:
        found = mapped([0.3, 0.0, 0.01], lambda item: executor.submit(work, item))
    assert found[-1] == 0.3


def test_an_exception_in_the_work_ends_the_flow() -> None:
    def work(item: int) -> int:
        raise ZeroDivisionError

    with ThreadPoolExecutor(1) as executor, pytest.raises(BaseException) as caught:
        mapped([1], lambda item: executor.submit(work, item))
    chain: BaseException | None = caught.value
    while chain is not None and not isinstance(chain, ZeroDivisionError):
        chain = chain.__cause__
    assert isinstance(chain, ZeroDivisionError)


def test_each_batch_reaches_the_function_at_the_end() -> None:
    flow = Dataflow("test")
    taken: list[int] = []
    items = op.input("in", flow, TestingSource([1, 2, 3], batch_size=2))
    op.output("out", items, EachBatch(taken.extend))
    run_main(flow)
    assert taken == [1, 2, 3]
