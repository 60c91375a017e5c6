"""Download, decode, features, score: from a work item to its outcome."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import structlog
from pebble import ProcessExpired, ProcessPool

from connectors.download import Downloader
from connectors.download_errors import DownloadError, PermanentDownload
from flows.child import Extracted, extract_features, prepare
from model.audio import AudioError, AudioLimits
from model.detector import Model
from model.features import FEATURE_NAMES
from model.outcomes import Judgement, Kind, Outcome, Status
from model.records import WorkItem

log = structlog.get_logger("earshot")

#: One thread each: two processes do 1.9 times the work of one, two threads 1.06.
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A work item and the bytes of its recording."""

    item: WorkItem
    data: bytes


@dataclass(frozen=True, slots=True)
class Measured:
    """A work item and the numbers of its recording."""

    item: WorkItem
    extracted: Extracted


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A work item that is not held any more: nothing is done for it."""

    item: WorkItem


class Download:
    """Fetches an item's recording, if the item is still held when its turn comes."""

    def __init__(self, downloader: Downloader, begin: Callable[[str], bool]) -> None:
        self._downloader, self._begin = downloader, begin

    def __call__(self, item: WorkItem) -> Fetched | Outcome | Withdrawn:
        """Return the recording's bytes, or the outcome of an item without them."""
        if not self._begin(item.message_id):
            return Withdrawn(item)
        try:
            return Fetched(item, self._downloader.fetch(item.record.audio_s3_url))
        except DownloadError as error:
            permanent = isinstance(error, PermanentDownload)
            kind = Kind.PERMANENT if permanent else Kind.TRANSIENT
            return Outcome.failed(item, kind, "download", str(error))


class Extraction:
    """Child processes that turn recordings into numbers.

    A recording that outlives its time or brings its child down costs that recording
    only; the child is replaced.

    Parameters
    ----------
    processes
        Children.
    timeout
        Seconds for one recording.
    """

    def __init__(self, processes: int, timeout: float, limits: AudioLimits) -> None:
        os.environ.update(_ONE_THREAD)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["flows.child"])
        self._pool = ProcessPool(
            max_workers=processes, initializer=prepare, context=context
        )
        self._timeout, self._limits = timeout, limits

    def submit(self, fetched: Fetched) -> Future[Measured | Outcome]:
        """Start on a recording; the future's result is its numbers or its outcome."""
        answer: Future[Measured | Outcome] = Future()
        running = self._pool.schedule(
            extract_features,
            args=(fetched.data, self._limits),
            timeout=self._timeout,
        )
        running.add_done_callback(
            lambda done: answer.set_result(self._ended(fetched.item, done))
        )
        return answer

    def close(self) -> None:
        """End the children at once."""
        self._pool.stop()
        self._pool.join()

    def _ended(self, item: WorkItem, done: Future[Extracted]) -> Measured | Outcome:
        try:
            return Measured(item, done.result())
        except AudioError as error:
            return Outcome.failed(item, Kind.PERMANENT, "decode", str(error))
        except TimeoutError:
            reason = f"not done within {self._timeout:g} s"
        except ProcessExpired as error:
            reason = f"the process that decoded it ended with {error.exitcode}"
        except MemoryError:
            reason = "needs more memory than a recording may take"
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        return Outcome.failed(item, Kind.TRANSIENT, "features", reason)


class Score:
    """Scores the recordings that are ready, together."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def __call__(self, measured: Sequence[Measured]) -> list[Outcome]:
        """Return the outcome of each recording, judged."""
        if not measured:
            return []
        began = time.monotonic()
        log.info("feature_build_completed", items=len(measured))
        vectors = np.stack([one.extracted.vector for one in measured])
        verdicts = self._model.judge(vectors)
        outcomes = [
            Outcome(
                one.item,
                Status.COMPLETED,
                judgement=Judgement(
                    is_anomaly=verdict.is_anomaly,
                    anomaly_score=verdict.anomaly_score,
                    prediction_label=verdict.prediction_label,
                    reasons=verdict.reasons,
                    model_name=self._model.name,
                    model_version=self._model.version,
                    features=_named(one.extracted),
                    audio=one.extracted.audio,
                ),
            )
            for one, verdict in zip(measured, verdicts, strict=True)
        ]
        log.info(
            "inference_batch_completed",
            items=len(outcomes),
            anomalies=sum(verdict.is_anomaly for verdict in verdicts),
            seconds=round(time.monotonic() - began, 4),
        )
        return outcomes


def _named(extracted: Extracted) -> dict[str, float]:
    return dict(zip(FEATURE_NAMES, map(float, extracted.vector), strict=True))
