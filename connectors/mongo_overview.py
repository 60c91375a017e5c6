"""MongoDB: the results counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from pymongo.collection import Collection

from connectors.mongo import Document, translated
from connectors.mongo_flagged import head_of

#: Seconds for one count: it can read the whole collection.
COUNT_SECONDS = 120
Field = Literal["test_date", "udise", "subject_name"]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many results of one date, school or subject there are."""

    value: str
    judged: int
    flagged: int

    @property
    def share(self) -> float:
        """The share that is flagged, 0 to 1."""
        return self.flagged / self.judged if self.judged else 0.0


class Overview:
    """The results in numbers; every method raises `Unavailable`."""

    def __init__(self, collection: Collection[Document]) -> None:
        self._collection = collection

    def tallies(self, field: Field, test_date: str | None = None) -> list[Tally]:
        """Return the judged and the flagged by a field, of one date or of all."""
        flagged = {"$cond": [{"$eq": ["$is_anomaly", True]}, 1, 0]}
        group = {
            "_id": f"${field}",
            "judged": {"$sum": 1},
            "flagged": {"$sum": flagged},
        }
        found = self._aggregate(
            {"$match": _of(test_date, {"$in": [True, False]})}, {"$group": group}
        )
        rows = [
            Tally(_text(x["_id"]), int(x["judged"]), int(x["flagged"])) for x in found
        ]
        return sorted(rows, key=lambda row: row.value)

    def reasons(self, test_date: str | None = None) -> dict[str, int]:
        """Return how many results each reason has, without its measurement."""
        found = self._aggregate(
            {"$match": _of(test_date, True)},
            {"$unwind": "$reasons"},
            {"$group": {"_id": "$reasons", "count": {"$sum": 1}}},
        )
        counts: Counter[str] = Counter()
        for row in found:
            counts[head_of(_text(row["_id"]))] += int(row["count"])
        return dict(counts.most_common())

    def _aggregate(self, *stages: dict[str, Any]) -> list[Document]:
        with translated(COUNT_SECONDS):
            return list(self._collection.aggregate(list(stages)))


def _of(test_date: str | None, flagged: Any) -> dict[str, Any]:
    query: dict[str, Any] = {"is_anomaly": flagged}
    return query if test_date is None else {**query, "test_date": test_date}


def _text(value: object) -> str:
    return "" if value is None else str(value)
