"""What a scan remembers to have sent, so that reading it again sends it once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flows.discovery.watermark import text_of, time_of

#: Bytes of a fingerprint: of a million records against a million remembered, one in
#: 18 million runs would take one for another.
FINGERPRINT_BYTES = 8
#: The most that is remembered, 0.8 MB of the document's 16 MB. What was sent before
#: is sent again where it is read again; the worker takes both for one record.
MAX_REMEMBERED = 100_000


def fingerprint(identity: str, version: object) -> bytes:
    """Return what stands for one version of a record."""
    text = f"{identity} {version}"
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
    """

    def __init__(self, remembered: Iterable[Mapping[str, Any]] = ()) -> None:
        self._leaves = [
            _Leaf(None, until, bytes(leaf["sent"]))
            for leaf in remembered
            if (until := time_of(leaf["until"])) is not None
        ]
        self._earlier = frozenset(
            print_ for leaf in self._leaves for print_ in _cut(leaf.sent)
        )

    def __contains__(self, print_: bytes) -> bool:
        """Tell whether an earlier run sent it."""
        return print_ in self._earlier

    def add(self, part: object, sent: Mapping[bytes, datetime]) -> None:
        """Remember what a part has sent."""
        if sent:
            self._leaves.append(_Leaf(part, max(sent.values()), b"".join(sent)))

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
        return [
            {"until": text_of(leaf.until), "sent": leaf.sent} for leaf in self._leaves
        ]


def _cut(joined: bytes) -> Iterable[bytes]:
    width = FINGERPRINT_BYTES
    return (joined[i : i + width] for i in range(0, len(joined), width))
