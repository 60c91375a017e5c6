"""How messages write the ``_id`` of a document, and which ones a text stands for."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from bson import Binary, ObjectId
from bson.binary import UUID_SUBTYPE

from model.records import source_text

_OBJECT_ID_DIGITS, _UUID_BYTES = 24, 16
_INT64 = range(-(2**63), 2**63)

#: What the ``_id`` of a document can be for the worker to find it again.
Id = Binary | ObjectId | str | int | float


def id_text(value: object) -> str:
    """Return an ``_id`` as messages write it.

    24 hex digits for an ObjectId, 36 characters for a UUID, else what it is as a text.
    """
    if isinstance(value, Binary) and value.subtype == UUID_SUBTYPE:
        # Whoever writes binaries by hand can give one any length.
        return str(UUID(bytes=value)) if len(value) == _UUID_BYTES else str(value)
    return str(source_text(value))


def ids_of(text: str) -> list[Id]:
    """Return every ``_id`` that messages write as `text`."""
    ids: list[Id] = [text]
    if len(text) == _OBJECT_ID_DIGITS and ObjectId.is_valid(text):
        ids.append(ObjectId(text))
    with suppress(ValueError):
        uuid = UUID(text)
        if str(uuid) == text:
            ids.append(Binary.from_uuid(uuid))
    for kind in (int, float):
        with suppress(ValueError, OverflowError):
            number = kind(text)
            if source_text(number) == text and (kind is float or number in _INT64):
                ids.append(number)
    return ids
