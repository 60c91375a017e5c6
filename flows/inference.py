"""Decode, features, score: from a recording to its outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import structlog
from pebble import ProcessExpired

from flows.children import Children
from flows.downloads import Fetched
from flows.extraction import Extracted, extract_features
from flows.failures import failed
from flows.watching.watch import Watch
from model.audio import AudioError, AudioLimits
from model.detector import Model
from model.features import FEATURE_NAMES
from model.outcomes import Judgement, Outcome, Status
from model.records import WorkItem

log = structlog.get_logger("earshot")

#: Path of a recording, limits and seconds of CPU time to its numbers.
Extract = Callable[[str, AudioLimits, float], Extracted]


@dataclass(frozen=True, slots=True)
class Measured:
    """A work item and the numbers of its recording."""

    item: WorkItem
    extracted: Extracted


class Extraction:
    """Child processes that turn recordings into numbers.

    A recording that outlives its time or brings its child down costs that recording
    only; the child is replaced.

    Parameters
    ----------
    processes
        Children.
    timeout
        Seconds for one recording, on the clock and of the CPU.
    on_end
        Called with the message id of each recording that is done with, whose bytes
        are held no more.
    on_failure
        Called with what ended the thread that looks after the children.
    extract
        What a child does, importable by its name.
    watch
        Told how long each recording took its child.
    """

    def __init__(
        self,
        processes: int,
        timeout: float,
        limits: AudioLimits,
        *,
        on_end: Callable[[str], None] = lambda message_id: None,
        on_failure: Callable[[Exception], None] = lambda error: None,
        extract: Extract = extract_features,
        watch: Watch | None = None,
    ) -> None:
        self._watch = watch or Watch()
        self._children: Children[Extracted] = Children(
            processes, timeout, extract, on_failure
        )
        self._timeout, self._limits = timeout, limits
        self._on_end = on_end

    def submit(self, fetched: Fetched) -> Future[Measured | Outcome]:
        """Start on a recording; the future's result is its numbers or its outcome."""
        answer: Future[Measured | Outcome] = Future()
        running = self._children.submit(
            fetched.recording.path, self._limits, self._timeout
        )
        running.add_done_callback(
            lambda done: answer.set_result(self._ended(fetched, done))
        )
        return answer

    @property
    def restarts(self) -> int:
        """Children that were replaced."""
        return self._children.restarts

    def close(self) -> None:
        """End the children at once."""
        self._children.close()

    def _ended(self, fetched: Fetched, done: Future[Extracted]) -> Measured | Outcome:
        item = fetched.item
        fetched.recording.close()
        self._on_end(item.message_id)
        try:
            extracted = done.result()
        except AudioError as error:
            return failed(item, error)
        except Exception as error:
            return failed(item, error, self._reason(error))
        self._watch.stage("decode_features", extracted.began, (item,), extracted.ended)
        return Measured(item, extracted)

    def _reason(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"not done within {self._timeout:g} s"
        if isinstance(error, ProcessExpired):
            return f"the process that decoded it ended with {error.exitcode}"
        if isinstance(error, MemoryError):
            return "needs more memory than a recording may take"
        return f"{type(error).__name__}: {error}"


class Score:
    """Scores the recordings that are ready, together.

    Parameters
    ----------
    on_scores
        Called with the scores of each batch.
    """

    def __init__(
        self,
        model: Model,
        on_scores: Callable[[Sequence[float]], None] = lambda scores: None,
    ) -> None:
        self._model, self._on_scores = model, on_scores

    def __call__(self, measured: Sequence[Measured]) -> list[Outcome]:
        """Return the outcome of each recording, judged."""
        if not measured:
            return []
        began = time.monotonic()
        log.info("feature_build_completed", items=len(measured))
        vectors = np.stack([one.extracted.vector for one in measured])
        verdicts = self._model.judge(vectors)
        self._on_scores([verdict.anomaly_score for verdict in verdicts])
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
    return dict(zip(FEATURE_NAMES, extracted.vector.tolist(), strict=True))
