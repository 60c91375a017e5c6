"""One delivery that is held, and where it is in its life."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Phase(Enum):
    """Where a lease is in its life."""

    HELD = auto()  # received, no work begun on it
    BEGUN = auto()  # being worked on
    DELETING = auto()  # outcome on disk, waiting for SQS to confirm the delete
    RETURNING = auto()  # to become visible again, no longer extended


@dataclass(slots=True)
class Lease:
    """One delivery that is held.

    Attributes
    ----------
    receipt_handle
        The newest one: each receive of the same message makes another.
    received_at, extend_at
        Seconds of the leases' clock.
    lost
        SQS has said that the handle no longer holds the message.
    """

    message_id: str
    receipt_handle: str
    received_at: float
    extend_at: float
    phase: Phase = Phase.HELD
    lost: bool = False

    @property
    def is_extendable(self) -> bool:
        """Whether it is to be kept: neither lost nor on its way back."""
        return not self.lost and self.phase is not Phase.RETURNING
