"""Leases and settlement against a strict SQS, turned by hand.

Any order of events: tests/connectors/test_lease_machine.py.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from connectors.sqs.clients import answer_seconds
from connectors.sqs.intents import LINGER_SECONDS
from connectors.sqs.lease import Phase
from connectors.sqs.leases import Leases
from connectors.sqs.requests import Requests
from connectors.sqs.settlement import Settlement
from connectors.sqs.stats import Stats
from tests.connectors.fake_sqs import Clock, StrictSqs
from tests.system.pipeline import eventually

TIMEOUT = 30.0
PERMITS = 25


class Consuming:
    """Leases and a settlement on a strict queue, turned by hand."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.sqs = StrictSqs(self.clock)
        self.stats = Stats()
        self.settled: list[tuple[str, str]] = []
        self.handles: dict[str, str] = {}
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
            on_settled=self._note_settled,
            clock=self.clock,
            jitter=random.Random(0),
        )

    def _fail(self, error: Exception) -> None:
        raise error

    def _note_settled(self, ended: Sequence[tuple[str, str]]) -> None:
        for message_id, how in ended:
            self._note_one(message_id, how)

    def _note_one(self, message_id: str, how: str) -> None:
        self.settled.append((message_id, how))
        message = self.sqs.messages.get(message_id)
        if how == "lost" and message is not None:
            hidden = message.visible_at > self.clock()
            ours = message.handle == self.handles[message_id]
            # It can have come anew between its end and the telling of it.
            again = self.leases.get(message_id) is not None
            assert again or not (hidden and ours)

    def _register(self, message_id: str, handle: str) -> bool:
        self.handles[message_id] = handle
        return self.leases.register(message_id, handle)

    def come_twice(self, message_id: str) -> str | None:
        """Let SQS deliver a message again; return its id where it is a new delivery."""
        if message_id not in self.sqs.messages:
            return None
        if not self.leases.take_permits(1, patience=0):
            return None
        new = self._register(*self.sqs.deliver(message_id, TIMEOUT))
        return message_id if new else None

    def receive(self, most: int = 10) -> list[str]:
        """Receive as a poller does; return what is new."""
        permits = self.leases.take_permits(most, patience=0)
        got = self.sqs.receive(permits, TIMEOUT)
        new = [m for m, handle in got if self._register(m, handle)]
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
    assert consuming.come_twice("m") is None
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
    assert consuming.come_twice("m") == "m"
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


def test_a_stream_of_deletes_does_not_starve_the_leases_of_what_takes_long(
    consuming: Consuming,
) -> None:
    number = count()
    for _ in range(11):
        consuming.sqs.put(f"m{next(number)}")
    slow, *quick = consuming.receive() + consuming.receive()
    consuming.leases.begin(slow)
    consuming.settlement.delete(quick)

    def goes_on() -> None:
        """Take two seconds for a request, and have ten more to delete after it."""
        consuming.clock.pass_(2)
        assert consuming.sqs.messages[slow].visible_at > consuming.clock()
        if len(consuming.sqs.deleted) < 200:
            for _ in range(10):
                consuming.sqs.put(f"m{next(number)}")
            consuming.settlement.delete(consuming.receive())
            consuming.sqs.meanwhile.append(goes_on)

    consuming.sqs.meanwhile.append(goes_on)
    consuming.turn()
    assert len(consuming.sqs.deleted) >= 200


def test_what_comes_again_and_is_begun_is_not_returned_with_its_earlier_delivery(
    consuming: Consuming,
) -> None:
    for number in range(11):
        consuming.sqs.put(f"m{number}")
    held = consuming.receive() + consuming.receive()

    def comes_again() -> None:
        assert consuming.come_twice("m10")
        assert consuming.leases.begin("m10")

    consuming.sqs.meanwhile.append(comes_again)
    consuming.settlement.return_(held)
    consuming.turn()
    assert consuming.sqs.messages["m10"].visible_at > consuming.clock()
    assert consuming.free() == PERMITS - 1
    assert sorted(consuming.settled) == sorted((m, "returned") for m in held)


def test_what_comes_again_while_its_return_is_answered_ends_once(
    consuming: Consuming,
) -> None:
    consuming.sqs.put("m")
    consuming.receive()

    def comes_again() -> None:
        assert consuming.come_twice("m")
        consuming.settlement.delete(["m"])

    consuming.sqs.meanwhile.append(comes_again)
    consuming.settlement.return_(["m"])
    consuming.turn()
    consuming.turn()
    assert consuming.sqs.deleted == ["m"]
    assert consuming.settled == [("m", "returned"), ("m", "deleted")]


def test_what_comes_again_while_its_delete_is_answered_is_deleted_by_its_new_handle(
    consuming: Consuming,
) -> None:
    consuming.sqs.put("m")
    consuming.receive()
    consuming.sqs.meanwhile.append(lambda: consuming.come_twice("m"))
    consuming.settlement.delete(["m"])
    consuming.turn()
    assert consuming.sqs.deleted == []
    consuming.turn(1)
    assert consuming.sqs.deleted == ["m"]
    assert consuming.settled == [("m", "deleted")]


def test_what_was_lost_and_comes_again_is_kept_from_then_on(
    consuming: Consuming,
) -> None:
    consuming.sqs.put("m")
    consuming.receive()
    consuming.turn(TIMEOUT + 1)
    assert consuming.stats["lost"] == 1
    assert consuming.come_twice("m") is None
    for _ in range(20):
        consuming.turn(9)
        assert consuming.sqs.receive(10, TIMEOUT) == []


def test_what_is_deleted_though_lost_on_its_way_back_ends_once(
    consuming: Consuming,
) -> None:
    consuming.sqs.put("m")
    (message_id,) = consuming.receive()
    consuming.settlement.return_([message_id])
    # An extension that was under way when the return was asked is answered.
    assert consuming.leases.lose(message_id, consuming.handles[message_id])
    consuming.clock.pass_(TIMEOUT + 1)
    consuming.settlement.delete([message_id])
    consuming.turn()
    assert consuming.settled == [("m", "lost")]
    assert consuming.free() == PERMITS


def test_what_is_deleted_while_its_return_waits_is_deleted_and_ends_once(
    consuming: Consuming,
) -> None:
    consuming.sqs.put("m")
    consuming.receive()
    consuming.settlement.return_(["m"])
    consuming.settlement.delete(["m"])
    consuming.settlement.return_(["m"])
    consuming.turn()
    assert consuming.sqs.deleted == ["m"]
    assert consuming.settled == [("m", "deleted")]
    assert consuming.free() == PERMITS


def test_a_lease_outlives_an_outage_of_half_its_time(consuming: Consuming) -> None:
    consuming.sqs.put("m")
    consuming.receive()
    for _ in range(40):
        consuming.turn(0.249)  # an outage begins at any moment between two extensions
        began = consuming.clock()
        while consuming.clock() < began + TIMEOUT / 2:
            consuming.sqs.fail_requests = 100
            consuming.turn(0.2)
        # The last try hangs for as long as one may, and SQS is back meanwhile.
        consuming.clock.pass_(answer_seconds(TIMEOUT))
        consuming.sqs.fail_requests = 0
        consuming.turn(1)
        assert consuming.sqs.receive(10, TIMEOUT) == []


@pytest.mark.parametrize(
    ("wanted", "given"), [((5, 5), [10]), ((10, 3), [3, 10]), ((3, 10), [13])]
)
def test_all_who_wait_for_permits_are_woken_when_there_are_enough(
    wanted: tuple[int, ...], given: list[int]
) -> None:
    leases = Leases(permits=20, visibility_timeout=TIMEOUT)
    assert leases.take_permits(20, patience=0) == 20
    with ThreadPoolExecutor(len(wanted)) as threads:
        waiting = [threads.submit(leases.take_permits, most, 30) for most in wanted]
        eventually(lambda: len(leases._wanted) == len(wanted))
        for count in given:
            leases.give_permits(count)
        taken = [one.result(timeout=10) for one in waiting]
    assert taken == list(wanted)


def test_who_leaves_permits_to_others_takes_all_it_wants_or_none() -> None:
    leases = Leases(permits=30, visibility_timeout=TIMEOUT)
    assert leases.take_permits(10, patience=0, beyond=20) == 10
    assert leases.take_permits(10, patience=0, beyond=20) == 0
    assert leases.take_permits(10, patience=0, beyond=5) == 10
    assert leases.take_permits(20, patience=0) == 10


def test_who_wants_fewest_is_woken_first_and_wakes_the_next() -> None:
    leases = Leases(permits=30, visibility_timeout=TIMEOUT)
    assert leases.take_permits(30, patience=0) == 30
    with ThreadPoolExecutor(2) as threads:
        second = threads.submit(leases.take_permits, 10, 30, beyond=10)
        first = threads.submit(leases.take_permits, 10, 30)
        eventually(lambda: len(leases._wanted) == 2)
        leases.give_permits(10)
        assert first.result(timeout=10) == 10
        assert not second.done()
        leases.give_permits(20)
        assert second.result(timeout=10) == 10
