"""A worker of which a thread dies or hangs fails its health check, and says which."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from typing import Any

import pytest

from flows.watching.progress import Stage
from tests import recordings
from tests.audio_host import AudioHost, Response
from tests.chaos.proxy import Fault, Proxy
from tests.ports import free_port
from tests.system.pipeline import Pipeline, WorkerProcess, eventually

SABOTAGE = ("-m", "tests.system.watching.sabotage")
#: Limits of the worker that make it notice within seconds.
SHORT = {
    "IDLE_EXIT_SECONDS": "0",
    "DRAIN_TIMEOUT_SECONDS": "2",
    "S3_TIMEOUT_SECONDS": "2",
    "INFERENCE_TIMEOUT_SECONDS": "2",
    "BATCH_SIZE": "1",
}


def get(port: int, path: str) -> tuple[int, Any]:
    """Return the status and the JSON of an answer; 0 where nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
    except OSError:
        return 0, {}


def wrong(port: int) -> dict[str, str]:
    """Return the parts of a worker that are not live."""
    status, parts = get(port, "/live")
    found = {name: said for name, said in parts.items() if said not in ("ok", True)}
    assert (status == 503) == bool(found) or not status
    found.pop("ok", None)
    return found


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("poller hangs", "polling"),
        ("poller dies", "polling"),
        ("triage hangs", "triage"),
        ("download hangs", "download"),
        ("inference hangs", "inference"),
        ("settle hangs", "settle"),
        ("settle dies", "settle"),
        ("sqs settlement hangs", "sqs"),
        ("sqs settlement dies", "sqs"),
        ("flow hangs", "flow"),
    ],
)
def test_a_worker_of_which_a_thread_hangs_or_dies_is_not_live(
    part: str, named: str, pipeline: Pipeline, audio_host: AudioHost
) -> None:
    port = free_port()
    with pipeline.worker(*SABOTAGE, part, **SHORT, METRICS_PORT=str(port)) as process:
        eventually(lambda: get(port, "/live")[0] == 200)
        pipeline.add(audio_host.serve("/a.wav", Response(recordings.tone())))
        # On a busy machine another part can be late for a moment, at such limits.
        eventually(lambda: wrong(port).keys() == {named})
        assert process.exit_code is None


def test_a_worker_that_works_and_then_idles_stays_live(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    port = free_port()
    settings = {**SHORT, "METRICS_PORT": str(port)}
    with pipeline.worker(*SABOTAGE, "nothing", **settings) as process:
        eventually(lambda: get(port, "/live")[0] == 200)
        for number in range(3):
            pipeline.add(
                audio_host.serve(f"/{number}.wav", Response(recordings.tone()))
            )
        eventually(lambda: len(process.events("message_settled")) == 3)
        steady(port, seconds=12)


def steady(port: int, seconds: float) -> None:
    """Look at a worker's life for some time, longer than its limits."""
    looks = []

    def looked() -> bool:
        looks.append(wrong(port))
        return len(looks) >= seconds / 0.05

    eventually(looked)
    assert not any(looks)


def test_a_worker_that_waits_for_mongo_is_live_and_not_ready(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    port = free_port()
    target = int(pipeline.mongo_uri.rpartition(":")[2].partition("/")[0])
    with Proxy(target) as proxy:
        uri = f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true"
        settings = {**SHORT, "METRICS_PORT": str(port), "MONGO_URI": uri}
        with pipeline.worker(*SABOTAGE, "nothing", **settings) as process:
            eventually(lambda: get(port, "/ready")[0] == 200)
            proxy.fault(Fault.REFUSE)
            pipeline.add(audio_host.serve("/a.wav", Response(recordings.tone())))
            eventually(lambda: process.events("dependency_down"))
            status, parts = get(port, "/ready")
            assert status == 503
            assert parts["breakers"] == "open: mongo"
            assert parts["mongo"] != "ok"
            assert parts["queue"] == parts["model"] == "ok"
            steady(port, seconds=6)
            proxy.fault(Fault.NONE)
            eventually(lambda: get(port, "/ready")[0] == 200)
            eventually(lambda: process.events("message_settled"))


def test_a_worker_that_cannot_reach_sqs_is_live_and_not_ready(
    pipeline: Pipeline,
) -> None:
    port = free_port()
    endpoint = pipeline.environment["AWS_ENDPOINT_URL"]
    with Proxy(int(endpoint.rpartition(":")[2])) as proxy:
        through = endpoint.rpartition(":")[0] + f":{proxy.port}"
        url = pipeline.queue_url.replace(endpoint, through)
        settings = {**SHORT, "METRICS_PORT": str(port), "AWS_ENDPOINT_URL": through}
        settings["SQS_QUEUE_URL"] = url
        with pipeline.worker(*SABOTAGE, "nothing", **settings) as process:
            eventually(lambda: get(port, "/ready")[0] == 200)
            proxy.fault(Fault.REFUSE)
            eventually(lambda: process.events("sqs_receive_reachable"))
            status, parts = get(port, "/ready")
            assert (status, parts["breakers"]) == (503, "open: sqs")
            assert parts["queue"] != "ok"
            steady(port, seconds=6)


def test_a_worker_that_drains_is_live_though_it_polls_no_more(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    port = free_port()
    slow = Response(recordings.tone(), seconds_before=6.0)
    settings = {**SHORT, "DRAIN_TIMEOUT_SECONDS": "20", "S3_TIMEOUT_SECONDS": "20"}
    command = (*SABOTAGE, "nothing")
    with pipeline.worker(*command, **settings, METRICS_PORT=str(port)) as process:
        eventually(lambda: get(port, "/live")[0] == 200)
        pipeline.add(audio_host.serve("/a.wav", slow))
        eventually(lambda: process.events("inference_batch_started"))
        process.signal(signal.SIGTERM)
        looks = watch_until_the_end(process, port)
        assert process.exit_code == 0
        assert looks and not any(looks)


def watch_until_the_end(process: WorkerProcess, port: int) -> list[dict[str, str]]:
    looks: list[dict[str, str]] = []

    def ended() -> bool:
        looks.append(wrong(port))
        return process.exit_code is not None

    eventually(ended)
    return looks


def test_a_stage_is_late_only_while_it_holds_work_and_finishes_none() -> None:
    held, finished = 1, 0
    stage = Stage("a", -1.0, lambda: held, lambda: finished)
    stage.look()
    assert stage.fault is not None
    held = 0
    assert stage.fault is None
