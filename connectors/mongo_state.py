"""MongoDB: how far discovery has come, and who runs it now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from connectors.mongo import Document, translated


class States:
    """The documents of the state collection; every method raises `Unavailable`.

    Times are texts of fixed width, so that they compare as they follow each other: a
    date would lose the microseconds.
    """

    def __init__(self, collection: Collection[Document]) -> None:
        self._collection = collection

    def load(self, key: str) -> Document:
        """Return a scan's document, empty where there is none yet."""
        with translated():
            return self._collection.find_one({"_id": key}) or {}

    def save(
        self,
        key: str,
        fields: Mapping[str, Any],
        *,
        watermark: str | None,
        paths: Mapping[str, Document | None],
    ) -> None:
        """Write fields of a scan's document; its watermark never moves back.

        Parameters
        ----------
        paths
            What lies within other fields, by dotted paths; None for what is to go.
        """
        there = {path: value for path, value in paths.items() if value is not None}
        update: dict[str, Any] = {"$set": {**fields, **there}}
        if gone := paths.keys() - there.keys():
            update["$unset"] = dict.fromkeys(gone, "")
        if watermark is not None:
            update["$max"] = {"watermark": watermark}
        with translated():
            self._collection.update_one({"_id": key}, update, upsert=True)

    def take_lease(
        self, key: str, lease: Mapping[str, Any], *, now: str
    ) -> Document | None:
        """Take a lease that nobody holds or that has expired.

        Returns
        -------
        dict or None
            The lease of who holds it, None when it is taken.
        """
        free = {"_id": key, "expires_at": {"$lt": now}}
        with translated():
            try:
                self._collection.update_one(free, {"$set": dict(lease)}, upsert=True)
            except DuplicateKeyError:
                return self.load(key)
        return None

    def seize_lease(self, key: str, lease: Mapping[str, Any]) -> Document | None:
        """Take a lease, whoever holds it; return that one's, None where nobody did."""
        with translated():
            return self._collection.find_one_and_update(
                {"_id": key}, {"$set": dict(lease)}, upsert=True
            )

    def extend_lease(self, key: str, run: str, *, expires_at: str) -> bool:
        """Extend a run's lease; return False when another run has it."""
        with translated():
            answer = self._collection.update_one(
                {"_id": key, "run": run}, {"$set": {"expires_at": expires_at}}
            )
        return answer.matched_count == 1

    def release_lease(self, key: str, run: str) -> None:
        """Give a run's lease back."""
        with translated():
            self._collection.delete_one({"_id": key, "run": run})
