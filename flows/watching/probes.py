"""Whether a worker makes progress, and whether it can."""

from __future__ import annotations

import time
from collections.abc import Callable

from connectors.errors import Misconfigured, Unavailable
from connectors.sqs import Consumer, QueueGone
from connectors.sqs.lease import Phase
from flows import children
from flows.settings import Settings
from flows.watching.health import Report
from flows.watching.parts import Parts
from flows.watching.progress import Progress, Stage

#: Seconds within which a flow looks for deliveries, which takes it a moment.
TAKE_SECONDS = 60.0
#: Seconds within which a batch is looked up, and a round of ends written.
BATCH_SECONDS = 60.0
#: Seconds within which SQS is asked for the ends and extensions that are due: an
#: answer, and the longest wait between two tries.
SQS_SECONDS = 30.0


class Probes:
    """A worker's answers to ``/live`` and ``/ready``.

    An outage does not make a worker dead: while it waits for SQS or for what it
    depends on, it is live and not ready.
    """

    def __init__(self, parts: Parts, progress: Progress) -> None:
        self._parts, self._progress = parts, progress

    def live(self) -> Report:
        """Return what makes no progress."""
        consumer = self._parts.consumer
        # The pollers of one that drains have ended, as they should.
        polled = time.monotonic() if consumer.stopping else consumer.poller.turned_at
        faults = self._progress.faults()
        if not self._parts.settle.alive:
            faults["settle"] = "its thread has ended"
        return {
            "polling": _late("no receive ended", polled, consumer.poller.patience),
            "flow": _late("nothing taken", consumer.taken_at, TAKE_SECONDS),
            **faults,
        }

    def ready(self) -> Report:
        """Return what cannot be reached now, asking each."""
        down = sorted(name for name, open_ in self._parts.breakers().items() if open_)
        return {
            **{name: _fault(check) for name, check in self._parts.checks.items()},
            "model": None if self._parts.model.version else "none is loaded",
            "breakers": f"open: {', '.join(down)}" if down else None,
        }


def stages_of(parts: Parts) -> list[Stage]:
    """Return the stages of a worker, and how long each may take."""
    settings, down = parts.settings, parts.dependencies
    triaging, downloading, measuring = parts.steps

    def unless_down(held: Callable[[], int]) -> Callable[[], int]:
        # What waits for a system that is down is no sign of death.
        return lambda: 0 if down.down else held()

    return [
        Stage(
            "triage",
            BATCH_SECONDS,
            unless_down(lambda: triaging.held),
            lambda: triaging.finished,
        ),
        Stage(
            "download",
            settings.s3_timeout_seconds + inference_seconds(settings),
            lambda: downloading.held - parts.downloads.parked,
            lambda: downloading.finished,
        ),
        Stage(
            "inference",
            inference_seconds(settings),
            lambda: measuring.held,
            lambda: measuring.finished,
        ),
        Stage(
            "settle",
            BATCH_SECONDS,
            unless_down(lambda: parts.settle.rounds.held),
            lambda: parts.settle.rounds.finished,
        ),
        Stage(
            "sqs",
            SQS_SECONDS,
            lambda: _due(parts.consumer),
            lambda: _asked(parts.consumer),
        ),
    ]


def inference_seconds(settings: Settings) -> float:
    """Return the seconds after which children that finish nothing are beyond help.

    A pool in which nothing moves is replaced after half of them.
    """
    return 2 * (settings.inference_timeout_seconds + children.GRACE_SECONDS)


def _due(consumer: Consumer) -> int:
    """Return how many ends and extensions SQS is to be asked for now."""
    ending = consumer.leases.ids(Phase.DELETING, Phase.RETURNING)
    late = len(consumer.leases) and not consumer.leases.next_due()
    return len(ending) or int(bool(late))


def _asked(consumer: Consumer) -> int:
    """Return how often SQS was asked to extend, delete or return."""
    stats = consumer.stats
    return stats["requests.delete"] + stats["requests.change_visibility"]


def _late(what: str, at: float, most: float) -> str | None:
    seconds = time.monotonic() - at
    return f"{what} for {seconds:.0f} s" if seconds > most else None


def _fault(check: Callable[[], object]) -> str | None:
    try:
        check()
    except (Unavailable, Misconfigured, QueueGone) as error:
        return str(error)
    return None
