"""Downloads, within a budget of bytes; a host that is down is left alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from connectors.download import Downloader
from connectors.download_errors import DownloadError, HostDown
from connectors.memory import MemoryFile
from flows.audio_hosts import AudioHosts, host_of
from flows.budget import ByteBudget
from flows.failures import HostStaysDown, failed
from flows.watching.watch import Watch
from model.outcomes import Outcome
from model.records import WorkItem

#: Seconds between two looks at whether a host that is down can be tried again, and at
#: whether any recording waits for one.
_LOOK_AGAIN_SECONDS, _IDLE_SECONDS = 0.1, 0.5


@dataclass(frozen=True, slots=True)
class Fetched:
    """A work item and its recording, which whoever takes it closes."""

    item: WorkItem
    recording: MemoryFile


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

    Such a recording fails where other hosts answer, for then it is its own host's
    fault; and after `patience` seconds where its host has never answered, for then
    there may be no such host. One at a time is tried.

    Parameters
    ----------
    begin
        Says that work on a delivery begins; False when it is not held any more.
    stopping
        While it returns True nothing waits: what would is withdrawn.
    on_failure
        Called with what ended the thread that looks after those that wait.
    watch
        Told how long each download took, also one that failed.
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
        on_failure: Callable[[Exception], None] = lambda error: None,
        watch: Watch | None = None,
    ) -> None:
        self._on_failure, self._noting = on_failure, watch or Watch()
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

    @property
    def parked(self) -> int:
        """Downloads that wait for their host."""
        return len(self._parked)

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
            recording = self._fetch(wanted.item)
        except HostDown as error:
            self._hosts.failed(wanted.host, error)
            wanted.error = error
            down = self._hosts.is_down(wanted.host)
            return None if down else failed(wanted.item, error)
        except DownloadError as error:
            self._hosts.answered(wanted.host)
            return failed(wanted.item, error)
        self._hosts.answered(wanted.host)
        return Fetched(wanted.item, recording)

    def _fetch(self, item: WorkItem) -> MemoryFile:
        """Return a recording; its room is released after the features."""
        holder, began = item.message_id, time.monotonic()
        recording = MemoryFile()
        try:
            self._downloader.fetch(
                item.record.audio_s3_url,
                recording.file,
                reserve=lambda size: self._budget.reserve(holder, size),
            )
        except BaseException:
            recording.close()
            self._budget.release(holder)
            raise
        finally:
            self._noting.stage("download", began, (item,))
        self._budget.shrink(holder, recording.file.tell())
        return recording

    def _park(self, wanted: _Wanted) -> None:
        if wanted.parked_at is None:
            wanted.parked_at = time.monotonic()
        with self._lock:
            self._parked.append(wanted)

    def _watch(self) -> None:
        try:
            while not self._closing.wait(
                _LOOK_AGAIN_SECONDS if self._parked else _IDLE_SECONDS
            ):
                self._look_at_all()
        except Exception as error:
            self._on_failure(error)

    def _look_at_all(self) -> None:
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
            error = HostStaysDown(
                f"{wanted.host} is down: {wanted.error or 'no answer'}"
            )
            wanted.answer.set_result(failed(wanted.item, error))
        elif self._may_try(wanted.host, tried):
            self._executor.submit(self._attempt, wanted)
        else:
            self._park(wanted)

    def _is_hopeless(self, wanted: _Wanted) -> bool:
        if self._hosts.is_down_alone(wanted.host):
            return True
        waited = time.monotonic() - (wanted.parked_at or 0)
        return waited >= self._patience and not self._hosts.has_answered(wanted.host)

    def _may_try(self, host: str, tried: set[str]) -> bool:
        """Tell whether a host is up again, or due for the one try of this round."""
        if not self._hosts.is_down(host):
            return True
        if host in tried or not self._hosts.is_due(host):
            return False
        tried.add(host)
        return True
