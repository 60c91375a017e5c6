"""What a scan remembers to have sent, so that reading it again sends it once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

import structlog

from flows.discovery.watermark import text_of, time_of

log = structlog.get_logger("earshot")

#: Bytes of a fingerprint: of a million records against a million remembered, one in
#: 18 million runs would take one for another.
FINGERPRINT_BYTES = 8
#: The most that is remembered, in bytes of the state document. It can hold twice as
#: many, see `Memory.added`, and MongoDB takes 16 MiB. That is half a million records in
#: pages of 500, and 58,000 where pages are so small that each is written down alone.
#: What was sent before is sent again where it is read again; the worker takes both for
#: one record.
MAX_BYTES = 4 << 20
#: Bytes of BSON that an entry takes besides its fingerprints (62 measured): its number
#: in the list, the names of its fields, and its time.
ENTRY_BYTES = 64
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

    @property
    def size(self) -> int:
        """Bytes that it takes in the state document."""
        return len(self.sent) + ENTRY_BYTES


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
        # Not known before the first save, which writes all of it.
        self._in_document: float = inf
        self._size = sum(leaf.size for leaf in self._leaves)
        self._warned = False
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
            self._size += leaf.size
            self._unsaved.append(leaf)

    def forget(self, floors: Mapping[Any, datetime | None]) -> None:
        """Forget what lies before its part's floor, and the oldest beyond the limit."""
        self._leaves = [
            leaf
            for leaf in self._leaves
            if (floor := floors.get(leaf.part)) is None or leaf.until >= floor
        ]
        self._size = sum(leaf.size for leaf in self._leaves)
        if self._size > MAX_BYTES:
            self._forget_oldest()

    def kept(self) -> list[dict[str, Any]]:
        """Return what is remembered as the state document keeps it."""
        return _plain(self._leaves)

    def added(self) -> list[dict[str, Any]] | None:
        """Return what the state document lacks, None where it is to be written anew.

        To write all of it each time would cost more the more is remembered. So what
        is forgotten stays in the document until it is half of it.
        """
        return None if self._is_to_be_written_anew else _plain(self._unsaved)

    def saved(self) -> None:
        """Note that the state document has what `added` said, or `kept`."""
        if self._is_to_be_written_anew:
            self._in_document = self._size
        else:
            self._in_document += sum(leaf.size for leaf in self._unsaved)
        self._unsaved = []

    @property
    def _is_to_be_written_anew(self) -> bool:
        return self._in_document > 2 * self._size

    def _forget_oldest(self) -> None:
        """Forget what there is no room for, and say so once."""
        count = 0
        while self._size > MAX_BYTES:
            self._size -= self._leaves[count].size
            count += 1
        del self._leaves[:count]
        if not self._warned:
            self._warned = True
            kept = sum(len(leaf.sent) for leaf in self._leaves) // FINGERPRINT_BYTES
            log.warning("sent_forgotten", remembered=kept)


def _plain(leaves: Iterable[_Leaf]) -> list[dict[str, Any]]:
    return [{"until": text_of(leaf.until), "sent": leaf.sent} for leaf in leaves]


def _cut(joined: bytes) -> Iterable[bytes]:
    width = FINGERPRINT_BYTES
    return (joined[i : i + width] for i in range(0, len(joined), width))
