"""Outages in the middle of the work: they cost nothing but time."""

from __future__ import annotations

import signal
import socket
import time
from urllib.parse import urlsplit

from connectors.local import LocalServices
from flows.audio_hosts import FAILURES
from tests import recordings
from tests.audio_host import AudioHost, Response
from tests.chaos.proxy import Fault, Proxy
from tests.system.pipeline import Pipeline, WorkerProcess, eventually
from tests.system.test_faults import (
    FOR_EVER,
    add_many,
    assert_each_has_one_result,
    process_received,
)

NARROW = {"DOWNLOAD_MAX_CONCURRENCY": "2", "MAX_CONCURRENCY": "16", "BATCH_SIZE": "4"}
SOON = {"RETRY_BACKOFF_SECONDS": "0.5"}


def received_again(pipeline: Pipeline) -> int:
    """Return the receives beyond the first: before it was plain that a host is down."""
    return sum(one["receive_count"] - 1 for one in pipeline.results())


def drain(process: WorkerProcess) -> None:
    process.signal(signal.SIGTERM)
    assert process.wait() == 0, process.stderr


def test_while_no_audio_host_answers_nothing_is_received_and_what_is_held_waits(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    wav = recordings.tone(0.3)
    with Proxy(audio_host.port) as proxy:
        for number in range(40):
            audio_host.serve(f"/{number}", Response(wav, seconds_before=0.05))
            pipeline.add(f"http://127.0.0.1:{proxy.port}/{number}")
        with pipeline.worker(**FOR_EVER, **NARROW, **SOON) as process:
            eventually(lambda: len(pipeline.results()) >= 2)
            proxy.fault(Fault.REFUSE)
            eventually(lambda: process.events("audio_host_down"))
            time.sleep(1)
            received = process_received(pipeline)
            time.sleep(1)
            # But for one batch, which may be of another host.
            assert received - process_received(pipeline) <= 10
            proxy.fault(Fault.NONE)
            eventually(lambda: pipeline.left() == 0)
            drain(process)
    assert_each_has_one_result(pipeline)
    assert process.events("audio_host_up")
    assert received_again(pipeline) <= FAILURES


def test_what_waits_for_an_audio_host_is_returned_at_the_first_signal(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    audio_host.serve("/good", Response(recordings.tone(0.3)))
    with Proxy(audio_host.port) as proxy:
        pipeline.add(f"http://127.0.0.1:{proxy.port}/good")
        with pipeline.worker(**FOR_EVER, RETRY_BACKOFF_SECONDS="0") as process:
            eventually(lambda: pipeline.results())
            proxy.fault(Fault.REFUSE)
            for number in range(20):
                pipeline.add(f"http://127.0.0.1:{proxy.port}/{number}")
            eventually(lambda: process.events("audio_host_down"))
            drain(process)
    (drained,) = process.events("worker_drained")
    assert drained["in_time"] is True
    assert process_received(pipeline) == 20


def test_a_host_that_is_down_among_good_ones_costs_only_its_own_recordings(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        dead = server.getsockname()[1]
    for number in range(12):
        pipeline.row(f"http://127.0.0.1:{dead}/{number}")
        audio_host.serve(f"/{number}", Response(recordings.tone(0.3)))
        pipeline.row(audio_host.url(f"/{number}"))
    # The dead host's come first, and fill all that the worker may hold.
    for message in sorted(pipeline.sent, key=lambda one: one["source_record_id"]):
        if str(dead) in message["audio_s3_url"]:
            pipeline.send(message)
    good = [m for m in pipeline.sent if str(dead) not in m["audio_s3_url"]]
    for message in good:
        pipeline.send(message)
    options = {**FOR_EVER, "RETRY_BACKOFF_SECONDS": "600"}
    with pipeline.worker(**options) as process:
        eventually(lambda: len(pipeline.results()) == len(good))
        eventually(lambda: pipeline.left() == 12 and not held(pipeline))
        drain(process)
    assert {one["receive_count"] for one in pipeline.results()} == {1}


def test_a_worker_that_starts_while_the_audio_host_is_down_uses_no_receives_up(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    wav = recordings.tone(0.3)
    with Proxy(audio_host.port) as proxy:
        proxy.fault(Fault.REFUSE)
        for number in range(40):
            audio_host.serve(f"/{number}", Response(wav))
            pipeline.add(f"http://127.0.0.1:{proxy.port}/{number}")
        with pipeline.worker(**FOR_EVER, **NARROW, **SOON) as process:
            eventually(lambda: process.events("audio_host_down"))
            time.sleep(3)
            assert process_received(pipeline) >= 40 - 16 - 4
            proxy.fault(Fault.NONE)
            eventually(lambda: pipeline.left() == 0)
            drain(process)
    assert_each_has_one_result(pipeline)
    assert received_again(pipeline) <= FAILURES


def held(pipeline: Pipeline) -> bool:
    """Return whether an item of the dead host still waits in the worker."""
    return len([row for row in pipeline.rows() if row["error"]]) < 12


def test_an_outage_of_sqs_is_one_line_at_each_end_and_settles_everything_after(
    pipeline: Pipeline, audio_host: AudioHost, services: LocalServices
) -> None:
    add_many(pipeline, audio_host, 30, seconds_before=0.1)
    target = urlsplit(services.aws_endpoint_url).port
    assert target is not None
    with Proxy(target) as proxy:
        through = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}",
            "SQS_QUEUE_URL": pipeline.queue_url.replace(str(target), str(proxy.port)),
        }
        with pipeline.worker(**FOR_EVER, **NARROW, **through) as process:
            eventually(lambda: len(pipeline.results()) >= 2)
            proxy.fault(Fault.REFUSE)
            eventually(lambda: process.events("sqs_settlement_reachable"))
            time.sleep(2)
            proxy.fault(Fault.NONE)
            eventually(lambda: pipeline.left() == 0)
            drain(process)
    assert_each_has_one_result(pipeline)
    assert {one["receive_count"] for one in pipeline.results()} == {1}
    for event in ("sqs_receive_reachable", "sqs_settlement_reachable"):
        states = [line["reachable"] for line in process.events(event)]
        assert states in ([], [False, True])
