"""Train a model on recordings that nobody labelled, and score files with one."""

import hashlib
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import sklearn
from threadpoolctl import threadpool_limits

from model.audio import AudioError, AudioLimits
from model.estimator import Detector
from model.features import FEATURE_NAMES
from model.lessons import Lessons
from model.recordings import (
    audio_files,
    features_of,
    found,
    read_manifest,
    waveform_of,
)
from model.spoiling import KINDS
from model.verdict import Model

__all__ = [
    "Training",
    "TrainingError",
    "audio_files",
    "read_manifest",
    "score_files",
    "train",
]

#: Fewer recordings than this say nothing about what is normal.
MIN_RECORDINGS = 20

_SEED = 762

Progress = Callable[[Iterable[Path]], Iterable[Path]]
_DEFAULT_LIMITS = AudioLimits()


class TrainingError(Exception):
    """Nothing to train on; the message is one line."""


@dataclass(frozen=True)
class Training:
    """What came of a training.

    Attributes
    ----------
    model
        The trained model.
    used
        Number of recordings that it learnt from.
    skipped
        The files that could not be used, each with its reason.
    flagged
        Number of training recordings above the threshold, each judged by a model
        that had not seen it.
    """

    model: Model
    used: int
    skipped: dict[Path, str]
    flagged: int


def train(
    paths: Sequence[Path],
    *,
    name: str = "earshot",
    flag_rate: float = 0.05,
    limits: AudioLimits = _DEFAULT_LIMITS,
    progress: Progress | None = None,
    data: str = "",
) -> Training:
    """Fit a model on mostly normal recordings.

    Parameters
    ----------
    paths
        Audio files.
    name
        The model's name in results.
    flag_rate
        Share of normal recordings above the threshold.
    limits
        Recordings beyond are skipped.
    progress
        Wraps the iteration over the paths, to show it.
    data
        What the model card says of the recordings and their licence.

    Raises
    ------
    TrainingError
        Fewer than ``MIN_RECORDINGS`` files can be used.
    """
    chosen = _shuffled(paths)
    # On a busy machine threads that share such small matrices wait for each other:
    # two took six times as long as one.
    with threadpool_limits(1):
        lessons, skipped = _learn(
            chosen if progress is None else progress(chosen), limits
        )
        detector = Detector(flag_rate=flag_rate)
        detector.fit(lessons.rows, spoiled=lessons.spoiled)
    flagged = int(np.count_nonzero(detector.sample_ > -detector.offset_))
    return Training(_model(name, detector, data), len(lessons), skipped, flagged)


def _learn(
    paths: Iterable[Path], limits: AudioLimits
) -> tuple[Lessons, dict[Path, str]]:
    lessons, skipped = Lessons(), dict[Path, str]()
    for path in paths:
        try:
            lessons.add(waveform_of(path, limits))
        except (AudioError, OSError) as error:
            skipped[path] = str(error)
    if len(lessons) < MIN_RECORDINGS:
        raise TrainingError(
            f"{len(lessons)} recordings can be used, {MIN_RECORDINGS} are needed"
        )
    return lessons, skipped


def _shuffled(paths: Sequence[Path]) -> list[Path]:
    """Mix the order, the same way each time: neighbours are often of one pupil."""
    ordered = sorted(paths)
    return [ordered[i] for i in np.random.default_rng(_SEED).permutation(len(ordered))]


def _model(name: str, detector: Detector, data: str) -> Model:
    version = _version(detector)
    card = {
        "name": name,
        "version": version,
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "data": data or "recordings given to train, unlabelled",
        "recordings": len(detector.sample_),
        "flag_rate": detector.flag_rate,
        "threshold": -detector.offset_,
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "feature_names": list(FEATURE_NAMES),
        "kinds": list(KINDS),
    }
    sample = detector.sample_
    scorer = detector.scorer()
    return Model(name, version, FEATURE_NAMES, KINDS, scorer, sample, card)


def _version(detector: Detector) -> str:
    """Name what was learnt: the same recordings give the same version."""
    fitted = detector.calibration_
    learnt = (detector.shape_.scale.center, fitted.middles, fitted.widths)
    # Six digits are the same on every processor; the last bits are not.
    digits = ",".join(f"{value:.6g}" for part in learnt for value in part)
    digest = hashlib.sha256(digits.encode()).hexdigest()
    return f"{len(detector.sample_)}-{digest[:8]}"


def score_files(
    paths: Sequence[Path], model: Model, limits: AudioLimits = _DEFAULT_LIMITS
) -> Iterator[dict[str, Any]]:
    """Score files and folders.

    Parameters
    ----------
    paths
        Files, and folders that are searched for audio files.
    model, limits

    Yields
    ------
    dict
        ``path``, ``is_anomaly``, ``anomaly_score``, ``prediction_label``,
        ``reasons``, ``error``; what could not be scored has its error and None.
    """
    for path in found(list(paths)):
        try:
            row = features_of(path, limits)
        except AudioError as error:
            yield _entry(path, error=str(error))
        except OSError as error:
            yield _entry(path, error=error.strerror or "cannot be read")
        else:
            verdict = model.judge(row[None, :])[0]
            yield _entry(
                path,
                is_anomaly=verdict.is_anomaly,
                anomaly_score=verdict.anomaly_score,
                prediction_label=verdict.prediction_label,
                reasons=list(verdict.reasons),
            )


def _entry(path: Path, **known: Any) -> dict[str, Any]:
    blank = dict.fromkeys(
        ("is_anomaly", "anomaly_score", "prediction_label", "reasons", "error")
    )
    return {"path": str(path), **blank, **known}
