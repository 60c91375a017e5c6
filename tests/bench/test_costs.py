"""The formula of the costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.costs import Inputs, dollars


def test_a_million_by_hand() -> None:
    given = Inputs(rate=100, cores=1, gib=1, core_hour=1, gib_hour=2, busy=1)
    found = dollars(given)
    assert found["pods"] == pytest.approx(1e6 / 100 / 3600 * 3, rel=1e-3)
    assert found["sqs"] == pytest.approx(0.3 * 0.4)
    assert found["s3"] == pytest.approx(0.4)


def test_twice_the_recordings_cost_twice_as_much() -> None:
    once, twice = dollars(Inputs()), dollars(replace(Inputs(), recordings=2_000_000))
    assert twice == {name: pytest.approx(2 * x, rel=1e-3) for name, x in once.items()}
