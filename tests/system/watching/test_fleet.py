"""Several workers under one parent: one server answers for all of them."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from flows.watching import catalogue
from tests import recordings
from tests.audio_host import AudioHost, Response
from tests.ports import free_port
from tests.system.pipeline import Pipeline, WorkerProcess, eventually
from tests.system.test_outputs import listening
from tests.system.watching.test_health import get
from tests.system.watching.test_metrics import scrape

COMMAND = ("run_flow.py", "worker", "--processes", "2")


@contextmanager
def fleet(pipeline: Pipeline, **more: str) -> Iterator[tuple[WorkerProcess, int]]:
    """Two workers that are ready, and the port of their parent."""
    port = free_port()
    settings = {"METRICS_PORT": str(port), "IDLE_EXIT_SECONDS": "0"}
    settings |= {"DRAIN_TIMEOUT_SECONDS": "3", **more}
    with pipeline.worker(*COMMAND, **settings) as parent:
        try:
            eventually(lambda: ready(port))
            yield parent, port
        finally:
            for pid in workers(parent):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
                    os.kill(pid, signal.SIGKILL)


def ready(port: int) -> bool:
    return get(port, "/ready")[0] == 200


def workers(parent: WorkerProcess) -> list[int]:
    """Return the process ids of the workers, in the order of their start."""
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(parent.pid).children()
        found = [x.pid for x in children if "--multiprocessing-fork" in x.cmdline()]
        return sorted(found)
    return []


def total(port: int, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples over the workers."""
    return sum(
        sample.value
        for family in scrape(port).values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def by_worker(port: int, name: str) -> dict[str, float]:
    return {
        sample.labels["worker"]: sample.value
        for family in scrape(port).values()
        for sample in family.samples
        if sample.name == name
    }


def test_one_server_tells_the_metrics_of_all_workers(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    with fleet(pipeline, MAX_CONCURRENCY="1", BATCH_SIZE="1") as (parent, port):
        slow = Response(recordings.tone(), seconds_before=1.0)
        for number in range(6):
            pipeline.add(audio_host.serve(f"/{number}.wav", slow))
        eventually(lambda: total(port, "earshot_messages_deleted_total") == 6)
        deleted = by_worker(port, "earshot_messages_deleted_total")
        assert set(deleted) == {"0", "1"}
        assert all(deleted.values())
        stage = {"stage": "download"}
        assert total(port, "earshot_stage_seconds_count", **stage) == 6
        found = scrape(port)
        names = {name.removesuffix("_info") for name in found}
        assert names >= {one.name for one in (*catalogue.WORKER, *catalogue.FLEET)}
        assert by_worker(port, "earshot_worker_up") == {"0": 1, "1": 1}
        assert by_worker(port, "earshot_build_info") == {"0": 1, "1": 1}


def test_only_the_parent_listens_and_on_loopback(pipeline: Pipeline) -> None:
    with fleet(pipeline) as (parent, port):
        assert listening(parent.pid) == {f"0100007F:{port:04X}"}
        assert [listening(pid) for pid in workers(parent)] == [set(), set()]
        assert get(port, "/live")[0] == 200


def test_each_worker_is_listed(pipeline: Pipeline) -> None:
    with fleet(pipeline) as (parent, port):
        status, parts = get(port, "/ready")
        assert status == 200 and parts["ok"] is True
        for index in range(2):
            assert parts[f"worker {index}"] == {
                "ok": True,
                **dict.fromkeys(("queue", "mongo", "postgres"), "ok"),
                **dict.fromkeys(("model", "breakers"), "ok"),
            }
        status, parts = get(port, "/live")
        assert parts["parent"] == "ok"
        assert parts["worker 1"]["polling"] == "ok"


def test_a_worker_that_hangs_makes_the_parent_fail_its_health_check(
    pipeline: Pipeline,
) -> None:
    with fleet(pipeline) as (parent, port):
        hung = workers(parent)[1]
        os.kill(hung, signal.SIGSTOP)
        eventually(lambda: get(port, "/live")[0] == 503)
        status, parts = get(port, "/live")
        assert status == 503
        assert parts["worker 1"] == "no answer within 2.5 s"
        assert parts["worker 0"]["ok"] is True
        assert by_worker(port, "earshot_worker_up") == {"0": 1, "1": 0}
        assert set(by_worker(port, "earshot_messages_in_flight")) == {"0"}
        os.kill(hung, signal.SIGCONT)
        eventually(lambda: get(port, "/live")[0] == 200)
        eventually(lambda: set(by_worker(port, "earshot_worker_up").values()) == {1})


def test_a_worker_that_is_killed_leaves_no_gauge_and_no_file(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    before = leftovers(pipeline.folder)
    with fleet(pipeline, TMPDIR=str(pipeline.folder)) as (parent, port):
        slow = Response(recordings.tone(), seconds_before=30.0)
        for number in range(2):
            pipeline.add(audio_host.serve(f"/{number}.wav", slow))
        eventually(lambda: total(port, "earshot_messages_in_flight") == 2)
        for pid in workers(parent):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: total(port, "earshot_worker_restarts_total") == 2)
        eventually(lambda: ready(port))
        assert total(port, "earshot_messages_in_flight") == 0
        assert by_worker(port, "earshot_worker_up") == {"0": 1, "1": 1}
        parent.signal(signal.SIGTERM)
        assert parent.wait() == 0
    assert leftovers(pipeline.folder) == before


def leftovers(folder: Path) -> set[str]:
    """Return the files in a worker's folder that are no output of it."""
    names = {path.name for path in folder.rglob("*") if not path.is_dir()}
    return {name for name in names if not name.endswith((".csv", ".log", ".jsonl"))}


def test_while_a_worker_is_replaced_the_parent_is_live_and_not_ready(
    pipeline: Pipeline,
) -> None:
    with fleet(pipeline) as (parent, port):
        os.kill(workers(parent)[0], signal.SIGKILL)
        seen: list[tuple[int, object]] = []

        def replaced() -> bool:
            assert get(port, "/live")[0] == 200
            status, parts = get(port, "/ready")
            seen.append((status, parts["worker 0"]))
            return status == 200 and len(seen) > 1 and seen[-2][0] == 503

        eventually(replaced)
        assert (503, "it is starting") in seen


def test_workers_whose_port_is_taken_work_without_metrics(
    pipeline: Pipeline, audio_host: AudioHost
) -> None:
    pipeline.add(audio_host.serve("/a.wav", Response(recordings.tone())))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        parent = pipeline.run(*COMMAND, METRICS_PORT=port)
    assert parent.exit_code == 0
    assert len(parent.events("metrics_unavailable")) == 1
    assert len(pipeline.results()) == 1


@pytest.mark.parametrize("path", ["/live", "/ready"])
def test_workers_that_have_ended_well_are_not_missed(
    path: str, pipeline: Pipeline
) -> None:
    with fleet(pipeline) as (parent, port):
        os.kill(workers(parent)[0], signal.SIGTERM)
        eventually(lambda: set(get(port, path)[1]) <= {"ok", "parent", "worker 1"})
        assert get(port, path)[0] == 200
