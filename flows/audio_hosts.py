"""Where recordings come from, as systems that can be down, each by itself.

When one host of several is down, its recordings fail and come back later. When no host
answers that was asked lately, it is an outage: the worker stops receiving, and what it
holds waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog

from connectors.download_errors import HostDown
from flows.circuit import Circuit

log = structlog.get_logger("earshot")

#: Recordings in a row that a host must fail to give before it counts as down.
FAILURES = 5
#: Seconds for which a host that has answered counts as one that may answer again.
LATELY_SECONDS = 300.0
#: Seconds between two receives while no host answers, doubled up to the second: a
#: batch to try other hosts with.
PROBE_SECONDS, PROBE_MAX_SECONDS = 2.0, 30.0
#: Hosts that are remembered.
_HOSTS_AT_MOST = 1000


def host_of(url: str) -> str:
    """Return what answers for a URL: a host with its port, or S3 as a whole."""
    parts = urlsplit(url)
    return "s3" if parts.scheme == "s3" else parts.netloc.rpartition("@")[2].lower()


@dataclass(slots=True)
class _Host:
    circuit: Circuit
    answered_at: float | None = None
    failed_at: float = 0.0
    down_since: float = 0.0


class AudioHosts:
    """The hosts that were asked, and which of them are down."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()
        self._probe_at, self._probe_wait = 0.0, PROBE_SECONDS

    @property
    def down(self) -> frozenset[str]:
        """The hosts that do not answer now."""
        return frozenset(n for n, host in self._known().items() if host.circuit.is_open)

    @property
    def outage(self) -> bool:
        """Whether a host was found down lately and no other one has answered since.

        What waits for a host asks it again and again. One that nobody asks for any
        more, such as one that a message misspelt, says nothing about now.
        """
        lately = self._clock() - LATELY_SECONDS
        hosts = self._known().values()
        asked = any(h.circuit.is_open and h.failed_at >= lately for h in hosts)
        return asked and not self._answering_since(lately)

    def forbid_receiving(self) -> bool:
        """Tell whether to receive nothing, since no host answers.

        Now and then one caller is told False and may receive a batch: what it brings
        may be of another host.
        """
        if not self.outage:
            return False
        with self._lock:
            now = self._clock()
            if now < self._probe_at:
                return True
            self._probe_wait = min(PROBE_MAX_SECONDS, 2 * self._probe_wait)
            self._probe_at = now + self._probe_wait
            return False

    def admits(self, name: str) -> bool:
        """Tell whether a host may be asked now; one that is down now and then, once."""
        return self._host(name).circuit.admits()

    def is_due(self, name: str) -> bool:
        """Tell whether `admits` would say yes now."""
        return self._host(name).circuit.is_due

    def is_down(self, name: str) -> bool:
        """Tell whether a host counts as down."""
        return self._host(name).circuit.is_open

    def is_down_alone(self, name: str) -> bool:
        """Tell whether others have answered since a host went down.

        Where it has never answered it is enough that others did lately.
        """
        host = self._host(name)
        since = host.down_since
        if host.answered_at is None:
            since = self._clock() - LATELY_SECONDS
        return host.circuit.is_open and self._answering_since(since)

    def has_answered(self, name: str) -> bool:
        """Tell whether a host has ever answered: whether it exists."""
        return self._host(name).answered_at is not None

    def answered(self, name: str) -> None:
        """Note that a host answered, whatever it said."""
        host = self._host(name)
        host.answered_at = self._clock()
        if host.circuit.succeeded():
            log.warning("audio_host_up", host=name)

    def failed(self, name: str, error: HostDown) -> None:
        """Note that a host gave no answer."""
        host = self._host(name)
        host.failed_at = self._clock()
        if host.circuit.failed(error):
            host.down_since = self._clock()
            with self._lock:
                self._probe_wait = PROBE_SECONDS
                self._probe_at = host.down_since + PROBE_SECONDS
            log.error("audio_host_down", host=name, error=str(error))

    def _known(self) -> dict[str, _Host]:
        with self._lock:
            return dict(self._hosts)

    def _answering_since(self, moment: float) -> bool:
        return any(
            host.answered_at is not None and host.answered_at > moment
            for host in self._known().values()
            if not host.circuit.is_open
        )

    def _host(self, name: str) -> _Host:
        with self._lock:
            host = self._hosts.pop(name, None)
            if host is None:
                host = _Host(Circuit(name, failures=FAILURES, clock=self._clock))
            self._hosts[name] = host  # the one that was asked last stands last
            while len(self._hosts) > _HOSTS_AT_MOST:
                del self._hosts[self._forgettable()]
            return host

    def _forgettable(self) -> str:
        """Return a host to forget: one that answers, else the one asked longest ago.

        Messages may name any number of them.
        """
        idle = (n for n, host in self._hosts.items() if not host.circuit.is_open)
        first = next(idle, None)
        last = next(reversed(self._hosts))
        return next(iter(self._hosts)) if first in (None, last) else str(first)
