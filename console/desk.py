"""What the pages work with: the results, the reviews, the recordings, the model."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from connectors.download import Downloader
from connectors.errors import Misconfigured, Unavailable
from connectors.mongo import Database, Document
from connectors.mongo_flagged import Choice, Flagged, Spot
from connectors.mongo_overview import Overview
from connectors.mongo_reviews import Reviews
from connectors.sqs import QueueGone
from console.listening import Listening
from console.settings import ConsoleSettings
from flows import wiring
from flows.steering.places import Depth, Places
from model.detector import load_model

#: Which recordings are listed: those that nobody has reviewed, those that somebody
#: has, or both.
State = Literal["open", "reviewed", "all"]
#: Seconds that a page waits for the queues.
_QUEUE_SECONDS = 5.0


class Desk:
    """One for all who use the console; made once.

    Raises
    ------
    ModelError
        When the model cannot be loaded.
    """

    def __init__(self, settings: ConsoleSettings) -> None:
        self.settings = settings
        self.model = load_model(settings.model_path)
        uri = settings.mongo_uri.get_secret_value()
        self._database = Database(uri, settings.mongo_db_name)
        results = self._database.collection(settings.mongo_result_collection)
        self.flagged, self.overview = Flagged(results), Overview(results)
        self.reviews = Reviews(
            self._database.collection(settings.mongo_review_collection)
        )
        self.downloader = Downloader(wiring.download_limits(settings))
        self.listening = Listening(settings, self.downloader)
        self._asking = ThreadPoolExecutor(1, "queues")

    def page(
        self, choice: Choice, state: State, after: Spot | None, size: int
    ) -> list[Document]:
        """Return the next flagged results, the worst first; raises `Unavailable`."""

        def keep(documents: Sequence[Document]) -> list[Document]:
            if state == "all":
                return list(documents)
            reviewed = self.reviews.newest([str(one["_id"]) for one in documents])
            wanted = state == "reviewed"
            return [one for one in documents if (one["_id"] in reviewed) is wanted]

        return self.flagged.page(choice, after, size, keep)

    def following(self, choice: Choice, state: State, after: Spot) -> Document | None:
        """Return the result to look at after another; past the last, the worst one."""
        found = self.page(choice, state, after, 1) or self.page(choice, state, None, 1)
        return next((one for one in found if one["_id"] != after.id), None)

    def depths(self) -> list[Depth]:
        """Return how much waits in the queues; raises `Unavailable`."""
        asked = self._asking.submit(lambda: Places(self.settings).depths())
        try:
            return asked.result(_QUEUE_SECONDS)
        except TimeoutError:
            asked.cancel()
            raise Unavailable("sqs", f"no answer in {_QUEUE_SECONDS:g} s") from None
        except (Misconfigured, QueueGone) as error:
            raise Unavailable("sqs", error) from None

    def close(self) -> None:
        """End everything."""
        self._asking.shutdown(wait=False, cancel_futures=True)
        self.listening.close()
        self.downloader.close()
        self._database.close()
