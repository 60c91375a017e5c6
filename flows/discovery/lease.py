"""Who runs the discovery of a date: one at a time, and never longer than it lives."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

import structlog

from connectors.errors import Unavailable
from connectors.mongo import OPERATION_SECONDS
from connectors.mongo_state import States
from flows.discovery.ending import Ending
from flows.discovery.watermark import text_of, time_of
from model.errors import Expected
from model.times import utc_now

log = structlog.get_logger("earshot")

#: Seconds after which a lease that nobody extends expires. Clocks of the machines
#: that run discovery must agree to a fraction of it.
LEASE_SECONDS = 30.0
#: Seconds between two looks of its holder at whether it is still its own.
LOOK_SECONDS = 2.0
#: Seconds after which a holder has noticed that it was taken over: a look, and its
#: writing to Mongo.
NOTICE_SECONDS = LOOK_SECONDS + OPERATION_SECONDS
#: Seconds between two looks at whether that holder has died meanwhile.
_LOOK_AGAIN_SECONDS = 0.1


class LeaseHeld(Expected):
    """Another run has the lease; the text names it."""


class LeaseLost(Expected):
    """Another run has taken the lease over."""


class Lease:
    """A run's lease on a date of a source, extended by a thread until it is released.

    That of a process on this machine that has died is free at once; one from
    elsewhere when it has expired.

    Attributes
    ----------
    lost
        Whether another run has taken it over.
    """

    def __init__(self, states: States, key: str, ending: Ending) -> None:
        self._states, self._key, self._ending = states, key, ending
        self._run = uuid4().hex[:12]
        self._released = threading.Event()
        self.lost = False

    def take(self, *, force: bool) -> None:
        """Take the lease and keep it; by `force`, when its holder has noticed.

        Raises
        ------
        LeaseHeld
            When another run has it and `force` is False.
        """
        holder = None
        if force:
            holder = self._seize()
        else:
            self._take()
        threading.Thread(target=self._keep, name="lease", daemon=True).start()
        if holder is not None:
            self._let_notice(holder)

    def release(self) -> None:
        """Give the lease back; where that fails, it expires."""
        self._released.set()
        try:
            self._states.release_lease(self._key, self._run)
        except Unavailable as error:
            log.warning("lease_not_released", error=str(error))

    def _seize(self) -> Mapping[str, Any] | None:
        """Take the lease; return that of a run that may still be under way."""
        holder = self._states.seize_lease(self._key, self._document())
        if not holder or holder.get("expires_at", "") < text_of(utc_now()):
            return None
        return holder

    def _let_notice(self, holder: Mapping[str, Any]) -> None:
        """Wait until a run has noticed that it has no lease, or has died."""
        log.warning(
            "lease_taken_over", run=holder.get("run"), process=holder.get("process")
        )
        deadline = time.monotonic() + NOTICE_SECONDS
        while time.monotonic() < deadline and not _has_died(holder):
            if self._ending.stop.wait(_LOOK_AGAIN_SECONDS):
                return

    def _take(self) -> None:
        now = text_of(utc_now())
        holder = self._states.take_lease(self._key, self._document(), now=now)
        if holder is not None and _has_died(holder):
            self._states.release_lease(self._key, holder["run"])
            holder = self._states.take_lease(self._key, self._document(), now=now)
        # Ours, where the answer to the first try was lost.
        if holder is not None and holder.get("run") != self._run:
            raise LeaseHeld(_names(holder))

    def _keep(self) -> None:
        while not self._released.wait(LOOK_SECONDS):
            try:
                ours = self._states.extend_lease(
                    self._key, self._run, expires_at=_expiry()
                )
            except Unavailable as error:
                log.warning("lease_not_extended", error=str(error))
                continue
            if not ours and not self._released.is_set():
                self.lost = True
                self._ending.fail(LeaseLost("another run took this one's lease over"))
                return

    def _document(self) -> dict[str, Any]:
        return {
            "run": self._run,
            "host": _host(),
            "process": os.getpid(),
            "began_at": text_of(utc_now()),
            "expires_at": _expiry(),
        }


def _expiry() -> str:
    return text_of(utc_now() + timedelta(seconds=LEASE_SECONDS))


def _host() -> str:
    """Return what tells this machine, or this container, from all others."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _has_died(holder: Mapping[str, Any]) -> bool:
    if holder.get("host") != _host():
        return False
    try:
        os.kill(int(holder["process"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _names(holder: Mapping[str, Any]) -> str:
    expires = time_of(holder.get("expires_at"))
    left = max(0.0, (expires - utc_now()).total_seconds()) if expires else 0.0
    host = str(holder.get("host")).split(" ")[0]
    return (
        f"run {holder.get('run')} (process {holder.get('process')} on {host}, since "
        f"{holder.get('began_at')}) discovers this date of this source already; its "
        f"lease expires in {left:.0f} s unless it is alive; --force overrides it"
    )
