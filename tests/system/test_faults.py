"""What dies while a worker runs, and what becomes of the messages: nothing is lost."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections import Counter
from contextlib import ExitStack

import psutil
import pytest

from connectors.local import LocalServices
from tests import recordings
from tests.audio_host import AudioHost, Response
from tests.system.pipeline import Pipeline, WorkerProcess, eventually

#: Never ends by itself.
FOR_EVER = {"IDLE_EXIT_SECONDS": "0", "DRAIN_TIMEOUT_SECONDS": "4"}


def add_many(pipeline: Pipeline, host: AudioHost, count: int, **slow: float) -> None:
    wav = recordings.tone(0.5)
    for number in range(count):
        response = Response(wav, **slow)  # type: ignore[arg-type]
        pipeline.add(host.serve(f"/{number}.wav", response))


def assert_each_has_one_result(pipeline: Pipeline) -> None:
    results = Counter(result["trace_id"] for result in pipeline.results())
    assert results == Counter(message["trace_id"] for message in pipeline.sent)
    assert pipeline.left() == 0
    assert pipeline.left(pipeline.dead_letter_url) == 0


def has_started(process: WorkerProcess) -> bool:
    assert process.exit_code is None, process.stderr
    return bool(process.events("worker_started"))


def test_of_two_workers_one_is_killed_and_one_drained_and_nothing_is_lost(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    wav = recordings.tone(0.3)
    url = audio_host.serve("/a.wav", Response(wav))
    for number in range(500):
        pipeline.add(f"{url}?{number}")
    for number in range(500):
        audio_host.serve(f"/a.wav?{number}", Response(wav))
    quick = {**FOR_EVER, "VISIBILITY_TIMEOUT_SECONDS": "4", "MAX_CONCURRENCY": "64"}
    with (
        pipeline.worker(**quick) as killed,
        pipeline.worker(**quick) as drained,
    ):
        eventually(lambda: len(pipeline.results()) >= 100)
        killed.signal(signal.SIGKILL)
        drained.signal(signal.SIGTERM)
        assert drained.wait() == 0, drained.stderr
        assert killed.wait() == -signal.SIGKILL
    assert len(drained.events("worker_drained")) == 1
    assert 100 <= len(pipeline.results()) < 500
    with pipeline.worker(**quick) as first, pipeline.worker(**quick) as second:
        eventually(lambda: pipeline.left() == 0)
        for process in (first, second):
            process.signal(signal.SIGTERM)
        assert (first.wait(), second.wait()) == (0, 0)
    assert_each_has_one_result(pipeline)
    # Between a result and its row the killed worker may have died: then the row is
    # that of the next delivery, which found the result.
    rows = pipeline.rows() + pipeline.rows("results.1.csv")
    ended = {row["trace_id"]: row["processing_status"] for row in rows}
    assert set(ended) == {message["trace_id"] for message in pipeline.sent}
    assert set(ended.values()) <= {"completed", "skipped_existing"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_a_batch_finishes_what_is_begun_and_returns_the_rest(
    pipeline: Pipeline, audio_host: AudioHost, number: signal.Signals
) -> None:
    add_many(pipeline, audio_host, 60, seconds_before=0.5)
    with pipeline.worker(**FOR_EVER, DOWNLOAD_MAX_CONCURRENCY="4") as process:
        eventually(lambda: len(pipeline.results()) >= 4)
        process.signal(number)
        assert process.wait() == 0, process.stderr
    (drained,) = process.events("worker_drained")
    assert drained["in_time"] is True
    done = len(pipeline.results())
    assert 4 <= done < 60
    # What is back is visible at once, and no other is on the queue.
    answer = pipeline.sqs.get_queue_attributes(
        QueueUrl=pipeline.queue_url, AttributeNames=["All"]
    )["Attributes"]
    assert int(answer["ApproximateNumberOfMessages"]) == 60 - done
    assert int(answer["ApproximateNumberOfMessagesNotVisible"]) == 0
    assert "Traceback" not in process.stderr
    assert_no_process_is_left(process.pid)


def test_a_drain_that_takes_too_long_returns_what_is_left(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    add_many(pipeline, audio_host, 3, seconds_before=30)
    with pipeline.worker(**{**FOR_EVER, "DRAIN_TIMEOUT_SECONDS": "1"}) as process:
        asked = [f"/{number}.wav" for number in range(3)]
        eventually(lambda: all(map(audio_host.requests, asked)))
        process.signal(signal.SIGTERM)
        assert process.wait(15) == 0
    (drained,) = process.events("worker_drained")
    assert (drained["in_time"], drained["returned"]) == (False, 3)
    answer = pipeline.sqs.receive_message(
        QueueUrl=pipeline.queue_url, MaxNumberOfMessages=10
    )
    assert len(answer["Messages"]) == 3


def test_a_second_signal_ends_at_once(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    add_many(pipeline, audio_host, 3, seconds_before=30)
    with pipeline.worker(**FOR_EVER) as process:
        eventually(lambda: audio_host.requests("/0.wav"))
        children = psutil.Process(process.pid).children(recursive=True)
        process.signal(signal.SIGTERM)
        time.sleep(0.5)
        began = time.monotonic()
        process.signal(signal.SIGTERM)
        assert process.wait(5) == 128 + signal.SIGTERM
        assert time.monotonic() - began < 2
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert not alive


def test_a_worker_that_is_killed_leaves_no_process(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    add_many(pipeline, audio_host, 1)
    with pipeline.worker(**FOR_EVER) as process:
        eventually(lambda: pipeline.results())
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.signal(signal.SIGKILL)
        process.wait()
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert not alive


def assert_no_process_is_left(pid: int) -> None:
    eventually(lambda: not _with_parent(pid), seconds=5)


def _with_parent(pid: int) -> list[int]:
    return [p.pid for p in psutil.process_iter(["ppid"]) if p.info["ppid"] == pid]


def test_a_service_that_is_down_at_the_start_ends_the_worker_with_1_and_a_line(
    pipeline: Pipeline,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    down = {
        "mongo": {"MONGO_URI": f"mongodb://127.0.0.1:{port}"},
        "postgres": {"POSTGRES_DSN": f"host=127.0.0.1 port={port}"},
        "sqs": {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"},
    }
    with ExitStack() as stack:
        processes = {
            name: stack.enter_context(pipeline.worker(**variables))
            for name, variables in down.items()
        }
        for name, process in processes.items():
            assert process.wait() == 1
            (line,) = process.stderr.splitlines()
            assert line.startswith(f"earshot: {name} is unavailable: ")


def test_a_queue_that_does_not_exist_ends_the_worker_with_1_and_a_line(
    pipeline: Pipeline,
) -> None:
    process = pipeline.run(SQS_QUEUE_URL=pipeline.queue_url + "-none")
    assert process.exit_code == 1
    (line,) = process.stderr.splitlines()
    assert "does not exist" in line


def test_a_queue_that_is_deleted_ends_the_worker_with_1_and_a_line(
    pipeline: Pipeline,
) -> None:
    with pipeline.worker(**{**FOR_EVER, "DRAIN_TIMEOUT_SECONDS": "1"}) as process:
        eventually(lambda: has_started(process))
        pipeline.sqs.delete_queue(QueueUrl=pipeline.queue_url)
        assert process.wait(30) == 1
    lines = [x for x in process.stderr.splitlines() if not x.startswith("{")]
    assert len(lines) == 1 and "does not exist" in lines[0], process.stderr


def test_a_table_that_does_not_exist_ends_the_worker_with_1_and_a_line(
    pipeline: Pipeline,
) -> None:
    process = pipeline.run(POSTGRES_TABLE='no"such')
    assert process.exit_code == 1
    assert "there is no table" in process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("name", ["mongo", "postgres"])
def test_an_outage_in_the_middle_costs_nothing_but_time(
    pipeline: Pipeline, audio_host: AudioHost, services: LocalServices, name: str
) -> None:
    add_many(pipeline, audio_host, 40, seconds_before=0.1)
    options = {"DOWNLOAD_MAX_CONCURRENCY": "2", "MAX_CONCURRENCY": "16"}
    with pipeline.worker(**FOR_EVER, **options, BATCH_SIZE="4") as process:
        eventually(lambda: len(pipeline.results()) >= 4)
        services.stop(name)
        try:
            eventually(lambda: process.events("dependency_down"))
            time.sleep(2)
            received = process_received(pipeline)
            time.sleep(1)
            assert process_received(pipeline) == received
            assert process.exit_code is None, process.stderr
        finally:
            services.start(name)
        eventually(lambda: pipeline.left() == 0)
        process.signal(signal.SIGTERM)
        assert process.wait() == 0, process.stderr
    assert_each_has_one_result(pipeline)
    assert {result["receive_count"] for result in pipeline.results()} == {1}
    assert process.events("dependency_up")


def process_received(pipeline: Pipeline) -> int:
    """Return how many messages are visible still: receiving lowers it."""
    answer = pipeline.sqs.get_queue_attributes(
        QueueUrl=pipeline.queue_url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def test_a_long_download_outlives_many_leases_and_is_delivered_once(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    add_many(pipeline, audio_host, 2, seconds_before=4)
    process = pipeline.run(VISIBILITY_TIMEOUT_SECONDS="1")
    assert process.exit_code == 0
    assert audio_host.requests("/0.wav") == 1
    assert {result["receive_count"] for result in pipeline.results()} == {1}


def test_a_failed_item_comes_back_and_ends_in_the_dead_letter_queue(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    pipeline.add(audio_host.serve("/a.wav", Response(status=503)))
    process = pipeline.run(RETRY_BACKOFF_SECONDS="0.1", RETRY_BACKOFF_MAX_SECONDS="0.1")
    assert process.exit_code == 0
    counts = [row["receive_count"] for row in pipeline.rows()]
    assert counts == ["1", "2", "3", "4", "5"]
    assert pipeline.left(pipeline.dead_letter_url) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes of POSIX")
def test_several_processes_share_a_queue_and_write_a_file_each(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    add_many(pipeline, audio_host, 40, seconds_before=0.05)
    process = pipeline.run("run_flow.py", "worker", "--processes", "2", "--until-empty")
    assert process.exit_code == 0, process.stderr
    assert process.stdout == ""
    assert_each_has_one_result(pipeline)
    assert len(process.events("worker_drained")) == 2
    rows = pipeline.rows() + pipeline.rows("results.1.csv")
    assert len(rows) == 40


def test_the_workers_of_a_parent_that_is_killed_drain_and_end(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    arguments = ("run_flow.py", "worker", "--processes", "2")
    with pipeline.worker(*arguments, **FOR_EVER) as process:
        eventually(lambda: len(process.events("worker_started")) == 2)
        children = psutil.Process(process.pid).children(recursive=True)
        process.signal(signal.SIGKILL)
        process.wait()
        gone, alive = psutil.wait_procs(children, timeout=15)
        assert not alive


def test_a_worker_that_is_killed_in_an_outage_is_replaced_after_it(
    pipeline: Pipeline, services: LocalServices
) -> None:
    arguments = ("run_flow.py", "worker", "--processes", "2")
    with pipeline.worker(*arguments, **FOR_EVER) as process:
        eventually(lambda: len(process.events("worker_started")) == 2)
        services.stop("mongo")
        try:
            workers_of(process)[0].kill()
            # The second says that a replacement could not start.
            eventually(lambda: len(process.events("worker_replaced")) == 2)
        finally:
            services.start("mongo")
        eventually(lambda: len(process.events("worker_started")) == 3)
        process.signal(signal.SIGTERM)
        assert process.wait() == 0, process.stderr


def workers_of(process: WorkerProcess) -> list[psutil.Process]:
    """Return the workers that a parent has started."""
    children = psutil.Process(process.pid).children()
    return [one for one in children if "spawn_main" in " ".join(one.cmdline())]
