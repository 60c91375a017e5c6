"""MongoDB: the results as people ask for them, page by page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from pymongo.collection import Collection

from connectors.mongo import Document, translated

#: Seconds for one page: without an index it can read the whole collection.
PAGE_SECONDS = 120
#: Documents of one page.
PAGE_DOCUMENTS = 500
_KEY = ("test_date", "_id")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which results are asked for.

    Attributes
    ----------
    test_date
        ``YYYY-MM-DD``.
    flagged
        Only the anomalous ones.
    reason
        A part of one of its reasons, in any case.
    school
        The ``udise``.
    """

    test_date: str
    flagged: bool = False
    reason: str | None = None
    school: str | None = None

    def query(self) -> dict[str, Any]:
        """Return it as a query."""
        query: dict[str, Any] = {"test_date": self.test_date}
        if self.flagged:
            query["is_anomaly"] = True
        if self.reason is not None:
            query["reasons"] = {"$regex": re.escape(self.reason), "$options": "i"}
        if self.school is not None:
            query["udise"] = self.school
        return query


class ResultPages:
    """The results, to read; every method raises `Unavailable`."""

    def __init__(self, collection: Collection[Document]) -> None:
        self._collection = collection

    def pages(
        self,
        wanted: Wanted,
        projection: Mapping[str, int] | None = None,
        *,
        size: int = PAGE_DOCUMENTS,
    ) -> Iterator[list[Document]]:
        """Yield pages of results in the order of ``_id``; no cursor stays open."""
        after: str | None = None
        while True:
            query = wanted.query()
            if after is not None:
                query["_id"] = {"$gt": after}
            with translated(PAGE_SECONDS):
                found = self._collection.find(query, projection)
                page = list(found.sort("_id", 1).limit(size))
            if page:
                yield page
            if len(page) < size:
                return
            after = page[-1]["_id"]

    def statuses(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the ``processing_status`` of each result there is."""
        with translated():
            found = self._collection.find(
                {"_id": {"$in": list(ids)}}, {"processing_status": 1}
            )
            return {one["_id"]: str(one.get("processing_status")) for one in found}

    def missing_index(self) -> str | None:
        """Return the ``createIndex`` that pages of a date need, None where one is."""
        with translated():
            indexes = self._collection.index_information()
        for index in indexes.values():
            names = tuple(name for name, _ in index["key"])
            if names[:1] == _KEY[:1]:
                return None
        fields = ", ".join(f'"{name}": 1' for name in _KEY)
        name = self._collection.name
        return f'db.getCollection("{name}").createIndex({{ {fields} }})'


def try_write(collection: Collection[Document]) -> None:
    """Write a document and delete it again; raises `Unavailable`."""
    key = {"_id": f"check {uuid4().hex}"}
    with translated():
        collection.insert_one(dict(key))
        collection.delete_one(key)
