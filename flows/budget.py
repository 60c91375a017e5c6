"""A hold on the bytes of recordings that are in memory at once."""

from __future__ import annotations

import threading


class ByteBudget:
    """Bytes that recordings may take together.

    Each holder reserves all it needs in one step and needs no more to give it back:
    nobody who waits has what another waits for, so there is no deadlock. A recording
    larger than the whole budget goes when it is alone.

    Parameters
    ----------
    most
        Bytes.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: dict[str, int] = {}
        self._changed = threading.Condition()
        # One waits at a time: small recordings cannot keep a large one waiting.
        self._turn = threading.Lock()

    @property
    def used(self) -> int:
        """The bytes that are reserved now."""
        with self._changed:
            return sum(self._held.values())

    def reserve(self, holder: str, size: int) -> None:
        """Reserve bytes in the place of what `holder` had; wait until there is room."""
        size = min(size, self.most)
        self.release(holder)
        with self._turn, self._changed:
            self._changed.wait_for(lambda: sum(self._held.values()) + size <= self.most)
            self._held[holder] = size

    def shrink(self, holder: str, size: int) -> None:
        """Give back what `holder` has beyond `size` bytes."""
        with self._changed:
            self._held[holder] = min(self._held.get(holder, size), size)
            self._changed.notify_all()

    def release(self, holder: str) -> None:
        """Give back all that `holder` has; nothing is no error."""
        with self._changed:
            self._held.pop(holder, None)
            self._changed.notify_all()
