"""Recordings are fetched under the worker's rules and decoded in a child process."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from connectors.download import Downloader
from console.hearing import Heard, hear
from console.listening import CannotPlay, Listening
from flows import wiring
from flows.settings import Settings
from model.audio import AudioLimits
from tests import recordings
from tests.audio_host import AudioHost, Response

Make = Callable[..., Listening]
Work = Callable[[str, AudioLimits, float], Heard]


def hang(path: str, limits: AudioLimits, cpu_seconds: float) -> Heard:
    """Do as a codec does that never comes to an end, for one kind of file."""
    if Path(path).stat().st_size > 100_000:
        time.sleep(60)
    return hear(path, limits, cpu_seconds)


def crash(path: str, limits: AudioLimits, cpu_seconds: float) -> Heard:
    """Do as a codec does that writes where it must not, for one kind of file."""
    if Path(path).stat().st_size > 100_000:
        os.kill(os.getpid(), signal.SIGSEGV)
    return hear(path, limits, cpu_seconds)


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    made = []
    needed = {
        "SQS_QUEUE_URL": "http://127.0.0.1/queue",
        "MONGO_URI": "mongodb://127.0.0.1",
        "MONGO_DB_NAME": "none",
        "DISCOVERY_SOURCE_TYPE": "mongo",
        "MONGO_SOURCE_COLLECTION": "none",
        "S3_MAX_RETRIES": "0",
        "AUDIO_ALLOWED_HOSTS": "127.0.0.1",
    }

    def listening(work: Work = hear, **variables: str) -> Listening:
        for name, value in {**needed, **variables}.items():
            monkeypatch.setenv(name, value)
        settings = Settings.load()
        downloader = Downloader(wiring.download_limits(settings))
        made.append(Listening(settings, downloader, work))
        return made[-1]

    yield listening
    for one in made:
        one.close()


def of(url: str, *reasons: str) -> dict[str, Any]:
    return {"audio_s3_url": url, "reasons": list(reasons)}


def test_a_recording_is_played_as_the_model_heard_it(
    make: Make, audio_host: AudioHost
) -> None:
    url = audio_host.serve("/a.wav", Response(recordings.tone(2)))
    exhibit = make().exhibit(of(url, "no speech: tones"))
    samples, rate = soundfile.read(io.BytesIO(exhibit.sound))
    assert (len(samples), rate) == (32_000, 16_000)
    assert exhibit.seconds == pytest.approx(2)
    assert [mark.reason for mark in exhibit.marks] == ["no speech"]
    assert exhibit.picture.startswith(b"\x89PNG")


def test_what_was_prepared_is_fetched_once(make: Make, audio_host: AudioHost) -> None:
    url = audio_host.serve("/a.wav", Response(recordings.tone()))
    listening = make()
    listening.prepare(of(url)).result()
    listening.exhibit(of(url))
    assert audio_host.requests("/a.wav") == 1


def test_what_failed_is_tried_again(make: Make, audio_host: AudioHost) -> None:
    bad, good = Response(status=404), Response(recordings.tone())
    url, listening = audio_host.serve("/a.wav", bad, good), make()
    with pytest.raises(CannotPlay, match="cannot be fetched: not found"):
        listening.exhibit(of(url))
    assert listening.exhibit(of(url)).seconds == pytest.approx(1)


def test_a_private_host_is_refused_as_in_the_worker(
    make: Make, audio_host: AudioHost
) -> None:
    url = audio_host.serve("/a.wav", Response(recordings.tone()))
    with pytest.raises(CannotPlay, match="not an allowed host"):
        make(AUDIO_ALLOWED_HOSTS="").exhibit(of(url))
    assert audio_host.requests("/a.wav") == 0


@pytest.mark.parametrize(
    ("body", "variables", "reason"),
    [
        (b"<html>", {}, "cannot be decoded"),
        (b"", {}, "cannot be decoded"),
        (recordings.tone(3), {"AUDIO_MAX_SECONDS": "2"}, "too long"),
        (recordings.tone(3), {"AUDIO_MAX_BYTES": "1000"}, "cannot be fetched"),
    ],
)
def test_what_cannot_be_played_is_told_in_one_line(
    make: Make,
    audio_host: AudioHost,
    body: bytes,
    variables: dict[str, str],
    reason: str,
) -> None:
    url = audio_host.serve("/a.wav?X-Amz-Signature=secret-word", Response(body))
    with pytest.raises(CannotPlay, match=reason) as caught:
        make(**variables).exhibit(of(url))
    assert "\n" not in str(caught.value)
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("work", "reason"), [(hang, "not decoded within 1 s"), (crash, "ended with -11")]
)
def test_a_hostile_recording_costs_its_child_and_no_other_recording(
    make: Make, audio_host: AudioHost, work: Work, reason: str
) -> None:
    hostile = audio_host.serve("/hostile.wav", Response(recordings.tone(5)))
    good = audio_host.serve("/good.wav", Response(recordings.tone(1)))
    listening = make(work, INFERENCE_TIMEOUT_SECONDS="1")
    with pytest.raises(CannotPlay, match=reason):
        listening.exhibit(of(hostile))
    assert listening.exhibit(of(good)).seconds == pytest.approx(1)


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "ftp://host/a.wav", "s3://"])
def test_what_is_no_url_of_a_recording_is_refused(make: Make, url: str) -> None:
    with pytest.raises(CannotPlay, match="cannot be"):
        make().exhibit(of(url))
