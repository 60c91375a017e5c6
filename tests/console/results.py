"""Results as a worker writes them, of recordings that the tests make."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import numpy as np

from model.audio import decode
from model.detector import Model
from model.features import FEATURE_NAMES, extract
from tests import recordings

AT = datetime(2026, 2, 23, 9, 30, tzinfo=UTC)
SECRET = "secret-word"
#: What would do something, were it not shown letter by letter.
HOSTILE = (
    "<img src=x onerror=alert(1)> [a](javascript:alert(1)) :red[b] $x$ **c** "
    "https://evil.invalid/ www.evil.invalid eve@evil.invalid"
)


def key(name: str) -> str:
    """Return an id as ours are."""
    return sha256(name.encode()).hexdigest()


def result(name: str, **changed: Any) -> dict[str, Any]:
    """Return a flagged result of no recording in particular."""
    return {
        "_id": key(name),
        "source_collection": "public.records",
        "test_date": "2026-02-23",
        "record_type": "teacher_record",
        "subject_name": "Hindi",
        "audio_s3_url": f"https://audio.invalid/{name}.wav?X-Amz-Signature={SECRET}",
        "student_id": name,
        "udise": "27251600101",
        "trace_id": "0" * 32,
        "processing_status": "completed",
        "is_anomaly": True,
        "anomaly_score": 2.5,
        "prediction_label": "anomaly",
        "model_name": "earshot",
        "model_version": "1.2",
        "features": {},
        "reasons": ["silent: nothing above -83 dBFS"],
        "audio": {
            "duration_seconds": 2.5,
            "sample_rate": 16_000,
            "codec": "wav/pcm_16",
        },
        "processed_at": AT,
        **changed,
    }


def normal(name: str, **changed: Any) -> dict[str, Any]:
    """Return a result that is not flagged."""
    own = {"is_anomaly": False, "anomaly_score": 0.2, "prediction_label": "normal"}
    return result(name, **{**own, "reasons": [], **changed})


#: Recordings that nobody can use, by name.
SPOILED: dict[str, Callable[[], bytes]] = {
    "silent": lambda: recordings.wav(np.full(16_000 * 3, 1e-5)),
    "noise": lambda: recordings.wav(
        0.1 * np.random.default_rng(0).standard_normal(16_000 * 3)
    ),
    "tone": lambda: recordings.tone(3),
}


def judged(name: str, url: str, audio: bytes, model: Model) -> dict[str, Any]:
    """Return what a worker would write of a recording."""
    samples, info = decode(audio)
    vector = extract(samples, 16_000)
    (verdict,) = model.judge(vector[None, :])
    return result(
        name,
        audio_s3_url=url,
        is_anomaly=verdict.is_anomaly,
        anomaly_score=verdict.anomaly_score,
        prediction_label=verdict.prediction_label,
        reasons=list(verdict.reasons),
        model_name=model.name,
        model_version=model.version,
        features=dict(zip(FEATURE_NAMES, map(float, vector), strict=True)),
        audio={
            "duration_seconds": info.duration_seconds,
            "sample_rate": info.sample_rate,
            "channels": info.channels,
            "codec": info.codec,
        },
    )
