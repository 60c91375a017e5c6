"""The values that flow: a record, its message, a work item."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlsplit

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from model.identity import dedupe_key, result_document_id
from model.redaction import redact
from model.times import rfc3339

MONGO_RECORD_TYPES = ("teacher_record", "admin_record")
#: Above this a JSON number read as a double is no longer the number that was written.
MAX_EXACT_NUMBER = 2**53
_SHOWN_CHARACTERS = 60
#: The message attribute that asks for a new result, and its value for a version: a
#: result by an older model does not count as there.
REPROCESS_ATTRIBUTE = "reprocess_below"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def source_text(value: object) -> str | None:
    """Return a source's value as messages carry it: ids often are numbers there."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    return str(value)


def _text_of(value: object) -> object:
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("holds a NUL character, which no source can store")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, float) and abs(value) >= MAX_EXACT_NUMBER:
        raise ValueError("number too large to be exact, expected it as a string")
    return source_text(value)


def _rfc3339_text(value: object) -> object:
    """Refuse epoch numbers and bare dates, which pydantic would take for a time."""
    if isinstance(value, str) and _DATE.match(value) and len(value) > len("YYYY-MM-DD"):
        return value
    if isinstance(value, datetime):
        return value
    raise ValueError("expected an RFC 3339 time such as 2026-02-23T09:30:00Z")


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("expected a time of the years 1 to 9999 in UTC") from None


def _iso_date(value: object) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and _DATE.fullmatch(value):
        return value
    raise ValueError("expected a date as YYYY-MM-DD")


def _audio_url(value: str) -> str:
    parts = urlsplit(value)
    if not value.isprintable():
        raise ValueError("holds unprintable characters, expected a URL")
    if parts.scheme not in ("http", "https", "s3") or not parts.hostname:
        raise ValueError("expected https://, http:// or s3://bucket/key")
    if parts.scheme == "s3" and len(parts.path) < len("/k"):
        raise ValueError("expected a key behind the bucket, s3://bucket/key")
    return value


Text = Annotated[str, BeforeValidator(_text_of)]
RequiredText = Annotated[Text, Field(min_length=1)]
Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_rfc3339_text),
    AfterValidator(_in_utc),
    PlainSerializer(rfc3339, when_used="unless-none"),
]


class MalformedMessage(ValueError):
    """A message body that is no record; says which field is wrong and how."""


class DiscoveryRecord(BaseModel):
    """One recording of one pupil in one subject on one test date.

    The fields are those of the message, in its order. Unknown fields of a message are
    ignored; numbers where a string is due are taken as their decimal text.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    source_collection: RequiredText
    mongo_doc_id: Text | None = None
    source_record_id: RequiredText
    assessment_record_id: Text | None = None
    test_date: Annotated[date, BeforeValidator(_iso_date)]
    record_type: RequiredText
    subject_id: Text | None = None
    subject_name: RequiredText
    audio_s3_url: Annotated[RequiredText, AfterValidator(_audio_url)]
    source_updated_at: Moment | None = None
    subject_created_at: Moment | None = None
    student_id: RequiredText
    udise: Text | None = None
    trace_id: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{32}$")]
    discovered_at: Moment

    @field_validator("record_type")
    @classmethod
    def _known_in_mongo(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("mongo_doc_id") and value not in MONGO_RECORD_TYPES:
            raise ValueError(f"expected {' or '.join(MONGO_RECORD_TYPES)}")
        return value

    def message_fields(self) -> dict[str, Any]:
        """Return the message's fields as plain JSON values, in the message's order.

        ``assessment_record_id`` is left out where the source has none (Mongo).
        """
        fields: dict[str, Any] = orjson.loads(self.to_message())
        return fields

    def to_message(self) -> str:
        """Return the record as an SQS message body: one compact JSON object."""
        # A tenth of model_dump's time: every time here is in UTC already.
        fields = {**self.__dict__}
        if self.assessment_record_id is None:
            del fields["assessment_record_id"]
        return orjson.dumps(fields, option=orjson.OPT_UTC_Z).decode()

    @classmethod
    def from_message(cls, body: str) -> DiscoveryRecord:
        """Return the record of an SQS message body.

        Raises
        ------
        MalformedMessage
            With one line that names every wrong field, its value and what was
            expected. Never any other exception, whatever the body holds.
        """
        try:
            fields = orjson.loads(body)
        except ValueError as error:
            raise MalformedMessage(f"body: not JSON ({error})") from None
        if not isinstance(fields, dict):
            kind = type(fields).__name__
            raise MalformedMessage(f"body: expected a JSON object, got {kind}")
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise MalformedMessage(_faults(error, fields)) from None


def _faults(error: ValidationError, fields: dict[str, Any]) -> str:
    faults = error.errors(include_url=False, include_context=False)
    return "; ".join(_fault(dict(fault), fields) for fault in faults)


def _fault(fault: dict[str, Any], fields: dict[str, Any]) -> str:
    name = str(fault["loc"][0]) if fault["loc"] else "body"
    if fault["type"] == "missing":
        return f"{name}: missing"
    message = fault["msg"].removeprefix("Value error, ")
    message = message.replace("Input should be", "expected")
    return f"{name}: {message}, got {_shown(fields.get(name))}"


def _shown(value: object) -> str:
    text = redact(repr(value))
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    return f"{text[:_SHOWN_CHARACTERS]}… ({len(text)} characters)"


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A parsed message: the record and the delivery that brought it.

    Attributes
    ----------
    dedupe_key, result_document_id
        The record's identity, as in `model.identity`.
    message_id
        SQS's id of the message; a redriven copy has another one.
    receive_count
        How often SQS has delivered this message, this delivery included.
    origin
        The delivery as it was received, to copy from; nothing here looks into it.
    reprocess_below
        A model's version: a result by an older model is to be replaced by a new one.
    """

    record: DiscoveryRecord
    dedupe_key: str
    result_document_id: str
    message_id: str
    receive_count: int
    origin: Any = field(default=None, repr=False, compare=False)
    reprocess_below: str | None = None

    @classmethod
    def of(
        cls,
        record: DiscoveryRecord,
        message_id: str,
        receive_count: int,
        origin: object = None,
        reprocess_below: str | None = None,
    ) -> WorkItem:
        """Return the work item of a record that was delivered in a message."""
        key = dedupe_key(record)
        identity = result_document_id(key)
        return cls(
            record, key, identity, message_id, receive_count, origin, reprocess_below
        )
