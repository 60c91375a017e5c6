"""What a scan remembers to have sent, so that reading it again sends it once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import structlog

from flows.discovery.watermark import text_of, time_of

log = structlog.get_logger("earshot")

#: Bytes of a fingerprint: of a million records against a million remembered, one in
#: 18 million runs would take one for another.
FINGERPRINT_BYTES = 8
#: The most that is remembered, in bytes of the state document, of which MongoDB takes
#: 16 MiB: half a million records. What was sent before is sent again where it is read
#: again; the worker takes both for one record.
MAX_BYTES = 4 << 20
#: Bytes from which on a leaf takes no more. It is written whole each time that it has
#: grown, and many small ones make the document slow to write.
LEAF_BYTES = 16 << 10
#: Bytes of BSON that a leaf takes besides its fingerprints (77 measured): its name,
#: the names of its fields, and its time.
ENTRY_BYTES = 80
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def fingerprint(identity: str, at: datetime | None) -> bytes:
    """Return what stands for a record as it was at some time."""
    text = f"{identity} {at and (at - _EPOCH) // _MICROSECOND}"
    return hashlib.sha256(text.encode()).digest()[:FINGERPRINT_BYTES]


@dataclass(slots=True)
class _Leaf:
    """What a part has sent, and until which time it is read again."""

    part: object
    until: datetime
    sent: bytes

    @property
    def size(self) -> int:
        """Bytes that it takes in the state document."""
        return len(self.sent) + ENTRY_BYTES

    @property
    def is_full(self) -> bool:
        """Whether it takes no more."""
        return len(self.sent) >= LEAF_BYTES

    def plain(self) -> dict[str, Any]:
        """Return it as the state document keeps it."""
        return {"until": text_of(self.until), "fingerprints": self.sent}


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
        self,
        remembered: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        heeded: bool = True,
    ) -> None:
        self._leaves = {
            name: _Leaf(None, until, bytes(leaf["fingerprints"]))
            for name, leaf in (remembered or {}).items()
            if (until := time_of(leaf["until"])) is not None
        }
        # No other run's, though one that has lost its lease may write once more.
        run = secrets.token_hex(4)
        self._names = (f"{run}-{number}" for number in count())
        #: The name of the leaf that each part adds to.
        self._growing: dict[object, str] = {}
        #: The names of the leaves that are not in the document as they are here.
        self._unsaved: set[str] = set()
        self._warned = False
        self._earlier = frozenset(
            print_
            for leaf in self._leaves.values()
            if heeded
            for print_ in _cut(leaf.sent)
        )
        self._join_small()

    def __contains__(self, print_: bytes) -> bool:
        """Tell whether an earlier run sent it."""
        return print_ in self._earlier

    def add(self, part: object, sent: Mapping[bytes, datetime]) -> None:
        """Remember what a part has sent."""
        if sent:
            self._put(part, max(sent.values()), b"".join(sent))

    def forget(self, floors: Mapping[Any, datetime | None]) -> None:
        """Forget what lies before its part's floor, and the oldest beyond the limit."""
        for name, leaf in list(self._leaves.items()):
            floor = floors.get(leaf.part)
            if floor is not None and leaf.until < floor:
                self._drop(name)
        if self._size() > MAX_BYTES:
            self._forget_oldest()

    def kept(self) -> dict[str, dict[str, Any]]:
        """Return what is remembered as the state document keeps it."""
        return {name: leaf.plain() for name, leaf in self._leaves.items()}

    def changes(self) -> dict[str, dict[str, Any] | None]:
        """Return what the state document has otherwise; None where it is forgotten."""
        kept = self.kept()
        return {name: kept.get(name) for name in sorted(self._unsaved)}

    def saved(self) -> None:
        """Note that the state document has the `changes`."""
        self._unsaved.clear()

    def _put(self, part: object, until: datetime, sent: bytes) -> None:
        leaf = self._leaves.get(self._growing.get(part, ""))
        if leaf is None or leaf.is_full:
            self._growing[part] = next(self._names)
            leaf = _Leaf(part, until, b"")
        leaf.until, leaf.sent = max(leaf.until, until), leaf.sent + sent
        name = self._growing[part]
        self._leaves.pop(name, None)
        self._leaves[name] = leaf  # behind all others: the last to be forgotten
        self._unsaved.add(name)

    def _join_small(self) -> None:
        """Join what earlier runs left; many runs that sent little leave many leaves."""
        small = [name for name, leaf in self._leaves.items() if not leaf.is_full]
        if len(small) > 1:
            for name in small:
                leaf = self._leaves[name]
                self._drop(name)
                self._put(leaf.part, leaf.until, leaf.sent)

    def _size(self) -> int:
        return sum(leaf.size for leaf in self._leaves.values())

    def _drop(self, name: str) -> None:
        del self._leaves[name]
        self._unsaved.add(name)

    def _forget_oldest(self) -> None:
        """Forget what there is no room for, and say so once.

        The oldest is what was written down first, whatever its time: a run must not
        forget what it has just sent.
        """
        size = self._size()
        for name, leaf in list(self._leaves.items()):
            if size <= MAX_BYTES:
                break
            size -= leaf.size
            self._drop(name)
        if not self._warned:
            self._warned = True
            kept = sum(len(leaf.sent) for leaf in self._leaves.values())
            log.warning("sent_forgotten", remembered=kept // FINGERPRINT_BYTES)


def _cut(joined: bytes) -> Iterable[bytes]:
    width = FINGERPRINT_BYTES
    return (joined[i : i + width] for i in range(0, len(joined), width))
