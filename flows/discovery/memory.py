"""What a scan remembers to have sent, so that reading it again sends it once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.discovery.watermark import text_of, time_of

#: Bytes of a fingerprint: of a million records against a million remembered, one in
#: 18 million runs would take one for another.
FINGERPRINT_BYTES = 8
#: The most that is remembered, 0.8 MB of the document's 16 MB. What was sent before
#: is sent again where it is read again; the worker takes both for one record.
MAX_REMEMBERED = 100_000
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def fingerprint(identity: str, at: datetime | None) -> bytes:
    """Return what stands for a record as it was at some time."""
    text = f"{identity} {at and (at - _EPOCH) // _MICROSECOND}"
    return hashlib.sha256(text.encode()).digest()[:FINGERPRINT_BYTES]


@dataclass(frozen=True, slots=True)
class _Leaf:
    part: object
    until: datetime
    sent: bytes


class Memory:
    """The fingerprints of what was sent within the overlap, by the time they go by.

    Parameters
    ----------
    remembered
        What an earlier run left, as in `kept`.
    heeded
        Whether what it sent is not sent again; it is kept for later runs all the same.
    """

    def __init__(
        self, remembered: Iterable[Mapping[str, Any]] = (), *, heeded: bool = True
    ) -> None:
        self._leaves = [
            _Leaf(None, until, bytes(leaf["sent"]))
            for leaf in remembered
            if (until := time_of(leaf["until"])) is not None
        ]
        self._unsaved: list[_Leaf] = []
        self._in_document: int | None = None
        self._earlier = frozenset(
            print_ for leaf in self._leaves if heeded for print_ in _cut(leaf.sent)
        )

    def __contains__(self, print_: bytes) -> bool:
        """Tell whether an earlier run sent it."""
        return print_ in self._earlier

    def add(self, part: object, sent: Mapping[bytes, datetime]) -> None:
        """Remember what a part has sent."""
        if sent:
            leaf = _Leaf(part, max(sent.values()), b"".join(sent))
            self._leaves.append(leaf)
            self._unsaved.append(leaf)

    def forget(self, floors: Mapping[Any, datetime | None]) -> None:
        """Forget what lies before its part's floor, and the oldest beyond the limit."""
        self._leaves = [
            leaf
            for leaf in self._leaves
            if (floor := floors.get(leaf.part)) is None or leaf.until >= floor
        ]
        size = sum(len(leaf.sent) for leaf in self._leaves)
        while size > MAX_REMEMBERED * FINGERPRINT_BYTES:
            size -= len(self._leaves.pop(0).sent)

    def kept(self) -> list[dict[str, Any]]:
        """Return what is remembered as the state document keeps it."""
        return _plain(self._leaves)

    def added(self) -> list[dict[str, Any]] | None:
        """Return what the state document lacks, None where it is to be written anew.

        To write all of it each time would cost more the more is remembered. So what
        is forgotten stays in the document until it is half of it.
        """
        if self._in_document is None or self._in_document > 2 * len(self._leaves):
            return None
        return _plain(self._unsaved)

    def saved(self) -> None:
        """Note that the state document has what `added` said, or `kept`."""
        if self.added() is None:
            self._in_document = len(self._leaves)
        else:
            self._in_document = (self._in_document or 0) + len(self._unsaved)
        self._unsaved = []


def _plain(leaves: Iterable[_Leaf]) -> list[dict[str, Any]]:
    return [{"until": text_of(leaf.until), "sent": leaf.sent} for leaf in leaves]


def _cut(joined: bytes) -> Iterable[bytes]:
    width = FINGERPRINT_BYTES
    return (joined[i : i + width] for i in range(0, len(joined), width))
