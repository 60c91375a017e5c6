"""What others are told of results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from connectors.announce import Announcement, Announcer
from connectors.mongo import Results
from model.outcomes import Outcome, Status


class Announcements:
    """Tells of the results that were stored, before their messages are deleted.

    A worker may have died between the two: a message that comes again and finds its
    result is a reason to tell of that result again.

    Parameters
    ----------
    announcer
        None where nobody is told.
    wait
        Calls a function again while its system is down.
    """

    def __init__(
        self,
        announcer: Announcer | None,
        results: Results,
        wait: Callable[[Callable[[], Any]], Any],
    ) -> None:
        self._announcer, self._results, self._wait = announcer, results, wait

    def __call__(self, judged: Sequence[Outcome]) -> None:
        """Tell of the results that there are for some outcomes."""
        if self._announcer is None:
            return
        announcer, again = self._announcer, [o for o in judged if _came_again(o)]
        documents = [o.result_document() for o in judged if o.judgement is not None]
        if again:
            ids = [outcome.item.result_document_id for outcome in again]
            documents += self._wait(lambda: self._results.documents(ids))
        if documents:
            told = [announcement(document) for document in documents]
            self._wait(lambda: announcer.announce(told))


def announcement(document: Mapping[str, Any]) -> Announcement:
    """Return a result as it is announced, with names to filter by."""
    names = {
        "is_anomaly": "true" if document.get("is_anomaly") else "false",
        "subject_name": document.get("subject_name") or "",
        "udise": document.get("udise") or "",
        "test_date": document.get("test_date") or "",
    }
    body = orjson.dumps(document, option=orjson.OPT_UTC_Z, default=str).decode()
    return Announcement(body, document["_id"], names)


def _came_again(outcome: Outcome) -> bool:
    return outcome.status is Status.SKIPPED_EXISTING and outcome.item.receive_count > 1
