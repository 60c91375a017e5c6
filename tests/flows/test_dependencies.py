"""Circuits: who is asked while a system is down, and when it is asked again."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from connectors.download_errors import HostDown
from connectors.errors import Unavailable
from flows.audio_hosts import FAILURES, LATELY_SECONDS, PROBE_MAX_SECONDS, AudioHosts
from flows.circuit import WAIT_MAX_SECONDS, Circuit
from flows.dependencies import Dependencies
from tests.connectors.fake_sqs import Clock

DOWN = HostDown("the host answered 503")


def test_a_circuit_opens_after_failures_in_a_row_only() -> None:
    circuit = Circuit("a", failures=3)
    for _ in range(10):
        circuit.failed(DOWN)
        circuit.failed(DOWN)
        circuit.succeeded()
    assert not circuit.is_open
    assert [circuit.failed(DOWN) for _ in range(4)] == [False, False, True, False]
    assert circuit.is_open


def test_an_open_circuit_admits_one_after_each_wait_and_closes_by_its_answer() -> None:
    clock = Clock()
    circuit = Circuit("a", clock=clock)
    circuit.failed(DOWN)
    assert not circuit.admits()
    clock.pass_(WAIT_MAX_SECONDS)
    assert circuit.admits()
    assert [circuit.admits() for _ in range(5)] == [False] * 5
    circuit.failed(DOWN)
    assert not circuit.admits()
    clock.pass_(WAIT_MAX_SECONDS)
    assert circuit.admits()
    assert circuit.succeeded()
    assert all(circuit.admits() for _ in range(5))


def test_the_waits_of_a_circuit_grow_to_their_limit() -> None:
    clock = Clock()
    circuit = Circuit("a", clock=clock)
    waits = []
    for _ in range(12):
        circuit.failed(DOWN)
        began = clock.now
        while not circuit.admits():
            clock.pass_(0.05)
        waits.append(clock.now - began)
    assert waits[0] <= 0.55
    assert WAIT_MAX_SECONDS / 2 <= waits[-1] <= WAIT_MAX_SECONDS + 0.05


def test_work_that_takes_long_holds_up_no_other_caller() -> None:
    dependencies = Dependencies()
    both = threading.Barrier(4, timeout=10)
    with ThreadPoolExecutor(4) as executor:
        calls = [executor.submit(dependencies.call, both.wait) for _ in range(4)]
        assert len({call.result() for call in calls}) == 4


def test_callers_wait_for_a_system_that_is_down_and_one_at_a_time_tries() -> None:
    dependencies = Dependencies()
    together = threading.Barrier(4, timeout=10)
    first_try, alone = threading.local(), threading.Lock()
    tries = Counter[str]()

    def work() -> str:
        if not hasattr(first_try, "over"):
            first_try.over = True
            together.wait()
            raise Unavailable("mongo", "away")
        if tries["failed"] == 2:
            return "done"
        assert alone.acquire(blocking=False), "two try at once"
        tries["failed"] += 1
        alone.release()
        raise Unavailable("mongo", "away")

    with ThreadPoolExecutor(4) as executor:
        calls = [executor.submit(dependencies.call, work) for _ in range(4)]
        assert [call.result() for call in calls] == ["done"] * 4
    assert dependencies.down == frozenset()


def test_a_second_system_that_is_down_is_waited_for_too() -> None:
    dependencies = Dependencies()
    faults = ["mongo", "mongo", "postgres", "mongo"]
    seen = []

    def work() -> str:
        if faults:
            seen.append(dependencies.down)
            raise Unavailable(faults.pop(0), "away")
        return "done"

    assert dependencies.call(work) == "done"
    assert seen[1:] == [{"mongo"}, {"mongo"}, {"postgres"}]
    assert dependencies.down == frozenset()


def test_what_is_no_outage_is_raised_and_leaves_no_system_down() -> None:
    dependencies = Dependencies()
    faults: list[Exception] = [Unavailable("mongo", "away"), ValueError("a defect")]

    with pytest.raises(ValueError, match="a defect"):
        dependencies.call(lambda: raise_next(faults))
    assert dependencies.down == frozenset()


def raise_next(faults: list[Exception]) -> None:
    raise faults.pop(0)


def take_down(hosts: AudioHosts, name: str) -> None:
    for _ in range(FAILURES):
        hosts.failed(name, DOWN)


def test_a_host_that_is_down_before_it_ever_answered_is_an_outage_too() -> None:
    hosts = AudioHosts(Clock())
    take_down(hosts, "a")
    assert hosts.outage
    assert not hosts.has_answered("a")


def test_the_only_host_that_is_down_is_an_outage() -> None:
    hosts = AudioHosts(Clock())
    hosts.answered("a")
    take_down(hosts, "a")
    assert hosts.outage
    assert not hosts.is_down_alone("a")


def test_a_host_that_never_answered_is_down_alone_beside_one_that_did_lately() -> None:
    clock = Clock()
    hosts = AudioHosts(clock)
    hosts.answered("b")
    clock.pass_(1)
    take_down(hosts, "a")
    assert state(hosts) == (False, True)
    clock.pass_(LATELY_SECONDS)
    assert state(hosts) == (True, False)


def state(hosts: AudioHosts) -> tuple[bool, bool]:
    return hosts.outage, hosts.is_down_alone("a")


def test_a_host_that_is_down_beside_one_that_answers_is_down_alone() -> None:
    clock = Clock()
    hosts = AudioHosts(clock)
    hosts.answered("a")
    take_down(hosts, "a")
    assert state(hosts) == (True, False)
    clock.pass_(1)
    hosts.answered("b")
    assert state(hosts) == (False, True)
    clock.pass_(1)
    take_down(hosts, "b")
    assert state(hosts) == (True, False)


def test_a_host_that_answered_long_ago_says_nothing_about_an_outage() -> None:
    clock = Clock()
    hosts = AudioHosts(clock)
    hosts.answered("b")
    clock.pass_(LATELY_SECONDS + 1)
    take_down(hosts, "a")
    assert hosts.outage


def test_single_recordings_that_fail_among_others_take_no_host_down() -> None:
    hosts = AudioHosts(Clock())
    for _ in range(50):
        hosts.failed("a", DOWN)
        hosts.answered("a")
    assert not hosts.down


def test_in_an_outage_one_batch_is_received_now_and_then() -> None:
    clock = Clock()
    hosts = AudioHosts(clock)
    assert not hosts.forbid_receiving()
    take_down(hosts, "a")
    allowed = 0
    for _ in range(10 * int(PROBE_MAX_SECONDS)):
        clock.pass_(1)
        allowed += not hosts.forbid_receiving()
    # After 2, 6, 14, 30 seconds, and every 30 from then on.
    assert allowed == 4 + 9


def test_a_host_that_nobody_asks_for_any_more_is_no_outage_for_ever() -> None:
    clock = Clock()
    hosts = AudioHosts(clock)
    take_down(hosts, "misspelt")
    outages = [hosts.outage]
    clock.pass_(LATELY_SECONDS + 1)
    outages.append(hosts.outage)
    hosts.failed("misspelt", DOWN)
    outages.append(hosts.outage)
    assert outages == [True, False, True]


def test_a_thousand_hosts_that_are_down_leave_room_for_another() -> None:
    hosts = AudioHosts(Clock())
    for number in range(1500):
        take_down(hosts, f"host-{number}")
    assert hosts.is_down("host-1499") and not hosts.is_down("host-0")
    assert len(hosts._hosts) <= 1000


def test_any_number_of_hosts_takes_no_more_memory_than_that_of_a_thousand() -> None:
    hosts = AudioHosts(Clock())
    take_down(hosts, "down")
    for number in range(3000):
        hosts.answered(f"host-{number}")
    assert len(hosts._hosts) <= 1000
    assert hosts.is_down("down")
