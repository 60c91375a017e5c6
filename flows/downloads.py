"""Downloads, within a budget of bytes; a host that is down is left alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from connectors.download import Downloader
from connectors.download_errors import DownloadError, HostDown
from flows.audio_hosts import AudioHosts, host_of
from flows.budget import ByteBudget
from flows.failures import failed
from model.outcomes import Outcome
from model.records import WorkItem

#: Seconds between two looks at whether a host that is down can be tried again.
_LOOK_AGAIN_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Fetched:
    """A work item and the bytes of its recording."""

    item: WorkItem
    data: bytes


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A work item that is not held any more: nothing is done for it."""

    item: WorkItem


End = Fetched | Outcome | Withdrawn


@dataclass(slots=True)
class _Wanted:
    """A download that was asked for."""

    item: WorkItem
    answer: Future[End] = field(default_factory=Future)
    begun: bool = False
    tries: int = 0
    parked_at: float | None = None
    error: HostDown | None = None

    @property
    def host(self) -> str:
        return host_of(self.item.record.audio_s3_url)


class Downloads:
    """Fetches recordings; those of a host that is down wait for it, without a thread.

    Such a recording fails at once where other hosts answer, for then it is its own
    host's fault; and when it has waited for `patience` seconds. One at a time is tried.

    Parameters
    ----------
    begin
        Says that work on a delivery begins; False when it is not held any more.
    stopping
        While it returns True nothing waits: what would is withdrawn.
    """

    def __init__(
        self,
        downloader: Downloader,
        *,
        threads: int,
        begin: Callable[[str], bool],
        hosts: AudioHosts,
        budget: ByteBudget,
        patience: float,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._downloader, self._begin = downloader, begin
        self._hosts, self._budget = hosts, budget
        self._patience, self._stopping = patience, stopping
        self._executor = ThreadPoolExecutor(threads, "download")
        self._parked: list[_Wanted] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(
            target=self._watch, name="parked-downloads", daemon=True
        )
        self._thread.start()

    def submit(self, item: WorkItem) -> Future[End]:
        """Start on an item; the future's result is its recording or its end."""
        wanted = _Wanted(item)
        self._executor.submit(self._attempt, wanted)
        return wanted.answer

    def close(self) -> None:
        """End the threads; what waits is given up."""
        self._closing.set()
        self._thread.join()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _attempt(self, wanted: _Wanted) -> None:
        try:
            end = self._end(wanted)
        except BaseException as error:
            wanted.answer.set_exception(error)
            return
        if end is None:
            self._park(wanted)
        else:
            wanted.answer.set_result(end)

    def _end(self, wanted: _Wanted) -> End | None:
        """Return what became of a download, None when it has to wait for its host."""
        if not wanted.begun and not self._begin(wanted.item.message_id):
            return Withdrawn(wanted.item)
        wanted.begun = True
        if not self._hosts.admits(wanted.host):
            return None
        wanted.tries += 1
        try:
            data = self._fetch(wanted.item)
        except HostDown as error:
            self._hosts.failed(wanted.host, error)
            wanted.error = error
            down = self._hosts.is_down(wanted.host)
            return None if down else failed(wanted.item, error)
        except DownloadError as error:
            self._hosts.answered(wanted.host)
            return failed(wanted.item, error)
        self._hosts.answered(wanted.host)
        return Fetched(wanted.item, data)

    def _fetch(self, item: WorkItem) -> bytes:
        """Return a recording's bytes; their room is released after the features."""
        holder = item.message_id
        try:
            data = self._downloader.fetch(
                item.record.audio_s3_url,
                reserve=lambda size: self._budget.reserve(holder, size),
            )
        except BaseException:
            self._budget.release(holder)
            raise
        self._budget.shrink(holder, len(data))
        return data

    def _park(self, wanted: _Wanted) -> None:
        if wanted.parked_at is None:
            wanted.parked_at = time.monotonic()
        with self._lock:
            self._parked.append(wanted)

    def _watch(self) -> None:
        while not self._closing.wait(_LOOK_AGAIN_SECONDS):
            with self._lock:
                parked, self._parked = self._parked, []
            tried: set[str] = set()
            # The least tried first: it may be the others that are at fault.
            for wanted in sorted(parked, key=lambda one: one.tries):
                self._look_at(wanted, tried)

    def _look_at(self, wanted: _Wanted, tried: set[str]) -> None:
        """Give a waiting download up, try it, or leave it where it is."""
        if self._stopping():
            wanted.answer.set_result(Withdrawn(wanted.item))
        elif self._is_hopeless(wanted):
            error = HostDown(f"{wanted.host} is down: {wanted.error or 'no answer'}")
            wanted.answer.set_result(failed(wanted.item, error))
        elif self._may_try(wanted.host, tried):
            self._executor.submit(self._attempt, wanted)
        else:
            self._park(wanted)

    def _is_hopeless(self, wanted: _Wanted) -> bool:
        waited = time.monotonic() - (wanted.parked_at or 0)
        return waited >= self._patience or self._hosts.is_down_alone(wanted.host)

    def _may_try(self, host: str, tried: set[str]) -> bool:
        """Tell whether a host is up again, or due for the one try of this round."""
        if not self._hosts.is_down(host):
            return True
        if host in tried or not self._hosts.is_due(host):
            return False
        tried.add(host)
        return True
