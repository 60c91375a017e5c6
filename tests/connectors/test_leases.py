"""Leases and settlement against a strict SQS: each delivery is settled exactly once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from connectors.sqs.leases import Leases, Phase
from connectors.sqs.requests import Requests
from connectors.sqs.settlement import LINGER_SECONDS, Settlement
from connectors.sqs.stats import Stats
from tests.connectors.fake_sqs import Clock, StrictSqs

TIMEOUT = 30.0
PERMITS = 25


class Consuming:
    """Leases and a settlement on a strict queue, turned by hand."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.sqs = StrictSqs(self.clock)
        self.stats = Stats()
        self.settled: list[tuple[str, str]] = []
        self.leases = Leases(
            permits=PERMITS, visibility_timeout=TIMEOUT, clock=self.clock
        )
        requests = Requests("http://queue", self.stats)
        self.settlement = Settlement(
            delete=requests.of(self.sqs.delete_message_batch, "delete"),
            change=requests.of(self.sqs.change_message_visibility_batch, "change"),
            leases=self.leases,
            stats=self.stats,
            on_failure=self._fail,
            on_settled=lambda message_id, how: self.settled.append((message_id, how)),
            clock=self.clock,
            jitter=random.Random(0),
        )

    def _fail(self, error: Exception) -> None:
        raise error

    def receive(self, most: int = 10) -> list[str]:
        """Receive as a poller does; return what is new."""
        permits = self.leases.take_permits(most, patience=0)
        got = self.sqs.receive(permits, TIMEOUT)
        new = [m for m, handle in got if self.leases.register(m, handle)]
        self.leases.give_permits(permits - len(got))
        return new

    def turn(self, seconds: float = LINGER_SECONDS) -> None:
        """Let the time pass in which a batch waits for company, then settle."""
        self.clock.pass_(seconds)
        self.settlement.turn()

    def free(self) -> int:
        """Return the permits that can be taken now."""
        taken = self.leases.take_permits(PERMITS, patience=0)
        self.leases.give_permits(taken)
        return taken


@pytest.fixture
def consuming() -> Consuming:
    return Consuming()


def test_deletes_go_in_tens_with_distinct_ids(consuming: Consuming) -> None:
    for number in range(23):
        consuming.sqs.put(f"m{number}")
    held = [m for _ in range(3) for m in consuming.receive()]
    consuming.settlement.delete(held)
    consuming.turn()
    assert sorted(consuming.sqs.deleted) == sorted(held)
    assert consuming.stats["requests.delete"] == 3
    assert consuming.free() == PERMITS


def test_one_entry_that_fails_fails_no_other_and_is_tried_again(
    consuming: Consuming,
) -> None:
    for number in range(10):
        consuming.sqs.put(f"m{number}")
    held = consuming.receive()
    consuming.sqs.fail_entries = 1
    consuming.settlement.delete(held)
    consuming.turn()
    assert len(consuming.sqs.deleted) == 9
    assert len(consuming.leases) == 1
    consuming.turn(5)
    assert sorted(consuming.sqs.deleted) == sorted(held)
    assert consuming.stats["delete_failures"] == 1


def test_a_delete_is_tried_for_as_long_as_sqs_is_away_and_its_lease_kept(
    consuming: Consuming,
) -> None:
    consuming.sqs.put("m")
    consuming.settlement.delete(consuming.receive())
    consuming.sqs.fail_requests = 5
    for _ in range(40):
        consuming.turn(1)
    assert consuming.sqs.deleted == ["m"]
    assert consuming.free() == PERMITS


def test_a_held_delivery_is_hidden_for_hours(consuming: Consuming) -> None:
    consuming.sqs.put("m")
    assert consuming.receive() == ["m"]
    assert consuming.leases.begin("m")
    for _ in range(11 * 3600 // 5):
        consuming.turn(5)
        assert consuming.sqs.receive(10, TIMEOUT) == []


def test_no_lease_is_extended_beyond_what_sqs_allows(consuming: Consuming) -> None:
    consuming.sqs.put("m")
    consuming.receive()
    for _ in range(12 * 3600 // 5 + 10):
        consuming.turn(5)
    assert consuming.stats["lost"] == 1


def test_an_extension_that_fails_is_tried_again_before_the_lease_ends(
    consuming: Consuming,
) -> None:
    consuming.sqs.put("m")
    consuming.receive()
    consuming.sqs.fail_requests = 3
    for _ in range(60):
        consuming.turn(0.5)
        assert consuming.sqs.receive(10, TIMEOUT) == []


def test_a_lost_lease_is_counted_once_and_its_permit_comes_back(
    consuming: Consuming,
) -> None:
    consuming.sqs.put("m")
    consuming.receive()
    consuming.leases.begin("m")
    consuming.clock.pass_(TIMEOUT + 1)
    consuming.sqs.receive(10, TIMEOUT)  # another consumer has it now
    consuming.turn()
    assert consuming.stats["lost"] == 1
    assert consuming.free() == PERMITS - 1
    consuming.settlement.delete(["m"])
    consuming.turn()
    assert consuming.sqs.deleted == []
    assert consuming.free() == PERMITS
    assert consuming.settled == [("m", "lost")]


def test_a_copy_of_a_held_message_brings_only_a_newer_handle(
    consuming: Consuming,
) -> None:
    consuming.sqs.put("m")
    consuming.receive()
    permits = consuming.leases.take_permits(1, patience=0)
    assert permits == 1
    again = consuming.sqs.deliver("m", TIMEOUT)
    assert not consuming.leases.register(*again)
    consuming.settlement.delete(["m"])
    consuming.turn()
    assert consuming.sqs.deleted == ["m"]
    assert consuming.free() == PERMITS


def test_a_return_makes_a_message_visible_after_its_delay(consuming: Consuming) -> None:
    consuming.sqs.put("m")
    consuming.receive()
    consuming.settlement.return_(["m"], delay=7)
    consuming.turn()
    assert consuming.free() == PERMITS
    consuming.turn(6)
    assert consuming.receive() == []
    consuming.turn(1.1)
    assert consuming.receive() == ["m"]


def test_a_return_is_never_overtaken_by_an_extension(consuming: Consuming) -> None:
    consuming.sqs.put("m")
    consuming.receive()
    consuming.clock.pass_(TIMEOUT / 2)  # an extension is due
    consuming.settlement.return_(["m"])
    consuming.settlement.turn()
    assert consuming.receive() == ["m"]


def test_what_comes_again_while_its_return_is_on_the_way_is_a_new_delivery(
    consuming: Consuming,
) -> None:
    consuming.sqs.put("m")
    consuming.receive()
    consuming.settlement.return_(["m"])
    consuming.leases.take_permits(1, patience=0)
    again = consuming.sqs.deliver("m", TIMEOUT)
    assert consuming.leases.register(*again)
    consuming.turn()
    consuming.settlement.delete(["m"])
    consuming.turn()
    assert consuming.sqs.deleted == ["m"]
    assert consuming.free() == PERMITS


def test_what_was_not_begun_can_be_told_from_what_was(consuming: Consuming) -> None:
    consuming.sqs.put("a")
    consuming.sqs.put("b")
    consuming.receive()
    assert consuming.leases.begin("a")
    assert not consuming.leases.begin("a")
    assert not consuming.leases.begin("unknown")
    assert consuming.leases.ids(Phase.HELD) == ["b"]
    consuming.settlement.return_(["b"])
    assert not consuming.leases.begin("b")


def test_never_more_is_taken_than_can_be_held(consuming: Consuming) -> None:
    for number in range(PERMITS + 10):
        consuming.sqs.put(f"m{number}")
    for _ in range(5):
        consuming.receive()
    assert len(consuming.leases) == PERMITS
    assert consuming.leases.take_permits(10, patience=0) == 0


#: Seconds without a fault after which every lease is extended or known to be lost.
CLEAN_SECONDS = 25.0


class LeaseMachine(RuleBasedStateMachine):
    """Any order of receipts, ends, faults and time, with another consumer beside."""

    @initialize()
    def start(self) -> None:
        self.consuming = Consuming()
        self.sqs, self.clock = self.consuming.sqs, self.consuming.clock
        self.held: set[str] = set()
        self.delivered: Counter[str] = Counter()
        self.put: Counter[str] = Counter()
        self.clean = 0.0

    def _put(self, message_id: str) -> None:
        self.sqs.put(message_id)
        self.put[message_id] += 1

    def _take(self, message_ids: Iterable[str]) -> None:
        self.delivered.update(message_ids)
        self.held |= set(message_ids)

    @rule(count=st.integers(1, 12))
    def messages_are_sent(self, count: int) -> None:
        for _ in range(count):
            self._put(f"m{len(self.put)}")

    @rule(most=st.integers(1, 10))
    def some_are_received(self, most: int) -> None:
        new = self.consuming.receive(most)
        assert len(new) == len(set(new))
        self._take(new)

    @precondition(lambda self: self.sqs.messages)
    @rule(data=st.data())
    def one_comes_twice(self, data: st.DataObject) -> None:
        message_id = data.draw(st.sampled_from(sorted(self.sqs.messages)))
        if self.consuming.leases.take_permits(1, patience=0):
            delivery = self.sqs.deliver(message_id, TIMEOUT)
            if self.consuming.leases.register(*delivery):
                self._take([message_id])

    @precondition(lambda self: self.sqs.deleted)
    @rule(data=st.data())
    def one_comes_again_after_its_delete(self, data: st.DataObject) -> None:
        message_id = data.draw(st.sampled_from(sorted(set(self.sqs.deleted))))
        if message_id not in self.sqs.messages:
            self._put(message_id)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def one_is_begun(self, data: st.DataObject) -> None:
        message_id = data.draw(st.sampled_from(sorted(self.held)))
        if self.consuming.leases.begin(message_id):
            assert not self.consuming.leases.begin(message_id)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def some_are_done(self, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.sampled_from(sorted(self.held)), unique=True))
        self.consuming.settlement.delete(ids)
        self.held -= set(ids)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), delay=st.floats(0, 29))
    def some_are_returned(self, data: st.DataObject, delay: float) -> None:
        ids = data.draw(st.lists(st.sampled_from(sorted(self.held)), unique=True))
        self.consuming.settlement.return_(ids, delay)
        self.held -= set(ids)

    @rule(entries=st.integers(0, 15), requests=st.integers(0, 3))
    def sqs_fails(self, entries: int, requests: int) -> None:
        self.sqs.fail_entries, self.sqs.fail_requests = entries, requests
        self.clean = 0.0

    @rule(seconds=st.sampled_from([0.06, 0.5, 2.0, 9.0, 9.0, 29.0, 31.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        faulty = self.sqs.fail_entries or self.sqs.fail_requests or seconds > 10
        self.consuming.turn(seconds)
        self.clean = 0.0 if faulty else self.clean + seconds

    @precondition(lambda self: self.clean > CLEAN_SECONDS)
    @rule()
    def another_consumer_gets_nothing_that_is_held(self) -> None:
        for message_id, _ in self.sqs.receive(10, TIMEOUT):
            lease = self.consuming.leases.get(message_id)
            assert lease is None or lease.lost or lease.phase is Phase.RETURNING

    @invariant()
    def permits_never_leak(self) -> None:
        assert self.consuming.free() + len(self.consuming.leases) == PERMITS

    @invariant()
    def nothing_is_deleted_twice_or_extended_after_its_end(self) -> None:
        assert not Counter(self.sqs.deleted) - self.put
        assert not self.sqs.extended_after_end

    @invariant()
    def no_delivery_ends_twice(self) -> None:
        ends = Counter(message_id for message_id, _ in self.consuming.settled)
        assert not ends - self.delivered

    def teardown(self) -> None:
        if not hasattr(self, "consuming"):
            return
        self.sqs.fail_entries = self.sqs.fail_requests = 0
        self.consuming.settlement.delete(sorted(self.held))
        for _ in range(60):
            self.consuming.turn(1)
        assert len(self.consuming.leases) == 0
        assert self.consuming.free() == PERMITS
        ends = Counter(message_id for message_id, _ in self.consuming.settled)
        assert ends == self.delivered


TestLeaseMachine = LeaseMachine.TestCase
TestLeaseMachine.settings = settings(
    max_examples=40,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
