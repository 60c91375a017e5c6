"""MongoDB: the documents of a source collection, read page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo.collection import Collection

from connectors.mongo import Document, translated
from connectors.mongo_fields import DOCUMENT_FIELDS, FieldNames, at_path
from connectors.mongo_kinds import DATED, Kinds, later
from connectors.pages import Found, Page, Selection, Span, moment
from model.records import MONGO_RECORD_TYPES

#: Seconds for one query: without an index a page reads the whole collection.
PAGE_SECONDS = 120
#: Documents of which the names in use are looked at.
_SAMPLE = 100


class DocumentPages:
    """A collection of documents, in the order of ``(updated_at, _id)``.

    A page is one query for so many documents; both record types are unwound here, for
    what documents hold is not trusted: an entry that is no subject is passed over.

    Parameters
    ----------
    collection
        The source collection.
    fields
        The documents' own names, see `FieldNames`.
    """

    has_undated = True
    # The time that such records go by lies inside the documents.
    orders_undated = False

    def __init__(
        self,
        collection: Collection[Document],
        *,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        self.name = collection.name
        self._collection = collection
        self._names = FieldNames(fields)
        self._kinds = Kinds(self._names["updated_at"])
        self._projection = self._names.projection(DOCUMENT_FIELDS)

    def check(self, selection: Selection) -> None:
        """Look for the mapped names in documents of the date."""
        with translated(PAGE_SECONDS):
            documents = list(self._collection.find(self._of(selection)).limit(_SAMPLE))
        self._names.check(documents)

    def page(
        self, selection: Selection, span: Span, after: Any | None, limit: int
    ) -> Page:
        """Return the recordings of the documents that follow `after`."""
        if not span.dated:
            return self._undated_page(selection, span, after, limit)
        order = [(self._names["updated_at"], 1), ("_id", 1)]
        query = self._dated(selection, span, after)
        documents = self._documents(query, limit, order)
        own = [one for one in documents if self._kinds.of(one) == DATED]
        following = None
        if len(documents) == limit:
            last = documents[-1]
            following = (at_path(last, self._names["updated_at"]), last["_id"])
        return Page(self._found(own, selection, span), len(documents), following)

    def bounds(self, selection: Selection) -> tuple[datetime, datetime] | None:
        """Return the earliest and latest ``updated_at``, None where there is none."""
        name = self._names["updated_at"]
        query = self._dated(selection, Span(end=datetime.max), None)
        ends = []
        with translated(PAGE_SECONDS):
            for direction in (1, -1):
                rows = self._collection.find(query).sort(name, direction).limit(1)
                ends += [moment(at_path(row, name)) for row in rows]
        first, last = ends or (None, None)
        return (first, last) if first and last else None

    def estimate(self, selection: Selection) -> int:
        """Return the number of documents of the date."""
        with translated(PAGE_SECONDS):
            return self._collection.count_documents(self._of(selection))

    def missing_index(self, selection: Selection) -> str | None:
        """Return the ``createIndex`` that pages need, None where one serves them."""
        key = [self._names["test_date"], self._names["updated_at"], "_id"]
        with translated(PAGE_SECONDS):
            indexes = self._collection.index_information()
        for index in indexes.values():
            names = [name for name, _ in index["key"]]
            # One without the _id gives the order but for documents of equal time.
            if names[:3] in (key, key[:2]):
                return None
        fields = ", ".join(f'"{name}": 1' for name in key)
        return f'db.getCollection("{self.name}").createIndex({{ {fields} }})'

    def close(self) -> None:
        """Do nothing: the connections are the database's."""

    def _undated_page(
        self, selection: Selection, span: Span, after: Any | None, limit: int
    ) -> Page:
        number, last = after or (0, None)
        kinds = self._kinds.undated(whole=span.start is None)
        kind, condition = kinds[number]
        query = self._of(selection) | condition
        if last is not None:
            query["$or"] = later(last)
        # By the _id alone, as the next page goes on: other values have an order too.
        documents = self._documents(query, limit, [("_id", 1)])
        following: Any = None
        if len(documents) == limit:
            following = (number, documents[-1]["_id"])
        elif number + 1 < len(kinds):
            following = (number + 1, None)
        own = [one for one in documents if self._kinds.of(one) == kind]
        return Page(self._found(own, selection, span), len(documents), following)

    def _of(self, selection: Selection) -> dict[str, Any]:
        return {self._names["test_date"]: selection.test_date.isoformat()}

    def _dated(
        self, selection: Selection, span: Span, after: Any | None
    ) -> dict[str, Any]:
        """Return the query of a span; a comparison with a date finds dates alone."""
        name = self._names["updated_at"]
        bounds: dict[str, Any] = {"$gte": span.start or datetime.min}
        query = self._of(selection) | {name: bounds} | self._kinds.no_list
        if span.end is not None:
            bounds["$lt"] = span.end
        if after is not None:
            at, last = after
            bounds["$gte"] = at
            ties = [{name: at} | condition for condition in later(last)]
            query["$or"] = [{name: {"$gt": at}}, *ties]
        return query

    def _documents(
        self, query: dict[str, Any], limit: int, order: Sequence[tuple[str, int]]
    ) -> list[Document]:
        with translated(PAGE_SECONDS):
            found = self._collection.find(query, self._projection)
            return list(found.sort(order).limit(limit))

    def _found(
        self, documents: Sequence[Document], selection: Selection, span: Span
    ) -> list[Found]:
        kinds = selection.record_types or MONGO_RECORD_TYPES
        found = []
        for document in documents:
            for fields in self._names.recordings(document, kinds):
                own_time = fields["source_updated_at"] is not None
                name = "source_updated_at" if own_time else "subject_created_at"
                at = moment(fields[name])
                own = selection.subject_name in (None, fields["subject_name"])
                if own and _is_in(at, span):
                    found.append(Found(at, fields))
        return found


def _is_in(at: datetime | None, span: Span) -> bool:
    """Tell whether a time lies in a span; what has none is always looked at."""
    if at is None:
        return True
    return (not span.start or at >= span.start) and (not span.end or at < span.end)
