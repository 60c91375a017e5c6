"""How MongoDB orders values, and which documents a query finds.

Source: MongoDB's manual, "Comparison/Sort Order" and "Query an Array": a comparison
stays within a type, a condition looks into arrays, and an array is sorted by its least
element.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import eq, ge, gt, le, lt
from typing import Any

from bson import Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef

Document = dict[str, Any]

_MISSING = object()
#: Type and alias, in the order of BSON; those of one number compare with each other.
_ORDER: tuple[tuple[int, type, str], ...] = (
    (-1, MinKey, "minKey"),
    (1, type(None), "null"),
    (8, bool, "bool"),
    (2, Int64, "long"),
    (2, int, "int"),
    (2, float, "double"),
    (2, Decimal128, "decimal"),
    (13, Code, "javascript"),
    (3, str, "string"),
    (4, DBRef, "object"),
    (4, dict, "object"),
    (5, list, "array"),
    (6, bytes, "binData"),
    (7, ObjectId, "objectId"),
    (9, DatetimeMS, "date"),
    (10, Timestamp, "timestamp"),
    (11, Regex, "regex"),
    (14, MaxKey, "maxKey"),
)
_COMPARISONS = {"$eq": eq, "$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}
_NUMBERS = {"int", "long", "double", "decimal"}


def matches(document: Document, query: Document) -> bool:
    """Tell whether a query finds a document."""
    for path, wanted in query.items():
        if path == "$or":
            if not any(matches(document, one) for one in wanted):
                return False
        elif not _meets(list(_values(document, path.split("."))), wanted):
            return False
    return True


def sort_key(path: str, document: Document) -> tuple[int, Any]:
    """Return what documents are sorted by."""
    found = list(_values(document, path.split(".")))
    if len(found) > 1:
        found = [value for value in found if not isinstance(value, list)]
    elif found == [[]]:
        return 0, None  # below null, as the manual has it
    keys = [order_key(None if value is _MISSING else value) for value in found]
    return min(keys)


def order_key(value: Any) -> tuple[int, Any]:
    """Return what values are compared by."""
    rank = next(number for number, kind, _ in _ORDER if isinstance(value, kind))
    if isinstance(value, DatetimeMS):
        return rank, int(value)
    if isinstance(value, Decimal128):
        return rank, value.to_decimal()
    if isinstance(value, dict | list | Code | Regex | DBRef | MinKey | MaxKey):
        return rank, repr(value)
    return rank, 0 if value is None else value


def _values(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """Yield all that lies at a path: an array, and each of its elements."""
    if not path:
        yield value
        if isinstance(value, list):
            yield from value
    elif isinstance(value, dict):
        if path[0] in value:
            yield from _values(value[path[0]], path[1:])
        else:
            yield _MISSING
    elif isinstance(value, list):
        if path[0].isdecimal():
            if int(path[0]) < len(value):
                yield from _values(value[int(path[0])], path[1:])
        for one in value:
            if isinstance(one, dict):
                yield from _values(one, path)
    else:
        yield _MISSING


def _meets(found: Sequence[Any], wanted: Any) -> bool:
    if not isinstance(wanted, dict) or not all(name[:1] == "$" for name in wanted):
        wanted = {"$eq": wanted}
    return all(_is(found, name, operand) for name, operand in wanted.items())


def _is(found: Sequence[Any], name: str, operand: Any) -> bool:
    real = [value for value in found if value is not _MISSING]
    if name == "$exists":
        return bool(real) is operand
    if name == "$type":
        return any(_is_type(value, operand) for value in real)
    if name == "$ne":
        return not _is(found, "$eq", operand)
    if name == "$in":
        return any(_is(found, "$eq", one) for one in operand)
    if name == "$eq" and operand is None:
        return len(real) < len(found) or not found or None in real
    return any(_compares(value, name, operand) for value in real)


def _compares(value: Any, name: str, operand: Any) -> bool:
    (rank, own), (other_rank, other) = order_key(value), order_key(operand)
    if rank != other_rank:
        return False
    return bool(_COMPARISONS[name](own, other))


def _is_type(value: Any, alias: str) -> bool:
    own = next(name for _, kind, name in _ORDER if isinstance(value, kind))
    if own == "javascript" and value.scope is not None:
        own = "javascriptWithScope"
    return own == alias or (alias == "number" and own in _NUMBERS)
