"""Messages, records and identity."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.records import DiscoveryRecord, MalformedMessage, WorkItem, source_text

MESSAGE: dict[str, Any] = {
    "source_collection": "public.recordings",
    "mongo_doc_id": None,
    "source_record_id": "42",
    "assessment_record_id": "42",
    "test_date": "2026-02-23",
    "record_type": "teacher_record",
    "subject_id": "7",
    "subject_name": "हिन्दी",
    "audio_s3_url": "https://audio.example/a b.wav?v=1",
    "source_updated_at": "2026-02-23T09:30:00.123456Z",
    "subject_created_at": None,
    "student_id": "s-1",
    "udise": "27251600101",
    "trace_id": "0123456789abcdef0123456789abcdef",
    "discovered_at": "2026-02-23T10:00:00Z",
}
REQUIRED = [
    "source_collection",
    "source_record_id",
    "test_date",
    "record_type",
    "subject_name",
    "audio_s3_url",
    "student_id",
    "trace_id",
    "discovered_at",
]


def parse(**changed: Any) -> DiscoveryRecord:
    return DiscoveryRecord.from_message(json.dumps({**MESSAGE, **changed}))


def fault(**changed: Any) -> str:
    with pytest.raises(MalformedMessage) as caught:
        parse(**changed)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_message_becomes_the_same_message_again() -> None:
    record = DiscoveryRecord.from_message(json.dumps(MESSAGE))
    assert orjson.loads(record.to_message()) == MESSAGE
    assert list(orjson.loads(record.to_message())) == list(MESSAGE)


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(ValueError):
        parse().student_id = "another"  # type: ignore[misc]


def test_a_record_from_mongo_has_no_assessment_record_id_in_its_message() -> None:
    fields = {k: v for k, v in MESSAGE.items() if k != "assessment_record_id"}
    fields["mongo_doc_id"] = "65d8f0c2a1b2c3d4e5f60718"
    record = DiscoveryRecord.from_message(json.dumps(fields))
    assert orjson.loads(record.to_message()) == fields


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_field_that_is_missing_is_named(name: str) -> None:
    fields = {key: value for key, value in MESSAGE.items() if key != name}
    with pytest.raises(MalformedMessage, match=f"^{name}: missing$"):
        DiscoveryRecord.from_message(json.dumps(fields))


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", [None, "", [], {}, True])
def test_a_required_field_of_a_wrong_type_is_named(name: str, value: Any) -> None:
    assert fault(**{name: value}).startswith(f"{name}: ")


@pytest.mark.parametrize("name", ["subject_id", "udise", "source_updated_at"])
def test_an_optional_field_may_be_null_or_missing(name: str) -> None:
    fields = {key: value for key, value in MESSAGE.items() if key != name}
    record = DiscoveryRecord.from_message(json.dumps(fields))
    assert getattr(record, name) is None
    assert getattr(parse(**{name: None}), name) is None


def test_unknown_fields_are_ignored() -> None:
    assert parse(unknown={"$where": "1"}) == parse()


@pytest.mark.parametrize(
    ("number", "text"),
    [(7, "7"), (0, "0"), (-3, "-3"), (2**63, str(2**63)), (1.5, "1.5"), (2e3, "2000")],
)
def test_a_number_counts_as_its_decimal_text(number: float, text: str) -> None:
    assert parse(student_id=number).student_id.removesuffix(".0") == text
    assert (source_text(number) or "").removesuffix(".0") == text


def test_a_number_that_lost_its_digits_is_refused() -> None:
    assert "too large to be exact" in fault(student_id=10**30)


@pytest.mark.parametrize(
    "value", ["23-02-2026", "2026-2-3", "2026-02-30", "2026-02-23T00:00:00Z", 20260223]
)
def test_a_test_date_that_is_no_date_is_named(value: Any) -> None:
    assert fault(test_date=value).startswith("test_date: expected a")


@pytest.mark.parametrize(
    "value", ["2026-02-23", "2026-02-23T10:00:00", "yesterday", 1700000000, True]
)
def test_a_time_that_is_not_rfc_3339_is_named(value: Any) -> None:
    assert fault(discovered_at=value).startswith("discovered_at: ")


@pytest.mark.parametrize(
    "value", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:00:00-05:00"]
)
def test_a_time_that_has_no_year_in_utc_is_named(value: str) -> None:
    assert fault(source_updated_at=value).startswith("source_updated_at: expected")


def test_times_are_taken_to_utc() -> None:
    record = parse(discovered_at="2026-02-23T15:30:00+05:30")
    assert record.discovered_at == datetime(2026, 2, 23, 10, tzinfo=UTC)
    assert '"discovered_at":"2026-02-23T10:00:00Z"' in record.to_message()


@pytest.mark.parametrize(
    "url",
    ["https://h/a.wav", "http://h:8080/a?b=c", "s3://bucket/key", "HTTPS://h/a"],
)
def test_a_url_of_a_known_scheme_is_taken(url: str) -> None:
    assert parse(audio_s3_url=url).audio_s3_url == url


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h/a",
        "file:///etc/passwd",
        "a.wav",
        "https://",
        "s3://bucket",
        "s3://bucket/",
        "s3:///key",
        "http://[::1/a",
        "https://h/a\nb",
        "https://h/\x00",
        "javascript:alert(1)",
    ],
)
def test_a_url_of_another_kind_is_named(url: str) -> None:
    assert fault(audio_s3_url=url).startswith("audio_s3_url: ")


@pytest.mark.parametrize("value", ["abc", "g" * 32, "a" * 33, 5])
def test_a_trace_id_that_is_not_32_hex_digits_is_named(value: Any) -> None:
    assert fault(trace_id=value).startswith("trace_id: ")


def test_a_record_type_that_mongo_does_not_have_is_named() -> None:
    words = fault(mongo_doc_id="65d8f0c2a1b2c3d4e5f60718", record_type="pupil_record")
    assert words.startswith("record_type: expected teacher_record or admin_record")
    assert parse(record_type="pupil_record").record_type == "pupil_record"


def test_every_wrong_field_is_named_in_one_line() -> None:
    words = fault(student_id=None, test_date="x", udise=[])
    assert [part.split(":")[0] for part in words.split("; ")] == [
        "test_date",
        "student_id",
        "udise",
    ]


def test_a_long_value_is_shortened_and_a_signature_masked() -> None:
    assert len(fault(test_date="9" * 100_000)) < 200
    words = fault(audio_s3_url="ftp://h/a?X-Amz-Signature=c0ffee")
    assert "c0ffee" not in words


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"a"', "7", "\ud800", "{}{}"])
def test_a_body_that_is_no_json_object_is_malformed(body: str) -> None:
    with pytest.raises(MalformedMessage):
        DiscoveryRecord.from_message(body)


@given(st.text())
@settings(max_examples=200)
def test_no_text_makes_the_parser_raise_anything_else(body: str) -> None:
    with pytest.raises(MalformedMessage):
        DiscoveryRecord.from_message(body)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(list(MESSAGE)), ANY_JSON))
@settings(max_examples=300)
def test_no_field_makes_the_parser_raise_anything_else(changed: dict[str, Any]) -> None:
    try:
        record = parse(**changed)
    except MalformedMessage as error:
        assert str(error)
    else:
        assert DiscoveryRecord.from_message(record.to_message()) == record


@given(st.text(min_size=1), st.text(min_size=1))
@settings(max_examples=100)
def test_identity_is_what_the_contract_says(student: str, subject: str) -> None:
    changed = {"student_id": student, "subject_name": subject}
    try:
        record = parse(**changed)
    except MalformedMessage:
        return
    fields = {**MESSAGE, **changed}
    key = json.dumps(
        [
            fields["source_collection"],
            fields["student_id"],
            fields["subject_name"],
            fields["test_date"],
            fields["audio_s3_url"],
        ],
        ensure_ascii=False,
        separators=(",", ":"),
    )
    item = WorkItem.of(record, "m-1", 1)
    assert item.dedupe_key == key
    assert item.result_document_id == hashlib.sha256(key.encode()).hexdigest()


def test_a_work_item_carries_its_delivery() -> None:
    item = WorkItem.of(parse(), "m-1", 3, origin="as received")
    assert (item.message_id, item.receive_count, item.origin) == (
        "m-1",
        3,
        "as received",
    )
    assert item.record.test_date == date(2026, 2, 23)
