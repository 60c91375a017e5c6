"""Pages that take longer than they may: tried again, and not for ever."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from connectors.errors import Misconfigured, TooSlow
from connectors.pages import Page, Selection, Span
from flows import circuit
from flows.discovery.ending import Ending, Window
from flows.discovery.ledger import Scan
from flows.discovery.scan import SLOW_TRIES, Budget, PageReader
from flows.discovery.watermark import Part


class SlowPages:
    """A source of which so many queries take too long."""

    name = "public.records"

    def __init__(self, slow: int) -> None:
        self.slow = slow

    def page(self, *arguments: Any) -> Page:
        """Return an empty page, or none in time."""
        if self.slow:
            self.slow -= 1
            raise TooSlow("postgres", 120)
        return Page([], 0)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit, "WAIT_MAX_SECONDS", 0.1)


def read(pages: SlowPages, missing_index: str | None = None) -> Part:
    ending, part = Ending(), Part(Span())
    scan = Scan("key", Selection(date(2026, 2, 23)), [part])
    reader = PageReader(
        pages,  # type: ignore[arg-type]
        ending,
        limit=10,
        held=Window(10, ending),
        budget=Budget(None),
        missing_index=missing_index,
    )
    reader.read(scan, part, lambda items: None)
    return part


def test_a_page_that_takes_too_long_is_asked_for_again() -> None:
    assert read(SlowPages(SLOW_TRIES - 1)).complete


@pytest.mark.parametrize(
    ("index", "remedy"),
    [
        ("CREATE INDEX ON records (id)", r"make its index: CREATE INDEX ON records"),
        (None, r"its index is there: read smaller pages \(--batch-size\)"),
    ],
)
def test_one_that_always_does_ends_the_run_with_what_to_do(
    index: str | None, remedy: str
) -> None:
    pages = SlowPages(100)
    with pytest.raises(Misconfigured, match=rf"longer than 120 s, 3 times; {remedy}"):
        read(pages, index)
    assert pages.slow == 100 - SLOW_TRIES
