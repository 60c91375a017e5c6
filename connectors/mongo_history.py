"""A result in place of an older one, which keeps what the older one said.

Nothing here makes a call: `connectors.mongo.Results` does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

#: What a document's ``history`` keeps of each result that another took the place of.
KEPT = (
    *("is_anomaly", "anomaly_score", "prediction_label", "reasons"),
    *("model_name", "model_version", "processed_at"),
)
#: What changes with each writing of a result: the guard against another's in between.
_GUARDS = ("model_version", "processed_at")
_DUPLICATE_KEY = 11_000
_OF_ID = re.compile(r"(?:index: |\.)_id(?:_|\s|$)")

Document = dict[str, Any]


def replacement(
    document: Document, existing: Mapping[str, Any] | None
) -> ReplaceOne[Document]:
    """Return the write of a result that takes the place of the one that was read.

    Its filter is that one, so it fails with a duplicate key where another was written
    since: compare and swap. (An update by pipeline would need no such try, but not
    every server that speaks the protocol has it.) A result by the same model is
    written over and not kept: that is a message that came twice.
    """
    if existing is None:
        absent = {"_id": document["_id"], "processed_at": {"$exists": False}}
        return ReplaceOne(absent, document, upsert=True)
    guard = {name: existing.get(name) for name in ("_id", *_GUARDS)}
    return ReplaceOne(guard, _with_history(document, existing), upsert=True)


def raced(error: BulkWriteError) -> set[int]:
    """Return the indexes of the writes that another was before."""
    errors = (error.details or {}).get("writeErrors", [])
    return {int(one["index"]) for one in errors if _is_another(one)}


def _is_another(error: Mapping[str, Any]) -> bool:
    """Tell whether the id is there already; a unique index says the same of others."""
    if error.get("code") != _DUPLICATE_KEY:
        return False
    if pattern := error.get("keyPattern"):
        return list(pattern) == ["_id"]
    return _OF_ID.search(error.get("errmsg", "")) is not None


def _with_history(document: Document, existing: Mapping[str, Any]) -> Document:
    history = existing.get("history")
    kept = list(history) if isinstance(history, list) else []
    if existing.get("model_version") != document["model_version"]:
        kept.append({name: existing[name] for name in KEPT if name in existing})
    return {**document, "history": kept} if kept else document
