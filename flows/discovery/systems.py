"""What a run of discovery talks to, opened and reached once at its start."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import structlog

from connectors.mongo import Database, Results
from connectors.mongo_state import States
from connectors.pages import Selection
from flows.dependencies import reach
from flows.discovery.senders import setup_of
from flows.settings import Settings
from flows.wiring import pages_of

log = structlog.get_logger("earshot")


class Systems:
    """The source, the results, the state documents and the queue of one run.

    Parameters
    ----------
    readers
        How many pages are read at once.
    stack
        Closes them all.
    stop
        Once it is set, no message is sent any more.

    Attributes
    ----------
    missing_index
        The statement that makes the index that pages lack, None where they have it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        readers: int,
        stack: ExitStack,
        stop: threading.Event,
    ) -> None:
        self._database = Database(
            settings.mongo_uri.get_secret_value(), settings.mongo_db_name
        )
        stack.callback(self._database.close)
        self.pages = pages_of(settings, self._database, readers)
        stack.callback(self.pages.close)
        self.sender = setup_of(settings).sender(stop)
        stack.callback(self.sender.close)
        collection = self._database.collection
        self.states = States(collection(settings.mongo_state_collection))
        self.results = Results(collection(settings.mongo_result_collection))
        self.missing_index: str | None = None

    def check(self, selection: Selection, *, sends: bool) -> None:
        """Reach everything, so that a wrong address is said at the start.

        Parameters
        ----------
        sends
            Whether the queue is needed.
        """
        reach(self._database.check)
        if sends:
            reach(self.sender.check)
        reach(lambda: self.pages.check(selection))
        self.missing_index = reach(lambda: self.pages.missing_index(selection))
        if self.missing_index is not None:
            log.warning(
                "index_missing", source=self.pages.name, create=self.missing_index
            )
