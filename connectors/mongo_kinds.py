"""What a document's time of change can be, and the queries that find each kind.

Nothing here makes a call: `connectors.mongo_pages` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128

#: What it is where it is neither a date nor a list, nor lies in one. Each is a query of
#: its own, which an index serves: none serves one for all of them.
_CONDITIONS: tuple[dict[str, Any], ...] = (
    {"$eq": None},
    # Up to MongoDB 7 null finds these, too.
    {"$type": "undefined", "$ne": None},
    *({"$type": kind} for kind in ("number", "string", "symbol", "object", "bool")),
    *({"$type": kind} for kind in ("binData", "objectId", "timestamp", "regex")),
    *({"$type": kind} for kind in ("javascript", "javascriptWithScope")),
    *({"$type": kind} for kind in ("dbPointer", "minKey", "maxKey")),
)
#: Types of ``_id`` in the order of BSON, in which a comparison stays within a type.
#: Those behind the last are not looked for: each would cost every page another query.
_KEY_TYPES: tuple[tuple[Any, str], ...] = (
    ((int, float, Decimal128), "number"),
    (str, "string"),
    (dict, "object"),
    ((bytes, UUID), "binData"),
    (object, "objectId"),
)
#: Kinds besides lists, which are named by their place.
DATED, EARLY, OTHER = " dated", " early", " other"
#: A kind, and the query that finds it.
_Kind = tuple[str, dict[str, Any]]


class Kinds:
    """The kinds of value at a path.

    A condition of Mongo's looks into lists, so that one with a date and a text in it
    meets those of both. So a list is a kind of its own, whatever it holds, and is known
    by its place: the path itself, or what lies above.

    Parameters
    ----------
    path
        Where the time of change lies in a document.
    """

    def __init__(self, path: str) -> None:
        self._names = names = path.split(".")
        places = [".".join(names[: end + 1]) for end in range(len(names))]
        #: Keeps lists out of a query for dates: one could not be paged past.
        self.no_list = {f"{place}.0": {"$exists": False} for place in places}
        self._others: tuple[_Kind, ...] = tuple(
            (OTHER, {path: condition}) for condition in _CONDITIONS
        )
        self._at_first: tuple[_Kind, ...] = (
            (EARLY, {path: {"$lt": datetime.min}}),
            *((place, {place: {"$type": "array"}}) for place in places),
        )

    def undated(self, *, whole: bool) -> Sequence[_Kind]:
        """Return kind and query of all that are read apart from the dates.

        Parameters
        ----------
        whole
            Whether from the beginning: what is before year 1 is before any time that
            a run goes on from, and no index finds a list: MongoDB would read all
            documents of the date to look for one.
        """
        return (*self._at_first, *self._others) if whole else self._others

    def of(self, document: Mapping[str, Any]) -> str:
        """Return a document's kind.

        ``DATED`` are dates from year 1 on, also those after 9999, and ``EARLY`` those
        before, which no comparison with a date of Python's has behind it.
        """
        value: Any = document
        place = ""
        for name in self._names:
            value = value.get(name) if isinstance(value, dict) else None
            place = f"{place}.{name}" if place else name
            if isinstance(value, list):
                return place
        if isinstance(value, DatetimeMS):
            return EARLY if int(value) < 0 else DATED
        return DATED if isinstance(value, datetime) else OTHER


def later(last: object) -> list[dict[str, Any]]:
    """Return the conditions, one of which each later ``_id`` meets."""
    if isinstance(last, bool):  # a number to Python, and behind an ObjectId to Mongo
        return [{"_id": {"$gt": last}}]
    place = next(i for i, (kind, _) in enumerate(_KEY_TYPES) if isinstance(last, kind))
    further = [{"_id": {"$type": name}} for _, name in _KEY_TYPES[place + 1 :]]
    return [{"_id": {"$gt": last}}, *further]
