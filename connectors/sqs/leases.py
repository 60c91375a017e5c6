"""What a consumer holds: permits taken before a receive, leases of the deliveries.

A lease lives from the receipt of a message until SQS has confirmed its end. Nothing
here makes a call: `connectors.sqs.settlement` does, and reports what came of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from connectors.sqs.batches import MAX_VISIBILITY_SECONDS
from connectors.sqs.lease import Lease, Phase

#: A lease is extended when this share of it has passed, and one whose extension has
#: failed is tried again after this share, 1 s at most. With `ANSWER_WITHIN` of
#: `connectors.sqs.consumer` half of a lease is left for SQS to be out of reach in.
EXTEND_AFTER, TRY_AGAIN_AFTER = 1 / 3, 1 / 24
#: How long a message can be held: SQS counts its 12 h from before the answer came.
MAX_HOLD_SECONDS = MAX_VISIBILITY_SECONDS - 60


class Leases:
    """The permits and leases of one consumer; every method is thread-safe.

    Parameters
    ----------
    permits
        How many deliveries may be held at once.
    visibility_timeout
        Seconds for which each receipt and each extension hides a message.
    clock
        Seconds that never go back.
    """

    def __init__(
        self,
        *,
        permits: int,
        visibility_timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.permits = permits
        self.visibility_timeout = visibility_timeout
        self._clock = clock
        self._free = permits
        self._leases: dict[str, Lease] = {}
        # No lease wants extending before: spares a look at each of them every time.
        self._none_due_before = float("inf")
        #: How many must be free for each of those who wait, and what wakes them.
        self._wanted: list[int] = []
        self._enough: dict[int, threading.Condition] = {}
        self._changed = threading.RLock()

    def take_permits(self, most: int, patience: float, *, beyond: int = 0) -> int:
        """Take up to `most` permits; wait `patience` seconds for all, then for none.

        Parameters
        ----------
        beyond
            Permits that are to be left; who leaves some to others takes `most` or none.

        Returns
        -------
        int
            The permits taken, 0 when none is free.
        """
        most = min(most, self.permits)
        with self._changed:
            if self._wait_for(most + beyond, patience) or not beyond:
                taken = min(most, self._free)
            else:
                taken = 0
            self._free -= taken
            self._wake()
            return taken

    def give_permits(self, count: int) -> None:
        """Give back permits that a receive did not use."""
        with self._changed:
            self._give(count)

    def register(self, message_id: str, receipt_handle: str) -> bool:
        """Put a received message under one of the caller's permits.

        Returns
        -------
        bool
            Whether it is a new delivery. A copy of a message that is held already
            only brings a newer handle and gives its permit back.
        """
        now = self._clock()
        with self._changed:
            held = self._leases.get(message_id)
            if held is not None:
                self._give(1)
                if held.phase is not Phase.RETURNING:
                    held.receipt_handle, held.lost = receipt_handle, False
                    held.received_at, held.extend_at = now, self._next(now)
                    self._watch(held)
                    return False
            lease = Lease(message_id, receipt_handle, now, self._next(now))
            self._leases[message_id] = lease
            self._watch(lease)
            return True

    def begin(self, message_id: str, *, again: bool = False) -> bool:
        """Say that work on a delivery begins; False when it is no longer held.

        Work that has begun does not begin a second time, unless `again`.
        """
        from_ = (Phase.HELD, Phase.BEGUN) if again else (Phase.HELD,)
        with self._changed:
            lease = self._leases.get(message_id)
            if lease is None or lease.lost or lease.phase not in from_:
                return False
            lease.phase = Phase.BEGUN
            return True

    def withdraw(self) -> list[str]:
        """Return the ids of what no work has begun on; from now on none can."""
        with self._changed:
            unbegun = [x for x in self._leases.values() if x.phase is Phase.HELD]
            for lease in unbegun:
                lease.phase = Phase.RETURNING
            return [lease.message_id for lease in unbegun]

    def enter(self, message_id: str, phase: Phase) -> bool:
        """Move a lease to `phase`; False when there is none."""
        with self._changed:
            lease = self._leases.get(message_id)
            if lease is None:
                return False
            lease.phase = phase
            self._watch(lease)
            return True

    def get(self, message_id: str) -> Lease | None:
        """Return the lease of a message, None when it is not held."""
        return self._leases.get(message_id)

    def due(self, most: int) -> list[Lease]:
        """Return up to `most` leases that want extending now, longest due first."""
        now = self._clock()
        if now < self._none_due_before:
            return []
        with self._changed:
            alive = [one for one in self._leases.values() if one.is_extendable]
            due = sorted(alive, key=lambda lease: lease.extend_at)[:most]
            first = due[0].extend_at if due else float("inf")
            self._none_due_before = first
            return [lease for lease in due if lease.extend_at <= now]

    def next_due(self) -> float:
        """Return the seconds until a lease may want extending, infinity for never."""
        return max(0.0, self._none_due_before - self._clock())

    def extension(self, lease: Lease) -> int:
        """Return for how many seconds a lease can be extended, 0 at SQS's 12 h."""
        left = MAX_HOLD_SECONDS - (self._clock() - lease.received_at)
        return max(0, int(min(self.visibility_timeout, left)))

    def extended(self, message_id: str) -> None:
        """Note that SQS has extended a lease."""
        self._postpone(message_id, self.visibility_timeout * EXTEND_AFTER)

    def not_extended(self, message_id: str) -> None:
        """Note that an extension failed for now: it is due again soon."""
        self._postpone(message_id, min(1.0, self.visibility_timeout * TRY_AGAIN_AFTER))

    def lose(self, message_id: str, receipt_handle: str) -> bool:
        """Note that SQS called a handle invalid; False when a newer one is known."""
        with self._changed:
            lease = self._leases.get(message_id)
            if lease is None or lease.lost or lease.receipt_handle != receipt_handle:
                return False
            lease.lost = True
            return True

    def end(self, message_id: str, receipt_handle: str) -> bool:
        """End a lease and free its permit.

        Returns
        -------
        bool
            False when the message came again under a newer handle since
            `receipt_handle` was used: what was done with the old one may have done
            nothing.
        """
        with self._changed:
            lease = self._leases.get(message_id)
            if lease is None:
                return True
            if lease.receipt_handle != receipt_handle:
                return False
            del self._leases[message_id]
            self._give(1)
            return True

    def ids(self, *phases: Phase) -> list[str]:
        """Return the ids of the messages held in any of `phases`, all when none."""
        with self._changed:
            return [
                lease.message_id
                for lease in self._leases.values()
                if not phases or lease.phase in phases
            ]

    def __len__(self) -> int:
        return len(self._leases)

    def _give(self, count: int) -> None:
        self._free += count
        self._wake()

    def _wait_for(self, wanted: int, patience: float) -> bool:
        """Wait until so many are free; tell whether they are."""
        enough = self._enough.setdefault(wanted, threading.Condition(self._changed))
        self._wanted.append(wanted)
        try:
            return enough.wait_for(lambda: self._free >= wanted, patience)
        finally:
            self._wanted.remove(wanted)

    def _wake(self) -> None:
        """Wake one of those who want the fewest, once there are so many.

        Whoever is woken takes, and wakes the next. To wake all of them for each permit
        costs more than the rest of a message.
        """
        if self._wanted and self._free >= (fewest := min(self._wanted)):
            self._enough[fewest].notify()

    def _next(self, now: float) -> float:
        return now + self.visibility_timeout * EXTEND_AFTER

    def _watch(self, lease: Lease) -> None:
        self._none_due_before = min(self._none_due_before, lease.extend_at)

    def _postpone(self, message_id: str, seconds: float) -> None:
        with self._changed:
            lease = self._leases.get(message_id)
            if lease is not None:
                lease.extend_at = self._clock() + seconds
