"""Pages of a Mongo source: each document once, whatever its time of change is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from bson import (
    Binary,
    Code,
    DBRef,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
)
from bson.binary import UUID_SUBTYPE
from bson.datetime_ms import DatetimeMS

from connectors.errors import TooSlow
from connectors.mongo import Database, SourceDocuments
from connectors.mongo_flagged import Flagged
from connectors.mongo_pages import DocumentPages
from connectors.pages import Found, Selection, Span, moment
from tests.connectors.strict_mongo import StrictMongo, strict_mongo

NINE = datetime(2026, 2, 23, 9, tzinfo=UTC)
DATE = Selection(date(2026, 2, 23))
#: Years 33,658 and -29,719.
FAR, EARLY = DatetimeMS(10**15), DatetimeMS(-(10**15))
DATED = {
    "first": datetime(1, 1, 1, tzinfo=UTC),
    "nine": NINE,
    "far": FAR,
    "farther": DatetimeMS(10**16),
}
UNDATED = {
    "null": None,
    "double": 1.5,
    "int": 1,
    "long": Int64(2**40),
    "decimal": Decimal128("1.5"),
    "text": "2026-02-23T09:00:00Z",
    "object": {"at": NINE},
    "empty list": [],
    "list of a date": [NINE],
    "list of texts": ["a", "b"],
    "list of all": ["a", None, 1, NINE, True, {"at": NINE}],
    "list of a list": [[NINE]],
    "binary": b"abc",
    "uuid": Binary(bytes(16), 4),
    "object id": ObjectId(),
    "bool": True,
    "timestamp": Timestamp(1, 1),
    "regex": Regex("a"),
    "reference": DBRef("a", 1),
    "code": Code("a"),
    "code with scope": Code("a", {"b": 1}),
    "least": MinKey(),
    "greatest": MaxKey(),
    "early": EARLY,
}


@pytest.fixture
def mongo() -> Iterator[StrictMongo]:
    with strict_mongo() as running:
        yield running


@pytest.fixture
def source(mongo: StrictMongo) -> Iterator[Database]:
    opened = Database(mongo.uri, "any")
    yield opened
    opened.close()


def put(source: Database, key: Any, **fields: Any) -> None:
    """Put a document with one recording."""
    subject = {"subject_name": "Hindi", "audio_s3_url": "s3://b/k", "created_at": NINE}
    document = {
        "_id": key,
        "test_date": "2026-02-23",
        "teacher_record": {"subjects": [subject]},
        **fields,
    }
    source.collection("source").insert_one(document)


def put_times(source: Database, times: dict[str, Any]) -> None:
    """Put a document for each time, by its id."""
    for key, at in times.items():
        put(source, key, updated_at=at)


def pages_of(source: Database, name: str = "updated_at") -> DocumentPages:
    """Return the pages of the documents, by the name of their time of change."""
    return DocumentPages(source.collection("source"), fields={"updated_at": name})


def read(pages: DocumentPages, span: Span, limit: int) -> list[Found]:
    """Return what a part holds, read to its end; it must have one."""
    found: list[Found] = []
    after: Any = None
    for _ in range(200):
        page = pages.page(DATE, span, after, limit)
        found += page.found
        after = page.next
        if after is None:
            return found
    raise AssertionError("no end of pages")


def keys(found: list[Found]) -> Counter[str]:
    return Counter(one.fields["mongo_doc_id"] for one in found)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("name", ["updated_at", "meta.changed"])
def test_each_kind_of_time_is_read_in_one_part_and_once(
    source: Database, limit: int, name: str
) -> None:
    for key, at in (DATED | UNDATED).items():
        put(source, key, updated_at=at, meta={"changed": at})
    pages = pages_of(source, name)
    assert keys(read(pages, Span(), limit)) == Counter(list(DATED))
    assert keys(read(pages, Span(dated=False), limit)) == Counter(list(UNDATED))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"changes": None},
        {"changes": "text"},
        {"changes": []},
        {"changes": [{"at": NINE}]},
        {"changes": [{"at": NINE}, {}]},
        {"changes": [{"at": NINE}, {"at": "text"}]},
        {"changes": [{"at": [NINE]}]},
    ],
)
def test_what_has_no_time_at_its_path_is_read_apart_and_once(
    source: Database, fields: dict[str, Any]
) -> None:
    put(source, "a", **fields)
    pages = pages_of(source, "changes.at")
    assert keys(read(pages, Span(), 1)) == Counter()
    assert keys(read(pages, Span(dated=False), 1)) == Counter(["a"])


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_time_that_python_cannot_hold_comes_last_as_it_is(
    source: Database, limit: int
) -> None:
    later = NINE + timedelta(seconds=1)
    put_times(source, {"c": NINE, "b": FAR, "a": FAR, "d": later})
    found = read(pages_of(source), Span(start=NINE), limit)
    assert [one.fields["mongo_doc_id"] for one in found] == ["c", "d", "a", "b"]
    assert [one.at for one in found] == [NINE, later, None, None]
    assert {one.fields["source_updated_at"] for one in found[2:]} == {FAR}


def test_a_time_before_year_1_is_before_any_place_to_go_on_from(
    source: Database,
) -> None:
    put_times(source, {"early": EARLY, "text": "2026-02-23T10:00:00Z"})
    pages = pages_of(source)
    whole = read(pages, Span(dated=False), 5)
    assert keys(whole) == Counter(["early", "text"])
    assert whole[0].fields["source_updated_at"] == EARLY
    assert keys(read(pages, Span(False, NINE), 5)) == Counter(["text"])


def test_times_out_of_range_do_not_count_for_where_readers_part(
    source: Database,
) -> None:
    last = NINE + timedelta(hours=1)
    put_times(source, {"a": EARLY, "b": NINE, "c": last, "d": FAR, "e": [NINE]})
    assert pages_of(source).bounds(DATE) == (NINE, last)


def test_documents_of_one_time_with_ids_of_many_types_are_read_once(
    source: Database,
) -> None:
    ids = [
        1,
        2.5,
        Int64(3),
        Decimal128("4"),
        "a",
        "b",
        {"a": 1},
        b"a",
        Binary(bytes(16), 4),
    ]
    for key in [*ids, ObjectId(), ObjectId()]:
        put(source, key, updated_at=NINE)
        put(source, key, updated_at="text")
    pages = pages_of(source)
    for dated in (True, False):
        assert set(keys(read(pages, Span(dated), 1)).values()) == {1}
        assert len(keys(read(pages, Span(dated), 1))) == 11


def test_a_document_with_a_boolean_for_an_id_ends_the_reading_and_not_begins_it_anew(
    source: Database,
) -> None:
    for key in ["a", ObjectId(), True]:
        put(source, key, updated_at=NINE)
    assert set(keys(read(pages_of(source), Span(), 3)).values()) == {1}


UUID_ID = UUID("6f1c1d6e-6b0a-4c8e-9d1f-2a7b3c4d5e6f")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("a", "a"),
        ("0" * 24, "0" * 24),
        (ObjectId("0" * 24), "0" * 24),
        (7, "7"),
        (Int64(-(2**63)), str(-(2**63))),
        (9.5e18, "9500000000000000000"),
        (1.5, "1.5"),
        (1e16, "10000000000000000"),
        (str(UUID_ID), str(UUID_ID)),
        (Binary.from_uuid(UUID_ID), str(UUID_ID)),
    ],
)
def test_the_worker_finds_the_document_that_a_message_names(
    source: Database, key: Any, text: str
) -> None:
    put(source, key, updated_at=NINE)
    put(source, "another", updated_at=NINE)
    found = keys(read(pages_of(source), Span(), 10))
    assert found == Counter([text, "another"])
    documents = SourceDocuments(source.collection("source"))
    assert documents.subjects([text]).keys() == {text}


def test_a_binary_that_is_called_a_uuid_and_is_none_stops_nothing(
    source: Database,
) -> None:
    put(source, Binary(b"short", UUID_SUBTYPE), updated_at=NINE)
    put(source, "a", updated_at=NINE)
    assert keys(read(pages_of(source), Span(), 10))["a"] == 1


def test_a_list_is_looked_for_by_runs_from_the_beginning_alone(
    mongo: StrictMongo, source: Database
) -> None:
    put(source, "a", updated_at=[NINE])
    pages = pages_of(source)
    assert keys(read(pages, Span(False), 10)) == Counter(["a"])
    mongo.filters.clear()
    assert not read(pages, Span(False, NINE - timedelta(days=1)), 10)
    assert not any("array" in str(query) for query in mongo.filters)


def test_the_worker_reads_a_document_with_a_time_out_of_range(source: Database) -> None:
    subject = {"subject_id": 7, "audio_s3_url": "s3://b/k", "created_at": FAR}
    collection = source.collection("source")
    collection.insert_one(
        {"_id": "a", "updated_at": EARLY, "teacher_record": {"subjects": [subject]}}
    )
    found = SourceDocuments(collection).subjects(["a"])
    (seen,) = found["a"]["teacher_record"]["subjects"]
    assert (seen["subject_id"], seen["audio_s3_url"]) == (7, "s3://b/k")


def test_a_result_with_a_time_out_of_range_can_be_read(source: Database) -> None:
    results = source.collection("results")
    results.insert_one({"_id": "a", "processed_at": FAR, "is_anomaly": True})
    found = Flagged(results).one("a")
    assert found is not None and found["processed_at"] == FAR


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:00:00-05:00"]
)
def test_a_time_that_is_out_of_range_in_utc_is_none(text: str) -> None:
    assert moment(text) is None


def test_a_page_beyond_the_servers_time_for_it_is_too_slow(
    mongo: StrictMongo, source: Database
) -> None:
    message = "operation exceeded time limit"
    mongo.answers["find"] = {"ok": 0.0, "code": 50, "errmsg": message}
    with pytest.raises(TooSlow, match="mongo is unavailable: a query took longer"):
        pages_of(source).page(DATE, Span(), None, 10)
