"""MongoDB: the results, and the documents of a Mongo source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pymongo
from bson import ObjectId
from pymongo import MongoClient, ReplaceOne
from pymongo.collection import Collection
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri
from pymongo.write_concern import WriteConcern

from connectors.errors import Unavailable
from connectors.mongo_fields import FieldNames
from model.records import MONGO_RECORD_TYPES, source_text

#: Seconds for one operation, its retries by the driver included.
OPERATION_SECONDS = 10.0
_OBJECT_ID_DIGITS = 24
_MAX_INT64 = 2**63 - 1

Document = dict[str, Any]


def is_uri(uri: str) -> bool:
    """Tell whether `uri` is a MongoDB connection string, without connecting."""
    if uri.startswith("mongodb+srv://"):
        return bool(urlsplit(uri).hostname)  # parsing one whole asks the DNS
    try:
        parse_uri(uri, warn=False)
    except (PyMongoError, ValueError):
        return False
    return True


@contextmanager
def translated(seconds: float = OPERATION_SECONDS) -> Iterator[None]:
    """Bound an operation's time and turn the driver's exceptions into `Unavailable`."""
    try:
        with pymongo.timeout(seconds):
            yield
    except PyMongoError as error:
        raise Unavailable("mongo", error) from error


class Database:
    """One database behind one client.

    Parameters
    ----------
    uri
        The connection string; its options win over every default here.
    name
        The database's name.
    """

    def __init__(self, uri: str, name: str) -> None:
        self._client: MongoClient[Document] = MongoClient(uri, tz_aware=True)
        self._database = self._client[name]

    def check(self) -> None:
        """Make one round trip; raises `Unavailable`."""
        with translated():
            self._database.command("ping")

    def collection(self, name: str) -> Collection[Document]:
        """Return a collection whose writes a majority of the replica set confirms."""
        return self._database.get_collection(
            name, write_concern=WriteConcern(w="majority")
        )

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()


class Results:
    """The results, one document for each record, by its `result_document_id`."""

    def __init__(self, collection: Collection[Document]) -> None:
        self._collection = collection

    def existing(self, ids: Iterable[str]) -> set[str]:
        """Return which of `ids` have a result; one query. Raises `Unavailable`."""
        with translated():
            found = self._collection.find({"_id": {"$in": list(ids)}}, {"_id": 1})
            return {document["_id"] for document in found}

    def recent_audio(self, count: int) -> list[str]:
        """Return the audio URLs of the newest results. Raises `Unavailable`."""
        with translated():
            found = self._collection.find({}, {"audio_s3_url": 1})
            newest = found.sort("processed_at", pymongo.DESCENDING).limit(count)
            return [document["audio_s3_url"] for document in newest]

    def upsert(self, documents: Sequence[Document]) -> None:
        """Write results; returns when a majority has them. Raises `Unavailable`."""
        if not documents:
            return
        writes = [
            ReplaceOne({"_id": document["_id"]}, document, upsert=True)
            for document in documents
        ]
        with translated():
            self._collection.bulk_write(writes, ordered=False)


class SourceDocuments:
    """The documents of a Mongo source, as the worker looks them up.

    Parameters
    ----------
    fields
        The documents' own names, see `connectors.mongo_fields.FieldNames`.
    """

    def __init__(
        self,
        collection: Collection[Document],
        *,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        self._collection = collection
        self._names = FieldNames(fields)

    def subjects(self, document_ids: Iterable[str]) -> dict[str, Document]:
        """Return the documents that still exist, with their subjects only.

        Parameters
        ----------
        document_ids
            As in messages: 24 hex digits for an ObjectId, else the id itself.

        Returns
        -------
        dict
            By id: ``{record_type: {"subjects": [...]}}``, in the contract's names
            whatever the documents' own are. Raises `Unavailable`.
        """
        wanted = [key for text in document_ids for key in _keys(text)]
        parts = self._names.projection(MONGO_RECORD_TYPES)
        with translated():
            found = self._collection.find({"_id": {"$in": wanted}}, parts)
            return {str(document["_id"]): self._named(document) for document in found}

    def _named(self, document: Document) -> Document:
        return {
            kind: {"subjects": self._names.named_subjects(document, kind)}
            for kind in MONGO_RECORD_TYPES
        }


def _keys(text: str) -> list[ObjectId | str | int | float]:
    """Return every ``_id`` that a message writes as `text`."""
    keys: list[ObjectId | str | int | float] = [text]
    if len(text) == _OBJECT_ID_DIGITS and ObjectId.is_valid(text):
        keys.append(ObjectId(text))
    for kind in (int, float):
        with suppress(ValueError, OverflowError):
            number = kind(text)
            if source_text(number) == text and abs(number) <= _MAX_INT64:
                keys.append(number)
    return keys
