"""Training on what was judged last: its audio is fetched again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
from pymongo import MongoClient

from tests import recordings
from tests.audio_host import AudioHost, Response
from tests.system.pipeline import Pipeline


def voice(number: int) -> bytes:
    rng = np.random.default_rng(number)
    time = np.arange(20_000) / recordings.RATE
    hum = np.sin(2 * np.pi * (150 + 5 * number) * time)
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * time)
    return recordings.wav(0.2 * hum * swell + 0.01 * rng.standard_normal(len(time)))


def test_a_model_is_trained_on_the_last_recordings_that_can_still_be_fetched(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    urls = [
        audio_host.serve(f"/{number}.wav", Response(voice(number)))
        for number in range(24)
    ]
    urls.append(audio_host.url("/gone.wav"))
    now = datetime.now(UTC)
    results: list[dict[str, Any]] = [
        {
            "_id": str(number),
            "audio_s3_url": url,
            "processed_at": now + timedelta(seconds=number),
        }
        for number, url in enumerate(urls)
    ]
    client: MongoClient[dict[str, Any]] = MongoClient(pipeline.mongo_uri)
    with client:
        client[pipeline.database]["anomaly_detection_results"].insert_many(results)
    output = pipeline.folder / "own.joblib"
    ended = pipeline.run(
        *("run_flow.py", "train", "--results", "22", "--output", str(output))
    )
    assert ended.exit_code == 0, ended.stderr
    told = orjson.loads(ended.stdout)
    assert (told["recordings"], told["skipped"]) == (21, {})
    assert audio_host.requests("/0.wav") == 0
    assert output.exists()
