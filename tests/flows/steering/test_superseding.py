"""In the worker: a delivery that asks for a new result, beside those that do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.sqs import Delivery
from flows.copies import Copies
from flows.parsing import Malformed, parse
from model.outcomes import Outcome, Status
from model.records import WorkItem
from tests.flows.steering.test_redrive import RECORD, letter
from tests.flows.test_copies import item
from tests.flows.test_settle import World, completed


class Superseding(World):
    """A world whose results can take the place of others."""

    def supersede(self, documents: Sequence[dict[str, Any]]) -> dict[str, str]:
        if documents:
            self._note("supersede", [one["message_id"] for one in documents])
        return {}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Superseding]:
    made = Superseding(tmp_path)
    yield made
    made.csv.close()


def marked(message_id: str, **changed: str) -> Outcome:
    outcome = completed(message_id, **changed)
    return replace(outcome, item=replace(outcome.item, reprocess_below="1.3"))


def test_only_what_asks_for_it_takes_the_place_of_another(world: Superseding) -> None:
    world.settle().settle([completed("a"), marked("b", student_id="2")])
    assert world.all("upsert") == [["a"]]
    assert world.all("supersede") == [["b"]]
    assert world.all("delete") == [["a", "b"]]


def test_it_is_deleted_only_after_it_is_written(world: Superseding) -> None:
    world.failing = {"supersede"}
    world.settle().settle([marked("a")])
    names = [name for name in world.names() if name != "announce"]
    assert names == ["supersede failed", "supersede", "csv", "delete"]


def test_it_is_no_copy_of_a_delivery_that_the_old_result_satisfies() -> None:
    copies = Copies()
    plain, again = item("a"), replace(item("b"), reprocess_below="1.3")
    other = replace(item("c"), reprocess_below="1.3")
    assert copies.admit([plain, again, other]) == [plain, again]
    ended = copies.resolve(Outcome(plain, Status.SKIPPED_EXISTING))
    assert [one.item.message_id for one in ended] == ["a"]
    ended = copies.resolve(Outcome(again, Status.COMPLETED))
    assert [one.item.message_id for one in ended] == ["b", "c"]
    assert len(copies) == 0


@pytest.mark.parametrize(
    ("value", "mark"),
    [
        ({"DataType": "String", "StringValue": "1.3"}, "1.3"),
        ({"DataType": "String", "StringValue": ""}, None),
        ({"DataType": "Binary", "BinaryValue": b"1.3"}, None),
    ],
)
def test_the_mark_is_a_message_attribute(value: Any, mark: str | None) -> None:
    body = orjson.dumps({**RECORD, "reprocess_below": "9"}).decode()
    parsed = parse(Delivery("a", body, 1, {"reprocess_below": value}))
    assert isinstance(parsed, WorkItem)
    assert parsed.reprocess_below == mark
    unmarked = parse(Delivery("a", body, 1))
    assert isinstance(unmarked, WorkItem) and unmarked.reprocess_below is None


def test_a_mark_makes_no_record_of_what_is_none() -> None:
    attributes = letter("{", reprocess_below="1.3").attributes
    assert isinstance(parse(Delivery("a", "{", 1, dict(attributes))), Malformed)
