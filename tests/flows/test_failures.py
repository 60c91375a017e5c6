"""The taxonomy: one table, in the code and in the documents."""

from __future__ import annotations

from pathlib import Path

import pytest
from pebble import ProcessExpired
from psycopg.errors import InsufficientPrivilege

from connectors.download_errors import HostDown, PermanentDownload, TransientDownload
from connectors.errors import Unavailable
from connectors.postgres import translated
from flows.failures import TAXONOMY, UNNAMED, Backoff, failed, fate_of
from model.audio_errors import Incomplete
from model.outcomes import Kind
from tests.flows.test_copies import item

ROOT = Path(__file__).parents[2]
HEAD = "| error | stage | kind | what it is | what is done |\n|---|---|---|---|---|"


def table() -> str:
    """Return the taxonomy as the documents show it."""
    named = [(f"`{error.__name__}`", fate) for error, fate in TAXONOMY.items()]
    rows = [
        f"| {name} | {fate.stage} | {fate.kind or 'not the item’s'} "
        f"| {fate.meaning} | {fate.done} |"
        for name, fate in [*named, ("any other", UNNAMED)]
    ]
    return "\n".join([HEAD, *rows])


def test_the_documents_show_the_table_that_the_code_decides_by() -> None:
    assert table() in (ROOT / "docs" / "guarantees.md").read_text()


@pytest.mark.parametrize(
    ("error", "kind", "stage"),
    [
        (PermanentDownload("404"), Kind.PERMANENT, "download"),
        (HostDown("503"), Kind.TRANSIENT, "download"),
        (TransientDownload("cut off"), Kind.TRANSIENT, "download"),
        (Incomplete("half of it"), Kind.PERMANENT, "decode"),
        (TimeoutError(), Kind.TRANSIENT, "features"),
        (ProcessExpired("died", code=-11, pid=1), Kind.TRANSIENT, "features"),
        (MemoryError(), Kind.TRANSIENT, "features"),
        (ZeroDivisionError(), Kind.TRANSIENT, "features"),
    ],
)
def test_each_error_of_an_item_has_its_kind_and_stage(
    error: Exception, kind: Kind, stage: str
) -> None:
    failure = failed(item("m"), error, "words").failure
    assert failure is not None
    assert (failure.kind, failure.stage, failure.reason) == (kind, stage, "words")


def test_no_row_is_hidden_by_one_before_it() -> None:
    errors = list(TAXONOMY)
    for index, error in enumerate(errors):
        assert not any(issubclass(error, before) for before in errors[:index])


def test_an_outage_is_no_items_failure() -> None:
    assert fate_of(Unavailable("mongo", "away")).kind is None
    with pytest.raises(AssertionError, match="no item's own"):
        failed(item("m"), Unavailable("mongo", "away"))


def test_a_right_that_is_revoked_while_the_worker_runs_is_an_outage() -> None:
    with pytest.raises(Unavailable, match="permission denied"), translated():
        raise InsufficientPrivilege("permission denied for table recordings")


def test_a_backoff_doubles_to_its_limit_and_is_by_chance() -> None:
    backoff = Backoff(10, 900)
    for count, most in [(1, 10), (2, 20), (5, 160), (9, 900), (10_000, 900)]:
        delays = [backoff(count) for _ in range(200)]
        assert 0 <= min(delays) and max(delays) <= most
        assert max(delays) > most / 2 > min(delays)
