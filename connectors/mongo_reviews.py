"""MongoDB: what people said about flagged recordings, each time a document more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from pymongo.collection import Collection

from connectors.errors import Misconfigured
from connectors.mongo import Document, translated

Verdict = Literal["confirmed", "false_alarm", "unsure"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
#: Characters of a note that are kept.
NOTE_LENGTH = 2000
#: Documents of one page.
_PAGE = 1000
#: What serves the newest review of a recording.
_INDEX = [("result_document_id", 1), ("reviewed_at", 1)]


@dataclass(frozen=True, slots=True)
class Review:
    """What one person said about one recording at one time.

    Attributes
    ----------
    verdict
        ``confirmed``: it cannot be used; ``false_alarm``: it can.
    model_name, model_version, anomaly_score, reasons
        The judgement that was looked at: a later model may judge otherwise.
    """

    result_document_id: str
    verdict: Verdict
    reviewer: str
    reviewed_at: datetime
    note: str = ""
    model_name: str | None = None
    model_version: str | None = None
    anomaly_score: float | None = None
    reasons: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, result: Mapping[str, Any], verdict: Verdict, reviewer: str, note: str = ""
    ) -> Review:
        """Return a review of a result, said now."""
        return cls(
            result_document_id=str(result["_id"]),
            verdict=verdict,
            reviewer=reviewer,
            reviewed_at=datetime.now(UTC),
            note=note.strip()[:NOTE_LENGTH],
            model_name=result.get("model_name"),
            model_version=result.get("model_version"),
            anomaly_score=result.get("anomaly_score"),
            reasons=tuple(result.get("reasons") or ()),
        )


class Reviews:
    """The reviews; the newest of a recording counts, and none is ever changed.

    Every method raises `Unavailable`.
    """

    def __init__(self, collection: Collection[Document]) -> None:
        self._collection = collection

    def prepare(self) -> None:
        """Make the index, if there is none."""
        with translated():
            self._collection.create_index(_INDEX)

    def add(self, review: Review) -> None:
        """Write a review; returns when a majority has it."""
        with translated():
            self._collection.insert_one(
                {**asdict(review), "reasons": list(review.reasons)}
            )

    def of(self, result_id: str) -> list[Review]:
        """Return the reviews of a recording, the newest first."""
        with translated():
            found = self._collection.find({"result_document_id": result_id})
            ordered = list(found.sort([("reviewed_at", -1), ("_id", -1)]))
        return [_review(document) for document in ordered]

    def newest(self, result_ids: Sequence[str]) -> dict[str, Review]:
        """Return the review that counts of each recording that has one."""
        with translated():
            found = self._collection.find(
                {"result_document_id": {"$in": list(result_ids)}}
            )
            ordered = list(found.sort([("reviewed_at", 1), ("_id", 1)]))
        return {one["result_document_id"]: _review(one) for one in ordered}

    def all_newest(self) -> list[Review]:
        """Return the review that counts of every recording, by the recordings' ids."""
        newest: dict[str, tuple[Any, Review]] = {}
        after: Any = None
        while page := self._page(after):
            for one in page:
                review, place = _review(one), (one["reviewed_at"], one["_id"])
                known = newest.get(review.result_document_id)
                if known is None or known[0] < place:
                    newest[review.result_document_id] = (place, review)
            after = page[-1]["_id"]
        return [newest[id][1] for id in sorted(newest)]

    def counts(self) -> dict[Verdict, int]:
        """Return how many recordings have each verdict."""
        counts = Counter(review.verdict for review in self.all_newest())
        return {verdict: counts[verdict] for verdict in VERDICTS}

    def _page(self, after: Any) -> list[Document]:
        query = {} if after is None else {"_id": {"$gt": after}}
        with translated():
            return list(self._collection.find(query).sort("_id", 1).limit(_PAGE))


def _review(document: Mapping[str, Any]) -> Review:
    verdict = document.get("verdict")
    if verdict not in VERDICTS:
        raise Misconfigured(f"mongo: a review says {verdict!r}: expected {VERDICTS}")
    names = Review.__dataclass_fields__
    fields = {name: document[name] for name in names if name in document}
    return Review(**{**fields, "reasons": tuple(document.get("reasons") or ())})
