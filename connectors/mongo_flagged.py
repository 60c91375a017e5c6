"""MongoDB: the flagged results in the order of a review, the worst first."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pymongo.collection import Collection

from connectors.mongo import Document, translated

#: Seconds for one query: without an index it can read the whole collection.
QUERY_SECONDS = 30
#: Documents that one query of a walk reads.
STEP = 200
#: What a list needs nothing of, and what makes a result large.
_LEFT_OUT = {"features": 0, "history": 0, "dedupe_key": 0}
_WORST_FIRST = [("anomaly_score", -1), ("_id", 1)]

#: Of a step's documents those that are wanted, in their order.
Keep = Callable[[Sequence[Document]], list[Document]]


def head_of(reason: str) -> str:
    """Return what a reason says before its measurement."""
    return reason.partition(":")[0].strip()


@dataclass(frozen=True, slots=True)
class Choice:
    """Which flagged results are asked for; None is any.

    Attributes
    ----------
    reason
        The head of one of its reasons.
    """

    test_date: str | None = None
    subject_name: str | None = None
    udise: str | None = None
    reason: str | None = None

    def query(self) -> dict[str, Any]:
        """Return it as a query, which may give more than `holds`."""
        query: dict[str, Any] = {"is_anomaly": True}
        for name in ("test_date", "subject_name", "udise"):
            if (value := getattr(self, name)) is not None:
                query[name] = value
        if self.reason is not None:
            query["reasons"] = {"$regex": re.escape(self.reason)}
        return query

    def holds(self, document: Mapping[str, Any]) -> bool:
        """Tell whether a result of the query has the reason itself, not one like it."""
        if self.reason is None:
            return True
        return self.reason in map(head_of, map(str, document.get("reasons") or ()))

    def without_reason(self) -> Choice:
        """Return the choice of any reason."""
        return replace(self, reason=None)


@dataclass(frozen=True, slots=True)
class Spot:
    """A result's spot in the order.

    What follows is found from here, also when the result itself was judged anew or
    deleted meanwhile.
    """

    score: float
    id: str

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Spot:
        """Return the spot of a result."""
        return cls(float(document.get("anomaly_score") or 0), str(document["_id"]))

    def after(self) -> dict[str, Any]:
        """Return the query of what follows."""
        tie = {"anomaly_score": self.score, "_id": {"$gt": self.id}}
        return {"$or": [{"anomaly_score": {"$lt": self.score}}, tie]}


class Flagged:
    """The flagged results, to read; every method raises `Unavailable`."""

    def __init__(self, collection: Collection[Document]) -> None:
        self._collection = collection

    def page(
        self, choice: Choice, after: Spot | None, size: int, keep: Keep
    ) -> list[Document]:
        """Return the next results, the worst first; no cursor stays open.

        Parameters
        ----------
        after
            The spot that they follow; None for the beginning.
        keep
            Drops those that are not wanted, for reasons that another collection has:
            more are read until the page is full.
        """
        found: list[Document] = []
        while len(found) < size:
            step = self._step(choice, after)
            found += keep([one for one in step if choice.holds(one)])
            if len(step) < STEP:
                break
            after = Spot.of(step[-1])
        return found[:size]

    def count(self, choice: Choice) -> int:
        """Return how many a choice has; one with a reason may count those like it."""
        with translated(QUERY_SECONDS):
            return self._collection.count_documents(choice.query())

    def one(self, id: str) -> Document | None:
        """Return a result whole, flagged or not; None when there is none."""
        with translated():
            return self._collection.find_one({"_id": id})

    def some(self, ids: Sequence[str]) -> list[Document]:
        """Return the results of some ids, without what makes them large."""
        with translated(QUERY_SECONDS):
            return list(self._collection.find({"_id": {"$in": list(ids)}}, _LEFT_OUT))

    def newest_normal(self, count: int) -> list[Document]:
        """Return the newest results that are not flagged."""
        with translated(QUERY_SECONDS):
            found = self._collection.find({"is_anomaly": False}, _LEFT_OUT)
            return list(found.sort("processed_at", -1).limit(count))

    def _step(self, choice: Choice, after: Spot | None) -> list[Document]:
        query = choice.query() | (after.after() if after else {})
        with translated(QUERY_SECONDS):
            found = self._collection.find(query, _LEFT_OUT)
            return list(found.sort(_WORST_FIRST).limit(STEP))
