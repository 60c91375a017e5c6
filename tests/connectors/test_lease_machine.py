"""Leases and settlement in any order of events, against a strict SQS.

Each delivery is settled exactly once, held permits never leak, nothing is extended
after its end, and what is held stays hidden.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from connectors.sqs.lease import Phase
from tests.connectors.test_leases import PERMITS, TIMEOUT, Consuming

#: Steps that a run must have made.
STEPS = 2000
#: Seconds without a fault after which every extension that failed was tried again.
CLEAN_SECONDS = 2.0
#: What is left of a lease after a turn without a fault.
LEFT_SECONDS = TIMEOUT * 2 / 3 - 0.001


class LeaseMachine(RuleBasedStateMachine):
    """Receipts, ends, faults and time, with another consumer beside."""

    steps = 0

    @initialize()
    def start(self) -> None:
        self.consuming = Consuming()
        self.sqs, self.clock = self.consuming.sqs, self.consuming.clock
        self.held: set[str] = set()
        self.delivered: Counter[str] = Counter()
        self.put: Counter[str] = Counter()
        self.clean = 0.0
        LeaseMachine.steps -= 1  # the look before the first step

    def _put(self, message_id: str) -> None:
        self.sqs.put(message_id)
        self.put[message_id] += 1

    def _take(self, message_ids: Iterable[str | None]) -> None:
        new = {one for one in message_ids if one is not None}
        self.delivered.update(new)
        self.held |= new

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
    @rule(data=st.data(), while_another_request_is_under_way=st.booleans())
    def one_comes_twice(
        self, data: st.DataObject, while_another_request_is_under_way: bool
    ) -> None:
        message_id = data.draw(st.sampled_from(sorted(self.sqs.messages)))

        def comes() -> None:
            self._take([self.consuming.come_twice(message_id)])

        if while_another_request_is_under_way:
            self.sqs.meanwhile.append(comes)
        else:
            comes()

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

    @precondition(lambda self: len(self.held) < len(self.delivered))
    @rule(data=st.data())
    def one_is_done_whatever_becomes_of_it(self, data: st.DataObject) -> None:
        message_id = data.draw(st.sampled_from(sorted(self.delivered)))
        self.consuming.settlement.delete([message_id])
        self.held.discard(message_id)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), done=st.booleans())
    def one_comes_again_while_it_ends(self, data: st.DataObject, done: bool) -> None:
        message_id = data.draw(st.sampled_from(sorted(self.held)))
        settlement = self.consuming.settlement
        (settlement.delete if done else settlement.return_)([message_id])
        self.held.discard(message_id)
        self.sqs.meanwhile.append(
            lambda: self._take([self.consuming.come_twice(message_id)])
        )

    @rule(entries=st.integers(0, 12), requests=st.integers(0, 2))
    def sqs_fails(self, entries: int, requests: int) -> None:
        self.sqs.fail_entries, self.sqs.fail_requests = entries, requests

    @rule(seconds=st.sampled_from([0.06, 0.5, 2.0, 9.0]))
    def a_while_passes(self, seconds: float) -> None:
        self._pass(seconds)

    @rule(seconds=st.sampled_from([3.0, 5.0, 9.0]))
    def another_while_passes(self, seconds: float) -> None:
        self._pass(seconds)

    @rule(seconds=st.sampled_from([29.0, 31.0, 400.0]))
    def the_process_stands_still_for_long(self, seconds: float) -> None:
        self._pass(seconds)
        self.clean = 0.0

    def _pass(self, seconds: float) -> None:
        faulty = self.sqs.fail_entries or self.sqs.fail_requests
        leases = [self.consuming.leases.get(id) for id in self.consuming.leases.ids()]
        returning = {x.message_id for x in leases if x and x.phase is Phase.RETURNING}
        asked = len(self.sqs.extensions)
        self.consuming.turn(seconds)
        assert not returning & set(self.sqs.extensions[asked:])
        self.clean = 0.0 if faulty else self.clean + seconds
        if self.clean >= CLEAN_SECONDS:
            self._look_at_leases()

    def _look_at_leases(self) -> None:
        """Look whether each delivery that is held is hidden, and for long enough."""
        for lease in map(self.consuming.leases.get, self.consuming.leases.ids()):
            if lease and lease.is_extendable:
                message = self.sqs.messages[lease.message_id]
                assert message.handle == lease.receipt_handle
                assert message.visible_at - self.clock() >= LEFT_SECONDS

    @precondition(lambda self: self.clean >= CLEAN_SECONDS)
    @rule()
    def another_consumer_gets_nothing_that_is_held(self) -> None:
        for message_id, _ in self.sqs.receive(10, TIMEOUT):
            lease = self.consuming.leases.get(message_id)
            assert lease is None or not lease.is_extendable

    @invariant()
    def permits_never_leak(self) -> None:
        LeaseMachine.steps += 1
        assert self.consuming.free() + len(self.consuming.leases) == PERMITS

    @invariant()
    def nothing_is_deleted_twice_or_extended_after_its_end(self) -> None:
        assert not Counter(self.sqs.deleted) - self.put
        assert not self.sqs.extended_after_end

    @invariant()
    def no_delivery_ends_twice_and_none_as_deleted_that_is_not(self) -> None:
        assert not self._ends() - self.delivered
        assert not self._ends("deleted") - Counter(self.sqs.deleted)

    def _ends(self, *only: str) -> Counter[str]:
        settled = self.consuming.settled
        return Counter(id for id, how in settled if not only or how in only)

    def teardown(self) -> None:
        if not hasattr(self, "consuming"):
            return
        self.sqs.fail_entries = self.sqs.fail_requests = 0
        self.sqs.meanwhile.clear()
        self.consuming.settlement.delete(sorted(self.held))
        for _ in range(60):
            self.consuming.turn(1)
        assert len(self.consuming.leases) == 0
        assert self.consuming.free() == PERMITS
        assert self._ends() == self.delivered


def test_in_any_order_each_delivery_ends_once_and_is_hidden_until_then() -> None:
    LeaseMachine.steps = 0
    run_state_machine_as_test(
        LeaseMachine,
        settings=settings(
            max_examples=400,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    assert LeaseMachine.steps >= STEPS
