"""Whether a worker makes progress, and whether it can."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from connectors.errors import Misconfigured, Unavailable
from connectors.sqs import Consumer, QueueGone
from flows.dependencies import Dependencies
from flows.health import Parts
from flows.settle import Settle

#: A poll that has not completed within this many long polls is no progress.
POLLS_LATE = 3


class Probes:
    """A worker's answers to ``/live`` and ``/ready``.

    Parameters
    ----------
    checks
        By its name, what raises when a system cannot be reached.
    """

    def __init__(
        self,
        consumer: Consumer,
        settle: Settle,
        dependencies: Dependencies,
        *,
        checks: Mapping[str, Callable[[], object]],
    ) -> None:
        self._consumer, self._settle = consumer, settle
        self._dependencies, self._checks = dependencies, checks

    def live(self) -> Parts:
        """Return what makes no progress."""
        poller = self._consumer.poller
        late = time.monotonic() - poller.polled_at > POLLS_LATE * poller.long_poll
        return {
            "polling": "no poll completed" if late and self._should_poll() else None,
            "settling": None if self._settle.alive else "its thread has ended",
        }

    def ready(self) -> Parts:
        """Return what cannot be reached now, asking each."""
        return {name: _fault(check) for name, check in self._checks.items()}

    def _should_poll(self) -> bool:
        leases = self._consumer.leases
        return len(leases) < leases.permits and not self._dependencies.down


def _fault(check: Callable[[], object]) -> str | None:
    try:
        check()
    except (Unavailable, Misconfigured, QueueGone) as error:
        return str(error)
    return None
