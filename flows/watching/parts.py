"""The parts of a worker that metrics and health are read from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connectors.sqs import Consumer
from flows.audio_hosts import AudioHosts
from flows.budget import ByteBudget
from flows.dependencies import Dependencies
from flows.downloads import Downloads
from flows.drift import DriftWatch
from flows.inference import Extraction
from flows.settings import Settings
from flows.settle import Settle
from flows.telemetry import Tally
from flows.watching.progress import Tracked
from flows.watching.watch import Watch
from model.detector import Model


@dataclass(frozen=True, slots=True)
class Parts:
    """One worker, to look at.

    Attributes
    ----------
    steps
        What triage, download and measure hold and have finished.
    checks
        By its name, what raises when a system cannot be reached.
    """

    settings: Settings
    consumer: Consumer
    settle: Settle
    downloads: Downloads
    extraction: Extraction
    budget: ByteBudget
    dependencies: Dependencies
    hosts: AudioHosts
    tally: Tally
    model: Model
    drift: DriftWatch
    watch: Watch
    steps: tuple[Tracked, Tracked, Tracked]
    checks: Mapping[str, Callable[[], object]]

    def breakers(self) -> dict[str, bool]:
        """Return the systems that the worker waits for, and whether each is down."""
        known = dict.fromkeys({*self.checks} - {"queue"}, False)
        return {
            "sqs": self.consumer.poller.in_outage,
            "audio_hosts": self.hosts.outage,
            **known,
            **self.dependencies.states,
        }
