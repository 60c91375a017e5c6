"""Discoveries whose systems go away in their middle: they cost nothing but time."""

from __future__ import annotations

import time

import psutil
import pytest

from connectors.local import LocalServices
from tests.chaos.proxy import Fault
from tests.system.discoveries import Discoveries, Running, behind
from tests.system.pipeline import Pipeline

ROWS = 3000
RUN = ("--mode", "backfill", "--batch-size", "30")
AWAY_SECONDS = 1.0
OTHERS = {"DISCOVERY_SEND_PROCESSES": "2"}


@pytest.fixture
def discoveries(pipeline: Pipeline) -> Discoveries:
    found = Discoveries(pipeline)
    found.add_rows(ROWS)
    return found


def children(running: Running) -> list[psutil.Process]:
    return list(psutil.Process(running.pid).children(recursive=True))


def senders(running: Running) -> list[psutil.Process]:
    """Return the processes that send for a run: those that its server forked."""
    return [one for one in children(running) if one.ppid() != running.pid]


@pytest.mark.parametrize("system", ["mongo", "postgres", "sqs"])
@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_system_that_is_away_is_waited_for(
    discoveries: Discoveries, services: LocalServices, system: str, processes: str
) -> None:
    with behind(services, system) as (proxy, variables):
        running = discoveries.start(
            *RUN, **variables, DISCOVERY_SEND_PROCESSES=processes
        )
        discoveries.wait_for_its_middle(running)
        proxy.fault(Fault.REFUSE)
        time.sleep(AWAY_SECONDS)
        before = discoveries.pipeline.left()
        time.sleep(AWAY_SECONDS)
        assert discoveries.pipeline.left() == before < ROWS
        proxy.fault(Fault.NONE)
        assert running.wait() == 0, running.stderr
    assert running.counts() == (ROWS, 0, ROWS, 0)
    sent = discoveries.take_ids()
    assert sorted(set(sent), key=int) == [str(row) for row in discoveries.rows]
    # A request whose answer was cut off goes again.
    assert len(sent) - ROWS <= (80 if system == "sqs" else 0)


def test_a_process_that_dies_while_it_sends_is_replaced(
    discoveries: Discoveries,
) -> None:
    running = discoveries.start(*RUN, **OTHERS)
    discoveries.wait_for_its_middle(running)
    senders(running)[0].kill()
    # If it had the pool's lock then, that stands still for a while.
    assert running.wait(150) == 0, running.stderr
    assert running.counts() == (ROWS, 0, ROWS, 0)
    assert set(discoveries.take_ids()) == {str(row) for row in discoveries.rows}


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_no_process_that_sends_outlives_its_run(
    discoveries: Discoveries, end: str
) -> None:
    running = discoveries.start(*RUN, **OTHERS)
    discoveries.wait_for_its_middle(running)
    others = children(running)
    assert len(senders(running)) == 2
    getattr(psutil.Process(running.pid), end)()
    running.wait()
    _, alive = psutil.wait_procs(others, timeout=20)
    assert not alive
    left = discoveries.pipeline.left()
    time.sleep(0.5)
    assert discoveries.pipeline.left() == left < ROWS


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_queue_that_is_gone_ends_it_with_one_line(
    discoveries: Discoveries, processes: str
) -> None:
    running = discoveries.start(*RUN, DISCOVERY_SEND_PROCESSES=processes)
    discoveries.wait_for_its_middle(running)
    discoveries.pipeline.sqs.delete_queue(QueueUrl=discoveries.pipeline.queue_url)
    assert running.wait() == 1
    said = [line for line in running.stderr.splitlines() if line[:1] != "{"]
    (line,) = said
    assert line.startswith("earshot: the queue ") and "does not exist" in line
