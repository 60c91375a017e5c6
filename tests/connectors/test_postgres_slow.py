"""A statement that takes too long, and one that a person cancels: not the same."""

from __future__ import annotations

import threading

import psycopg
import pytest

from connectors.errors import TooSlow, Unavailable
from connectors.postgres import translated


def test_a_statement_beyond_its_time_is_too_slow(postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("SET statement_timeout = '0.2s'")
        with pytest.raises(TooSlow, match=r"longer than 0\.2 s"), translated(0.2):
            connection.execute("SELECT pg_sleep(20)")


def test_a_statement_that_is_cancelled_is_not(postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        threading.Timer(0.2, connection.cancel).start()
        with pytest.raises(Unavailable) as raised, translated(20):
            connection.execute("SELECT pg_sleep(20)")
    assert not isinstance(raised.value, TooSlow)
