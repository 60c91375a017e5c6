"""Writes that MongoDB will never take, told from those that have to wait.

Nothing here makes a call: `connectors.mongo.Results` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Any

from bson.errors import BSONError
from pymongo.errors import BulkWriteError

from connectors.errors import Unavailable

Document = dict[str, Any]

#: What the driver raises for a document that it cannot send, before it sends any.
_UNSENDABLE = (BSONError, OverflowError, UnicodeEncodeError, RecursionError)
#: Codes of write errors that are the document's own: bad value, type mismatch, names
#: that are not stored, validation failed, too large, duplicate key, index key too
#: long. Source: MongoDB's ``error_codes.yml``.
_DOCUMENTS_OWN = frozenset({2, 14, 52, 55, 57, 121, 10_334, 11_000, 17_280, 17_419})


def each_that_can(
    documents: Sequence[Document],
    write: Callable[[Sequence[Document]], dict[str, str]],
) -> dict[str, str]:
    """Write documents together, and one by one where one of them cannot be sent.

    Returns
    -------
    dict
        Id to reason of the documents that were refused.
    """
    if not documents:
        return {}
    try:
        return write(documents)
    except _UNSENDABLE as error:
        if len(documents) == 1:
            return {documents[0]["_id"]: f"{type(error).__name__}: {error}"}
    refused: dict[str, str] = {}
    for document in documents:
        refused |= each_that_can([document], write)
    return refused


def refused(
    error: BulkWriteError,
    documents: Sequence[Document],
    without: Set[int] = frozenset(),
) -> dict[str, str]:
    """Return id to reason of the documents that will never be taken.

    Parameters
    ----------
    without
        Indexes that are dealt with otherwise.

    Raises
    ------
    Unavailable
        When any other write went wrong, or a majority has not confirmed.
    """
    details = error.details or {}
    for one in details.get("writeConcernErrors", []):
        raise Unavailable("mongo", _reason(one)) from None
    errors = [e for e in details.get("writeErrors", []) if e["index"] not in without]
    for one in errors:
        if one.get("code") not in _DOCUMENTS_OWN:
            raise Unavailable("mongo", _reason(one)) from None
    return {documents[one["index"]]["_id"]: _reason(one) for one in errors}


def _reason(error: dict[str, Any]) -> str:
    return f"{error.get('errmsg', 'no reason given')} (code {error.get('code')})"
