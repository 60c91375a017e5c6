"""What a run that ends still does: what is under way, and nothing more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from structlog.testing import capture_logs

from connectors.errors import Unavailable
from connectors.sqs import UNREACHABLE, Message, Sender
from flows import circuit
from flows.dependencies import Dependencies, Stopped, reach
from flows.discovery.ending import Ending
from flows.discovery.enqueue import Send
from flows.discovery.items import Fate
from tests.flows.discovery.test_graph import QUEUE, new

MESSAGES = [Message(str(number)) for number in range(25)]
#: Seconds in which a wait that looks whether the run ends is over.
SOON_SECONDS = 2.0


class Sqs:
    """An SQS that confirms all of a request, or gives no answer to it."""

    def __init__(self, on_request: Callable[[int], bool]) -> None:
        self._on_request = on_request
        self.requests = 0

    def send_message_batch(
        self, *, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        self.requests += 1
        if not self._on_request(self.requests):
            raise ReadTimeoutError(endpoint_url=QueueUrl)
        return {"Successful": [{"Id": one["Id"]} for one in Entries], "Failed": []}


def sender(sqs: Sqs, stop: threading.Event) -> Sender:
    return Sender(sqs, QUEUE, stop=stop)  # type: ignore[arg-type]


def in_a_moment(work: Callable[[], object]) -> None:
    threading.Timer(0.2, work).start()


@pytest.fixture
def long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit, "WAIT_SECONDS", 60.0)
    monkeypatch.setattr(circuit, "WAIT_MAX_SECONDS", 60.0)
    monkeypatch.setattr("connectors.sqs.sender.RETRY_SECONDS", 60.0)
    monkeypatch.setattr("connectors.sqs.sender.RETRY_MAX_SECONDS", 60.0)


def test_once_stopped_no_request_begins_and_the_one_under_way_counts() -> None:
    stop = threading.Event()

    def stop_at_the_second(request: int) -> bool:
        if request == 2:
            stop.set()
        return True

    sqs = Sqs(stop_at_the_second)
    assert sender(sqs, stop).send(MESSAGES) == dict.fromkeys(range(20, 25), UNREACHABLE)
    assert sqs.requests == 2


@pytest.mark.usefixtures("long_waits")
def test_a_stop_ends_the_sleep_before_another_try() -> None:
    stop, sqs = threading.Event(), Sqs(lambda request: False)
    in_a_moment(stop.set)
    began = time.monotonic()
    assert len(sender(sqs, stop).send(MESSAGES)) == len(MESSAGES)
    assert time.monotonic() - began < SOON_SECONDS
    assert sqs.requests <= 3


def test_what_a_stop_leaves_unsent_has_neither_failed_nor_ended() -> None:
    ending = Ending()

    def stop_after_the_first(request: int) -> bool:
        if request > 1:
            ending.stop.set()
        return request == 1

    step = Send(sender(Sqs(stop_after_the_first), ending.stop), ending)
    with capture_logs() as logs:
        ends = step([new(number) for number in range(25)])
    assert [end.fate for end in ends] == [Fate.SENT] * 10
    assert [end.place.index for end in ends] == list(range(10))
    assert ending.error is None
    assert "record_not_sent" not in {line["event"] for line in logs}


@pytest.mark.usefixtures("long_waits")
def test_a_stop_ends_the_wait_for_a_system_and_does_not_say_that_it_is_up() -> None:
    stop = threading.Event()
    dependencies = Dependencies(stop)
    in_a_moment(stop.set)
    began = time.monotonic()
    with capture_logs() as logs, pytest.raises(Stopped):
        dependencies.call(away)
    assert time.monotonic() - began < SOON_SECONDS
    assert [line["event"] for line in logs] == ["dependency_down"]
    assert dependencies.down == {"mongo"}


def away() -> None:
    raise Unavailable("mongo", "away")


def test_once_stopped_no_system_is_asked() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        Dependencies(stop).call(lambda: pytest.fail("asked"))


def test_once_stopped_a_system_is_reached_for_once() -> None:
    stop, tries = threading.Event(), list[int]()
    stop.set()

    def check() -> None:
        tries.append(1)
        away()

    with pytest.raises(Unavailable):
        reach(check, stop)
    assert tries == [1]


def test_an_answer_has_its_grace_once_the_run_ends() -> None:
    ending, late, never = Ending(), Future[str](), Future[str]()
    in_a_moment(lambda: ending.fail(ValueError()))
    threading.Timer(0.5, lambda: late.set_result("answer")).start()
    assert ending.result(late, 5.0) == "answer"
    with pytest.raises(TimeoutError):
        ending.result(never, 0.1)


def test_work_that_hangs_is_left_once_the_run_ends() -> None:
    ending, hangs = Ending(), threading.Event()
    assert ending.bounded(lambda: 5, 0.1) == 5
    ending.fail(ValueError())
    with pytest.raises(TimeoutError):
        ending.bounded(hangs.wait, 0.1)
    hangs.set()
