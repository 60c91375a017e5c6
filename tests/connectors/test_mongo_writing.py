"""Results that Mongo never takes are told, and hold up no other."""

from __future__ import annotations

import pytest
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from connectors.errors import Unavailable
from connectors.mongo import Document, Results
from connectors.mongo_writing import refused
from tests.connectors.test_mongo_history import result, results, stored

__all__ = ["results", "stored"]


@pytest.mark.parametrize("write", ["upsert", "supersede"])
def test_a_unique_index_refuses_one_result_and_lets_the_others_pass(
    results: Results, stored: Collection[Document], write: str
) -> None:
    stored.create_index("slot", unique=True)
    results.upsert([result("first", "1", slot=1)])
    told = getattr(results, write)(
        [result("second", "1", slot=1), result("third", "1", slot=3)]
    )
    assert list(told) == ["second"]
    assert "11000" in told["second"]
    assert {one["_id"] for one in stored.find()} == {"first", "third"}


@pytest.mark.parametrize("bad", [{"n": 2**70}, {"o": object()}, {"t": "\ud800"}])
def test_a_result_that_cannot_be_sent_lets_the_others_pass(
    results: Results, stored: Collection[Document], bad: Document
) -> None:
    documents = [result("a", "1"), result("b", "1", **bad), result("c", "1")]
    assert list(results.upsert(documents)) == ["b"]
    assert {one["_id"] for one in stored.find()} == {"a", "c"}


@pytest.mark.parametrize(
    "details",
    [
        {"writeErrors": [{"index": 0, "code": 112, "errmsg": "conflict"}]},
        {"writeErrors": [], "writeConcernErrors": [{"code": 64, "errmsg": "late"}]},
    ],
)
def test_what_may_go_another_time_is_an_outage_and_tells_no_document(
    details: Document,
) -> None:
    document = result("a", "1", student_id="private")
    with pytest.raises(Unavailable, match="conflict|late") as caught:
        refused(BulkWriteError({**details, "op": document}), [document])
    assert "private" not in str(caught.value)
