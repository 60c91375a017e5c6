"""Where messages lie: the work queue, its dead-letter queue, the quarantine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from connectors import aws
from connectors.errors import Misconfigured
from connectors.mongo import Database
from connectors.mongo_results import ResultPages
from connectors.sqs import Look, Sender, inspection
from connectors.sqs.looking import HIDE_SECONDS
from flows.settings import Settings
from flows.steering.letters import Case, Statuses, cases, no_statuses

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

Place = Literal["queue", "dlq", "quarantine"]
_COUNTS = {
    "waiting": "ApproximateNumberOfMessages",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages a queue has, about.

    Attributes
    ----------
    max_receive_count
        Receives after which its messages are dead-lettered, None for never.
    """

    place: Place
    name: str
    waiting: int
    in_flight: int
    delayed: int
    retention_seconds: int
    max_receive_count: int | None

    @property
    def total(self) -> int:
        """All of them."""
        return self.waiting + self.in_flight + self.delayed


class Places:
    """The queues of a pipeline, to look at and to send to."""

    def __init__(self, settings: Settings, client: SQSClient | None = None) -> None:
        self._settings = settings
        self._client = client or aws.sqs_client()

    def url(self, place: Place) -> str:
        """Return a queue's URL.

        Raises
        ------
        Misconfigured
            When there is no such queue.
        """
        settings = self._settings
        if place == "queue":
            return settings.sqs_queue_url
        if place == "quarantine":
            if settings.quarantine_queue_url is None:
                raise Misconfigured("QUARANTINE_QUEUE_URL: missing, expected a queue")
            return settings.quarantine_queue_url
        found = inspection.attributes(self._client, settings.sqs_queue_url)
        policy = inspection.redrive_policy(found)
        if policy is None:
            raise Misconfigured("the work queue has no redrive policy, so no dlq")
        return inspection.url_of(self._client, policy.dead_letter_arn)

    def depth(self, place: Place) -> Depth:
        """Return how many messages a queue has."""
        url = self.url(place)
        found = inspection.attributes(self._client, url)
        policy = inspection.redrive_policy(found)
        counts = {name: int(found.get(of, "0")) for name, of in _COUNTS.items()}
        return Depth(
            place,
            url.rsplit("/", 1)[-1],
            retention_seconds=int(found.get("MessageRetentionPeriod", "0")),
            max_receive_count=policy.max_receive_count if policy else None,
            **counts,
        )

    def depths(self) -> list[Depth]:
        """Return how many messages each queue has, of those that there are."""
        found = [self.depth("queue")]
        if found[0].max_receive_count is not None:
            found.append(self.depth("dlq"))
        if self._settings.quarantine_queue_url is not None:
            found.append(self.depth("quarantine"))
        return found

    def look(self, place: Place, *, hide: int) -> Look:
        """Return a look at a queue, see `Look`."""
        return Look(self._client, self.url(place), hide=hide)

    def cases(self, place: Place, most: int, *, id: str | None = None) -> list[Case]:
        """Look at messages and return why they lie there; they stay.

        Parameters
        ----------
        id
            Where it is given, the last one returned is that whose id begins so, if
            there is one.
        """
        found: list[Case] = []
        with (
            self.statuses(place) as statuses,
            self.look(place, hide=HIDE_SECONDS) as look,
        ):
            for letters in look.letters(most):
                for case in cases(letters, statuses):
                    found.append(case)
                    if id is not None and case.letter.message_id.startswith(id):
                        return found
        return found

    def sender(self) -> Sender:
        """Return a sender to the work queue that is there; raises `QueueGone`."""
        sender = Sender(self._client, self._settings.sqs_queue_url)
        sender.check()
        return sender

    @contextmanager
    def statuses(self, place: Place) -> Iterator[Statuses]:
        """Give what tells of results, which dead letters are compared with."""
        if place != "dlq":
            yield no_statuses
            return
        settings = self._settings
        uri = settings.mongo_uri.get_secret_value()
        with closing(Database(uri, settings.mongo_db_name)) as database:
            results = database.collection(settings.mongo_result_collection)
            yield ResultPages(results).statuses
