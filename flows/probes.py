"""Whether a worker makes progress, and whether it can."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from connectors.errors import Misconfigured, Unavailable
from connectors.sqs import Consumer, QueueGone
from flows.health import Parts
from flows.settle import Settle

#: Seconds within which a poller finishes a receive, also one that fails: the longest
#: backoff and the longest answer together.
POLL_SECONDS = 120.0
#: Seconds within which a flow looks for deliveries, which takes it a moment.
TAKE_SECONDS = 60.0


class Probes:
    """A worker's answers to ``/live`` and ``/ready``.

    An outage does not make a worker dead: while it waits for SQS or for what it
    depends on, it is live and not ready.

    Parameters
    ----------
    checks
        By its name, what raises when a system cannot be reached.
    """

    def __init__(
        self,
        consumer: Consumer,
        settle: Settle,
        *,
        checks: Mapping[str, Callable[[], object]],
    ) -> None:
        self._consumer, self._settle, self._checks = consumer, settle, checks

    def live(self) -> Parts:
        """Return what makes no progress."""
        return {
            "polling": _late("no receive ended", self._polled_at(), POLL_SECONDS),
            "flow": _late("nothing taken", self._consumer.taken_at, TAKE_SECONDS),
            "settling": None if self._settle.alive else "its thread has ended",
        }

    def ready(self) -> Parts:
        """Return what cannot be reached now, asking each."""
        return {name: _fault(check) for name, check in self._checks.items()}

    def _polled_at(self) -> float:
        # The pollers of one that drains have ended, as they should.
        stopping = self._consumer.stopping
        return time.monotonic() if stopping else self._consumer.poller.turned_at


def _late(what: str, at: float, most: float) -> str | None:
    seconds = time.monotonic() - at
    return f"{what} for {seconds:.0f} s" if seconds > most else None


def _fault(check: Callable[[], object]) -> str | None:
    try:
        check()
    except (Unavailable, Misconfigured, QueueGone) as error:
        return str(error)
    return None
