"""Looking at a queue: each message once, and all of them there again at its end."""

from __future__ import annotations

import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError

from connectors.errors import Unavailable
from connectors.queues import Queue
from connectors.sqs import Look, QueueGone, inspection

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def fill(sqs: SQSClient, url: str, count: int) -> set[str]:
    return {
        sqs.send_message(QueueUrl=url, MessageBody=f"{n}")["MessageId"]
        for n in range(count)
    }


def visible(sqs: SQSClient, url: str) -> set[str]:
    found: set[str] = set()
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60
    ).get("Messages"):
        found |= {message["MessageId"] for message in messages}
    return found


class Faulty:
    """A real client of which a method fails so many times."""

    def __init__(self, client: Any, method: str, times: int) -> None:
        self._client, self._method, self.left = client, method, times

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        return partial(self._call, real) if name == self._method else real

    def _call(self, real: Any, **arguments: Any) -> Any:
        if not self.left:
            return real(**arguments)
        self.left -= 1
        raise EndpointConnectionError(endpoint_url="http://sqs")


def test_a_look_sees_each_message_once_and_gives_all_back_at_once(
    sqs: SQSClient, dead_letter_url: str
) -> None:
    sent = fill(sqs, dead_letter_url, 25)
    with Look(sqs, dead_letter_url) as look:
        seen = [one for letters in look.letters() for one in letters]
        assert visible(sqs, dead_letter_url) == set()
    assert sorted(one.message_id for one in seen) == sorted(sent)
    assert {one.receive_count for one in seen} == {1}
    assert visible(sqs, dead_letter_url) == sent


def test_a_look_that_is_broken_off_gives_back_what_it_saw(
    sqs: SQSClient, dead_letter_url: str
) -> None:
    sent = fill(sqs, dead_letter_url, 25)
    with pytest.raises(KeyboardInterrupt), Look(sqs, dead_letter_url) as look:
        next(look.letters())
        raise KeyboardInterrupt
    assert visible(sqs, dead_letter_url) == sent


def test_an_interrupt_during_a_receive_leaves_nothing_hidden(
    sqs: SQSClient, dead_letter_url: str
) -> None:
    sent = fill(sqs, dead_letter_url, 3)

    class Interrupted(Faulty):
        """SQS has handed messages over, and Ctrl-C comes before they are here."""

        def _call(self, real: Any, **arguments: Any) -> Any:
            answer = real(**arguments)
            signal.raise_signal(signal.SIGINT)
            return answer

    client: Any = Interrupted(sqs, "receive_message", 1)
    with pytest.raises(KeyboardInterrupt), Look(client, dead_letter_url) as look:
        next(look.letters())
    assert visible(sqs, dead_letter_url) == sent


def test_a_message_that_comes_again_during_a_look_is_not_seen_twice(
    sqs: SQSClient, dead_letter_url: str
) -> None:
    sent = fill(sqs, dead_letter_url, 12)
    # Nothing stays hidden, so each receive brings the first again: it ends by time.
    with Look(sqs, dead_letter_url, hide=0) as look:
        seen = [one for some in look.letters(seconds=0.5) for one in some]
    ids = [one.message_id for one in seen]
    assert len(ids) == len(set(ids)) > 0
    assert set(ids) <= sent


def test_no_more_is_received_than_was_asked_for(
    sqs: SQSClient, dead_letter_url: str
) -> None:
    fill(sqs, dead_letter_url, 5)
    with Look(sqs, dead_letter_url) as look:
        assert sum(map(len, look.letters(3))) == 3
        assert len(visible(sqs, dead_letter_url)) == 2


def test_what_was_deleted_is_not_given_back(
    sqs: SQSClient, dead_letter_url: str
) -> None:
    sent = fill(sqs, dead_letter_url, 12)
    with Look(sqs, dead_letter_url) as look:
        (first, second) = look.letters()
        assert look.delete(first) == set()
    assert visible(sqs, dead_letter_url) == sent - {one.message_id for one in first}
    assert len(second) == 2


@pytest.mark.parametrize("method", ["delete", "change_visibility"])
def test_a_request_that_fails_is_made_again(
    sqs: SQSClient, dead_letter_url: str, method: str
) -> None:
    names = {
        "delete": "delete_message_batch",
        "change_visibility": "change_message_visibility_batch",
    }
    sent = fill(sqs, dead_letter_url, 2)
    client: Any = Faulty(sqs, names[method], 2)
    with Look(client, dead_letter_url) as look:
        (letters,) = look.letters()
        if method == "delete":
            assert look.delete(letters) == set()
    assert client.left == 0
    assert visible(sqs, dead_letter_url) == (set() if method == "delete" else sent)


def test_what_cannot_be_deleted_is_named_and_given_back(
    sqs: SQSClient, dead_letter_url: str
) -> None:
    sent = fill(sqs, dead_letter_url, 2)
    client: Any = Faulty(sqs, "delete_message_batch", 99)
    with Look(client, dead_letter_url) as look:
        (letters,) = look.letters()
        assert look.delete(letters) == sent
    assert visible(sqs, dead_letter_url) == sent


def test_a_queue_that_is_gone_or_away_is_told(sqs: SQSClient, queue_url: str) -> None:
    with pytest.raises(QueueGone), Look(sqs, f"{queue_url}-gone") as look:
        next(look.letters())
    client: Any = Faulty(sqs, "receive_message", 1)
    with pytest.raises(Unavailable), Look(client, queue_url) as look:
        next(look.letters())


def test_the_dead_letter_queue_is_found_by_the_redrive_policy(
    sqs: SQSClient, queue: Queue
) -> None:
    policy = inspection.redrive_policy(inspection.attributes(sqs, queue.url))
    assert policy is not None and policy.max_receive_count == 5
    assert inspection.url_of(sqs, policy.dead_letter_arn) == queue.dead_letter_url
    bare = inspection.attributes(sqs, queue.dead_letter_url)
    assert inspection.redrive_policy(bare) is None
    assert inspection.redrive_policy({"RedrivePolicy": "no policy"}) is None
