"""What ends deliveries with SQS, as far as the worker's last step knows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Acknowledgement(Protocol):
    """Ends deliveries with SQS."""

    def begin(self, message_id: str) -> bool:
        """Say that work on a delivery begins; False when it is not held any more."""
        ...

    def delete(self, message_ids: Sequence[str]) -> None:
        """Delete deliveries."""
        ...

    def return_(self, message_ids: Sequence[str], delay: float = 0) -> None:
        """Make deliveries visible again after `delay` seconds."""
        ...

    def fail(self, error: Exception) -> None:
        """End the flow with an exception."""
        ...
