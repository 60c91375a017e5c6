"""Who a record is: the key that makes every copy of it one and the same."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from model.records import DiscoveryRecord


def dedupe_key(record: DiscoveryRecord) -> str:
    """Return the record's identity as a compact JSON array.

    Returns
    -------
    str
        ``[source_collection, student_id, subject_name, test_date, audio_s3_url]``
        without spaces, UTF-8 and not ASCII-escaped.
    """
    parts = [
        record.source_collection,
        record.student_id,
        record.subject_name,
        record.test_date.isoformat(),
        record.audio_s3_url,
    ]
    return orjson.dumps(parts).decode()


def result_document_id(key: str) -> str:
    """Return the ``_id`` of a record's result: SHA-256 of its key, 64 hex digits."""
    return hashlib.sha256(key.encode()).hexdigest()
