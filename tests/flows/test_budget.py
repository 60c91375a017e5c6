"""The hold on bytes: never exceeded, never stuck, given back whole."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

from flows.budget import ByteBudget


def test_what_does_not_fit_waits_until_enough_is_given_back() -> None:
    budget = ByteBudget(100)
    budget.reserve("a", 60)
    with ThreadPoolExecutor(1) as executor:
        waiting = executor.submit(budget.reserve, "b", 60)
        assert not waiting.done()
        budget.shrink("a", 40)
        waiting.result(10)
    assert budget.used == 100


def test_a_recording_larger_than_the_budget_goes_alone() -> None:
    budget = ByteBudget(100)
    budget.reserve("a", 10)
    with ThreadPoolExecutor(1) as executor:
        waiting = executor.submit(budget.reserve, "large", 1_000)
        assert not waiting.done()
        budget.release("a")
        waiting.result(10)
    budget.release("large")
    assert budget.used == 0


def test_a_second_try_replaces_what_the_first_reserved() -> None:
    budget = ByteBudget(100)
    budget.reserve("a", 80)
    budget.reserve("a", 90)
    assert budget.used == 90


def test_many_that_reserve_at_once_neither_exceed_it_nor_get_stuck() -> None:
    budget = ByteBudget(1_000)
    exceeded = threading.Event()

    def work(number: int) -> None:
        chance = random.Random(number)
        for turn in range(50):
            holder, size = f"{number}-{turn}", chance.randrange(1, 1_500)
            budget.reserve(holder, size)
            if budget.used > budget.most:
                exceeded.set()
            budget.shrink(holder, size // 2)
            budget.release(holder)

    with ThreadPoolExecutor(16) as executor:
        for done in [executor.submit(work, number) for number in range(16)]:
            done.result(60)
    assert not exceeded.is_set()
    assert budget.used == 0
