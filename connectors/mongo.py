"""MongoDB: the results, and the documents of a Mongo source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pymongo
from pymongo import MongoClient, ReplaceOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, ExecutionTimeout, PyMongoError
from pymongo.uri_parser import parse_uri
from pymongo.write_concern import WriteConcern

from connectors import mongo_history
from connectors import mongo_writing as writing
from connectors.errors import TooSlow, Unavailable
from connectors.mongo_fields import FieldNames
from connectors.mongo_ids import id_text, ids_of
from model.records import MONGO_RECORD_TYPES

#: Seconds for one operation, its retries by the driver included.
OPERATION_SECONDS = 10.0
#: Times that a result is read and written anew because another was written between.
SUPERSEDE_TRIES = 5

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
    except ExecutionTimeout as error:
        raise TooSlow("mongo", seconds) from error
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
        # A date that Python cannot hold must not cost the documents read with it.
        self._client: MongoClient[Document] = MongoClient(
            uri, tz_aware=True, datetime_conversion="DATETIME_AUTO"
        )
        self._database = self._client[name]

    def check(self) -> None:
        """Make one round trip; raises `Unavailable`."""
        with translated():
            self._database.command("ping")

    def deployment(self) -> str:
        """Return what answers: a replica set, shards or one server."""
        with translated():
            hello = self._database.command("hello")
        if hello.get("msg") == "isdbgrid":
            return "sharded"
        name = hello.get("setName")
        return f"replica set {name}" if name else "standalone"

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

    def documents(self, ids: Iterable[str]) -> list[Document]:
        """Return the results there are of `ids`. Raises `Unavailable`."""
        with translated():
            return list(self._collection.find({"_id": {"$in": list(ids)}}))

    def versions(self, ids: Iterable[str]) -> dict[str, str]:
        """Return the model version of each result there is. Raises `Unavailable`."""
        with translated():
            found = self._collection.find(
                {"_id": {"$in": list(ids)}}, {"model_version": 1}
            )
            return {one["_id"]: str(one.get("model_version")) for one in found}

    def recent_audio(self, count: int) -> list[str]:
        """Return the audio URLs of the newest results. Raises `Unavailable`."""
        with translated():
            found = self._collection.find({}, {"audio_s3_url": 1})
            newest = found.sort("processed_at", pymongo.DESCENDING).limit(count)
            return [document["audio_s3_url"] for document in newest]

    def upsert(self, documents: Sequence[Document]) -> dict[str, str]:
        """Write results; returns when a majority has them. Raises `Unavailable`.

        Returns
        -------
        dict
            Id to reason of the results that Mongo will never take.
        """
        return writing.each_that_can(documents, self._replace)

    def supersede(self, documents: Sequence[Document]) -> dict[str, str]:
        """Write results that keep what the ones in their place said, as ``history``.

        As `upsert` otherwise.
        """
        return writing.each_that_can(documents, self._supersede_all)

    def _replace(self, documents: Sequence[Document]) -> dict[str, str]:
        writes = [
            ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in documents
        ]
        with translated():
            try:
                self._collection.bulk_write(writes, ordered=False)
            except BulkWriteError as error:
                return writing.refused(error, documents)
        return {}

    def _supersede_all(self, documents: Sequence[Document]) -> dict[str, str]:
        left, refused = list(documents), dict[str, str]()
        for _ in range(SUPERSEDE_TRIES):
            left, never = self._supersede(left)
            refused |= never
            if not left:
                return refused
        raise Unavailable("mongo", "others write the same results all the time")

    def _supersede(
        self, documents: Sequence[Document]
    ) -> tuple[list[Document], dict[str, str]]:
        """Return the documents that another's writing was before, and the refused."""
        names = dict.fromkeys((*mongo_history.KEPT, "history"), 1)
        ids = [document["_id"] for document in documents]
        with translated():
            found = self._collection.find({"_id": {"$in": ids}}, names)
            there = {one["_id"]: one for one in found}
            writes = [
                mongo_history.replacement(one, there.get(one["_id"]))
                for one in documents
            ]
            try:
                self._collection.bulk_write(writes, ordered=False)
            except BulkWriteError as error:
                late = mongo_history.raced(error)
                refused = writing.refused(error, documents, without=late)
                return [documents[index] for index in sorted(late)], refused
        return [], {}


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
            As in messages, see `id_text`.

        Returns
        -------
        dict
            By id: ``{record_type: {"subjects": [...]}}``, in the contract's names
            whatever the documents' own are. Raises `Unavailable`.
        """
        wanted = [key for text in document_ids for key in ids_of(text)]
        parts = self._names.projection(MONGO_RECORD_TYPES)
        with translated():
            found = self._collection.find({"_id": {"$in": wanted}}, parts)
            return {
                id_text(document["_id"]): self._named(document) for document in found
            }

    def _named(self, document: Document) -> Document:
        return {
            kind: {"subjects": self._names.named_subjects(document, kind)}
            for kind in MONGO_RECORD_TYPES
        }
