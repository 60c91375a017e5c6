"""Discoveries told to end while a system is away: they do soon, and lose nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from connectors.local import LocalServices
from tests.chaos.proxy import Fault
from tests.system.discoveries import TEST_DATE, Discoveries, Running, behind
from tests.system.pipeline import ROOT, Pipeline

ROWS, PAGE = 3000, 30
RUN = ("--mode", "backfill", "--batch-size", str(PAGE))
#: Seconds in which a run has to end, and in which an outage reaches all of its threads.
SOON_SECONDS, SPREAD_SECONDS = 25, 1.5


@pytest.fixture
def discoveries(pipeline: Pipeline) -> Discoveries:
    found = Discoveries(pipeline)
    found.add_rows(ROWS)
    return found


def lines(running: Running) -> list[str]:
    """Return what a run says to people."""
    return [line for line in running.stderr.splitlines() if line[:1] != "{"]


def ended_in_an_outage(
    discoveries: Discoveries,
    services: LocalServices,
    system: str,
    fault: Fault,
    processes: str,
) -> Running:
    """Return a run that a signal has ended while a system was away."""
    with behind(services, system) as (proxy, variables):
        running = discoveries.start(
            *RUN, **variables, DISCOVERY_SEND_PROCESSES=processes
        )
        discoveries.wait_for_its_middle(running)
        proxy.fault(fault)
        time.sleep(SPREAD_SECONDS)
        others = psutil.Process(running.pid).children(recursive=True)
        os.kill(running.pid, signal.SIGTERM)
        try:
            assert running.wait(SOON_SECONDS) == 128 + signal.SIGTERM, running.stderr
        finally:
            running.kill()
        assert not psutil.wait_procs(others, timeout=5)[1]
    return running


@pytest.mark.parametrize(
    ("system", "fault", "processes"),
    [
        ("sqs", Fault.REFUSE, "0"),
        ("sqs", Fault.REFUSE, "2"),
        ("sqs", Fault.HANG, "0"),
        ("sqs", Fault.HANG, "2"),
        ("mongo", Fault.REFUSE, "0"),
        ("mongo", Fault.HANG, "0"),
        ("postgres", Fault.REFUSE, "0"),
        ("postgres", Fault.HANG, "0"),
    ],
)
def test_a_signal_in_an_outage_ends_it_soon_and_another_run_sends_the_rest(
    discoveries: Discoveries,
    services: LocalServices,
    system: str,
    fault: Fault,
    processes: str,
) -> None:
    running = ended_in_an_outage(discoveries, services, system, fault, processes)
    assert running.summary["failed"] == 0
    assert running.events("record_not_sent") == running.events("dependency_up") == []
    first = discoveries.take_ids()
    assert 0 < running.summary["sent"] <= len(set(first))
    again = discoveries.run(*RUN)
    both = first + discoveries.take_ids()
    assert set(both) == {str(row) for row in discoveries.rows}
    assert len(both) - ROWS <= (PAGE if system != "sqs" else PAGE + 80)
    assert again.events("discovery_resumed")
    late = "earshot: mongo is unavailable: how far the run came is not written down"
    said = [line.partition(" after")[0] for line in lines(running)]
    assert said == ([late] if system == "mongo" else [])


@pytest.mark.parametrize(("system", "processes"), [("postgres", "0"), ("sqs", "2")])
def test_what_hangs_holds_no_end_under_bytewax(
    discoveries: Discoveries, services: LocalServices, system: str, processes: str
) -> None:
    flow = (
        f"flows.discovery:get_flow('{TEST_DATE}', mode='backfill', batch_size={PAGE})"
    )
    with behind(services, system) as (proxy, variables):
        variables["DISCOVERY_SEND_PROCESSES"] = processes
        worker = discoveries.pipeline.worker("-m", "bytewax.run", flow, **variables)
        with worker as running:
            discoveries.wait_for_sent(100)
            proxy.fault(Fault.HANG)
            time.sleep(SPREAD_SECONDS)
            running.signal(signal.SIGTERM)
            assert running.wait(SOON_SECONDS) == 128 + signal.SIGTERM, running.stderr
    summary = json.loads(running.stdout)
    assert 0 < summary["sent"] <= discoveries.pipeline.left()
    assert summary["failed"] == 0


@pytest.mark.parametrize("gone", ["stderr", "both"])
def test_a_run_whose_reader_died_of_the_same_signal_ends_with_it(
    discoveries: Discoveries, gone: str
) -> None:
    """As ``discover 2>&1 | tee log`` does at a Ctrl-C."""
    with subprocess.Popen(
        [sys.executable, "run_flow.py", "discover", *RUN],
        cwd=ROOT,
        env=discoveries.pipeline.settings(TEST_DATE=TEST_DATE, LOG_FORMAT="json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout and process.stderr
        try:
            discoveries.wait_for_sent(200)
            process.stderr.close()
            if gone == "both":
                process.stdout.close()
            process.send_signal(signal.SIGINT)
            assert process.wait(SOON_SECONDS) == 128 + signal.SIGINT
            assert gone == "both" or b'"sent":' in process.stdout.read()
        finally:
            process.kill()
    sent = discoveries.take_ids()
    assert discoveries.run(*RUN).events("discovery_resumed")
    sent += discoveries.take_ids()
    assert len(set(sent)) == ROWS
    assert len(sent) - ROWS <= PAGE
