"""How well the model tells recordings apart: ``python -m bench.evaluate [FOLDER]``.

Trains on the normal recordings of a folder with ``labels.csv`` (by default the real
ones, where they lie beside the repository) and judges the others; where there is none,
on generated voices that are spoiled. The last line of stdout is one JSON object.
"""

import argparse
import csv
import json
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler
from sklearn.svm import OneClassSVM
from threadpoolctl import threadpool_limits

from model.audio import AudioLimits
from model.detector import Model, save_model
from model.estimator import Detector
from model.evaluation import evaluate
from model.figures import figures_of
from model.lessons import Lessons
from model.recordings import features_of, waveform_of
from model.spoiling import KINDS, spoil
from model.training import train
from model.waveform import SAMPLE_RATE, FloatArray

#: What the card of the shipped model says of its data.
DATA = {
    "recordings": "240 recordings of speechocean762: read English of non-native "
    "speakers, many of them children, on phones; everyday variation of level, "
    "background noise of 12 to 25 dB, rooms and phone codecs",
    "evaluated_on": "124 recordings of other speakers and 140 anomalies of 14 kinds; "
    "environmental sounds from ESC-10, ambience under CC0 and CC BY",
    "licence": "speechocean762: free for commercial and non-commercial use; "
    "ESC-10: CC BY 3.0 (evaluation only). No audio is part of the model.",
}
RECORDINGS = Path(__file__).parents[2] / "shared" / "audio"
#: Share of anomalies mixed into the training data of the contamination row.
CONTAMINATION = 0.05
GENERATED = 80

Array = npt.NDArray[np.float64]


class Split:
    """Features of the training and validation recordings."""

    def __init__(self, folder: Path) -> None:
        with (folder / "labels.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        self.train = [folder / r["path"] for r in rows if r["split"] == "train"]
        judged = [r for r in rows if r["split"] == "val"]
        self.paths = [folder / r["path"] for r in judged]
        self.kinds = np.array([r["kind"] for r in judged])
        self.anomalous = np.array([r["is_anomaly"] == "1" for r in judged])
        limits = AudioLimits()
        self.X = np.stack([features_of(path, limits) for path in self.paths])

    def figures(
        self, scores: Array, kept: npt.NDArray[np.bool_] | None = None
    ) -> dict[str, Any]:
        """Compute the row of one detector."""
        kept = np.ones(len(self.kinds), bool) if kept is None else kept
        figures = figures_of(scores[kept], list(self.kinds[kept]), self.anomalous[kept])
        return {
            "mean_auc": round(figures["mean"]["auc"], 4),
            "mean_partial_auc": round(figures["mean"]["partial_auc"], 4),
            "worst_kind": figures["worst"]["kind"],
            "worst_auc": round(figures["worst"]["auc"], 4),
        }


def generated(folder: Path) -> None:
    """Write voices and spoiled voices with their labels."""
    from tests.model.sounds import babbling

    rows: list[tuple[str, str, str, int]] = []
    rng = np.random.default_rng(0)

    def write(y: FloatArray, split: str, kind: str) -> None:
        name = f"{split}-{len(rows)}.wav"
        soundfile.write(folder / name, y, SAMPLE_RATE)
        rows.append((name, split, kind, int(kind != "normal")))

    for seed in range(2 * GENERATED):
        voice = babbling(4.0, seed=seed)
        write(voice, "train" if seed < GENERATED else "val", "normal")
    for seed in range(6 * len(KINDS)):
        kind = KINDS[seed % len(KINDS)]
        voice, other = babbling(4.0, seed=1000 + seed), babbling(4.0, seed=2000 + seed)
        write(spoil(kind, voice, other, rng), "val", kind)
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "split", "kind", "is_anomaly"))
        writer.writerows(rows)


def lessons_of(paths: list[Path]) -> Lessons:
    """Learn from recordings as training does, without fitting."""
    lessons = Lessons()
    for path in np.random.default_rng(762).permutation(np.array(sorted(paths))):
        lessons.add(waveform_of(path, AudioLimits()))
    return lessons


def rivals(split: Split, lessons: Lessons) -> dict[str, Any]:
    """Compare other detectors, and parts of ours, on the same split."""
    detectors = {
        "isolation forest": IsolationForest(n_estimators=300, random_state=0),
        "one-class SVM": make_pipeline(RobustScaler(), OneClassSVM(nu=0.05)),
        "local outlier factor": make_pipeline(
            RobustScaler(), LocalOutlierFactor(novelty=True)
        ),
        "Ledoit-Wolf distance": make_pipeline(RobustScaler(), _Distance()),
        "ours without spoiling": Detector(),
    }
    table = {}
    for name, detector in detectors.items():
        detector.fit(lessons.rows)
        table[name] = split.figures(-detector.score_samples(split.X))
    cepstra = [i for i, n in enumerate(_names()) if n.startswith("mfcc_")]
    forest = IsolationForest(n_estimators=300, random_state=0)
    forest.fit(lessons.rows[:, cepstra])
    scores = -forest.score_samples(split.X[:, cepstra])
    table["isolation forest on MFCC"] = split.figures(scores)
    ours = Detector().fit(lessons.rows, spoiled=lessons.spoiled)
    return table | {"ours": split.figures(-ours.score_samples(split.X))}


class _Distance(LedoitWolf):  # type: ignore[misc]
    def score_samples(self, X: Array) -> Array:
        return -np.asarray(self.mahalanobis(X))


def _names() -> tuple[str, ...]:
    from model.features import FEATURE_NAMES

    return FEATURE_NAMES


def contaminated(split: Split) -> dict[str, Any]:
    """Train with anomalies among the recordings, judge by the other files."""
    rng = np.random.default_rng(1)
    count = round(CONTAMINATION / (1 - CONTAMINATION) * len(split.train))
    mixed = rng.permutation(np.flatnonzero(split.anomalous))[:count]
    lessons = lessons_of(split.train + [split.paths[i] for i in mixed])
    detector = Detector().fit(lessons.rows, spoiled=lessons.spoiled)
    kept = ~np.isin(np.arange(len(split.kinds)), mixed)
    return split.figures(-detector.score_samples(split.X), kept)


def reasons(split: Split, model: Model) -> dict[str, dict[str, int]]:
    """Count the first reasons of the flagged recordings by kind."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for kind, verdict in zip(split.kinds, model.judge(split.X), strict=True):
        if verdict.is_anomaly:
            counts[str(kind)][verdict.reasons[0].split(":")[0]] += 1
    return {kind: dict(counter) for kind, counter in sorted(counts.items())}


def run(folder: Path, output: Path, save: Path | None) -> dict[str, Any]:
    """Train, evaluate, compare."""
    split = Split(folder)
    print(f"training on {len(split.train)} recordings", file=sys.stderr)
    training = train(split.train, flag_rate=0.05)
    labels = output / "val.csv"
    with labels.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "kind", "is_anomaly"))
        rows = zip(split.paths, split.kinds, split.anomalous.astype(int), strict=True)
        writer.writerows(rows)
    figures = evaluate(labels, training.model, output)
    if save is not None:
        shipped = {name: figures[name] for name in ("mean", "worst", "pooled", "kinds")}
        card = {**training.model.card, "data": DATA, "figures": shipped}
        save_model(replace(training.model, card=card), save)
    lessons = lessons_of(split.train)
    return {
        "recordings": str(folder.name),
        "mean_auc": round(figures["mean"]["auc"], 4),
        "mean_partial_auc": round(figures["mean"]["partial_auc"], 4),
        "worst_kind": figures["worst"],
        "normals_flagged": round(figures["normal_flagged"], 4),
        "recall_at_fpr": {
            "0.01": round(figures["pooled"]["recall_at_fpr_0.01"], 4),
            "0.05": round(figures["pooled"]["recall_at_fpr_0.05"], 4),
        },
        "contaminated_5_percent": contaminated(split),
        "kinds": {k: round(v["auc"], 4) for k, v in figures["kinds"].items()},
        "detectors": rivals(split, lessons),
        "first_reasons": reasons(split, training.model),
    }


def main() -> None:
    """Run on real recordings, or on generated ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=RECORDINGS)
    parser.add_argument("--save", type=Path, help="where to write the trained model")
    arguments = parser.parse_args()
    folder = arguments.folder
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        if not (folder / "labels.csv").is_file():
            folder = temporary / "generated"
            folder.mkdir()
            generated(folder)
        # On a busy machine threads that share small matrices wait for each other.
        with threadpool_limits(1):
            print(json.dumps(run(folder, temporary, arguments.save)))


if __name__ == "__main__":
    main()
