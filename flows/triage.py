"""Which items of a batch are worth a download: new ones that the source still has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import structlog

from connectors.mongo import Document, Results, SourceDocuments
from connectors.postgres import Rows
from flows.copies import Copies
from flows.dependencies import Dependencies
from flows.failures import UnknownSource, failed
from model.outcomes import Outcome, Status
from model.records import DiscoveryRecord, WorkItem, source_text
from model.versions import is_older

log = structlog.get_logger("earshot")


class Source(Protocol):
    """Where records come from, as far as eligibility goes."""

    name: str

    def eligible(self, items: Sequence[WorkItem]) -> set[str]:
        """Return the message ids of the items that the source still has."""
        ...


class PostgresSource:
    """A row of the record's id still exists and still has its audio URL."""

    def __init__(self, name: str, rows: Rows) -> None:
        self.name, self._rows = name, rows

    def eligible(self, items: Sequence[WorkItem]) -> set[str]:
        """Return the message ids of the items that the source still has."""
        ids = [item.record.source_record_id for item in items]
        urls = self._rows.audio_urls(ids)
        return {
            item.message_id
            for item in items
            if urls.get(item.record.source_record_id) == item.record.audio_s3_url
        }


class MongoSource:
    """The document still has the subject with its audio URL under the record type."""

    def __init__(self, name: str, documents: SourceDocuments) -> None:
        self.name, self._documents = name, documents

    def eligible(self, items: Sequence[WorkItem]) -> set[str]:
        """Return the message ids of the items that the source still has."""
        ids = {item.record.mongo_doc_id for item in items}
        documents = self._documents.subjects(key for key in ids if key)
        return {item.message_id for item in items if _holds(documents, item.record)}


def _holds(documents: Mapping[str, Document], record: DiscoveryRecord) -> bool:
    """Tell whether a subject is still there; documents can hold anything."""
    document = documents.get(record.mongo_doc_id or "", {})
    part = document.get(record.record_type)
    subjects = part.get("subjects") if isinstance(part, dict) else None
    return any(
        _is_subject(subject, record)
        for subject in (subjects if isinstance(subjects, list) else [])
        if isinstance(subject, dict)
    )


def _is_subject(subject: Mapping[str, object], record: DiscoveryRecord) -> bool:
    urls = (subject.get("audio_s3_url"), subject.get("audio_url"))
    same_id = source_text(subject.get("subject_id")) == record.subject_id
    return same_id and record.audio_s3_url in urls


class Triage:
    """Splits a batch into items to work on and outcomes that need no audio.

    Parameters
    ----------
    results
        Where existing results are looked up, one query a batch.
    sources
        Where records must still exist, one query a batch and source.
    copies
        The records under way.
    """

    def __init__(
        self,
        results: Results,
        sources: Sequence[Source],
        dependencies: Dependencies,
        copies: Copies,
    ) -> None:
        self._results, self._dependencies = results, dependencies
        self._copies = copies
        self._sources = {source.name: source for source in sources}

    def __call__(self, items: Sequence[WorkItem]) -> Iterable[WorkItem | Outcome]:
        """Return each item, or its outcome where there is nothing to do for it.

        A copy of an item under way comes later, with that item's outcome.
        """
        items = self._copies.admit(items)
        existing = self._existing(items)
        left = [item for item in items if item.message_id not in existing]
        ended = [
            Outcome(item, Status.SKIPPED_EXISTING)
            for item in items
            if item.message_id in existing
        ]
        ended += [self._unknown(i) for i in left if not self._source_of(i)]
        left = [item for item in left if self._source_of(item)]
        eligible = self._eligible(left)
        ended += [
            Outcome(item, Status.SKIPPED_INELIGIBLE)
            for item in left
            if item.message_id not in eligible
        ]
        kept = [item for item in left if item.message_id in eligible]
        self._log(items, kept)
        return [*kept, *ended]

    def _existing(self, items: Sequence[WorkItem]) -> set[str]:
        """Return the message ids of the items whose record has its result."""
        ids = [item.result_document_id for item in items]

        def ask() -> set[str]:
            there = self._results.existing(ids)
            found = [item for item in items if item.result_document_id in there]
            return {item.message_id for item in found} - self._outdated(found)

        return _timed(
            "existing_results_checked",
            len(items),
            lambda: self._dependencies.call(ask),
        )

    def _outdated(self, items: Sequence[WorkItem]) -> set[str]:
        """Return the message ids of the items whose result is to be replaced."""
        marks = {item.message_id: item.reprocess_below or "" for item in items}
        marked = [item for item in items if marks[item.message_id]]
        if not marked:
            return set()
        versions = self._results.versions(item.result_document_id for item in marked)
        return {
            item.message_id
            for item in marked
            if is_older(
                versions.get(item.result_document_id, ""), marks[item.message_id]
            )
        }

    def _eligible(self, items: Sequence[WorkItem]) -> set[str]:
        def ask() -> set[str]:
            found: set[str] = set()
            for name, source in self._sources.items():
                own = [i for i in items if i.record.source_collection == name]
                if own:
                    found |= source.eligible(own)
            return found

        return _timed(
            "eligible_keys_resolved",
            len(items),
            lambda: self._dependencies.call(ask),
        )

    def _source_of(self, item: WorkItem) -> Source | None:
        return self._sources.get(item.record.source_collection)

    def _unknown(self, item: WorkItem) -> Outcome:
        known = " or ".join(sorted(self._sources))
        reason = (
            f"source_collection {item.record.source_collection!r} is not a source "
            f"of this worker, expected {known}"
        )
        return failed(item, UnknownSource(reason))

    def _log(self, items: Sequence[WorkItem], kept: Sequence[WorkItem]) -> None:
        if kept:
            traces = [item.record.trace_id for item in kept]
            log.info("inference_batch_started", items=len(kept), trace_ids=traces)
        else:
            log.info("batch_skipped", items=len(items))


def _timed(event: str, count: int, ask: Callable[[], set[str]]) -> set[str]:
    began = time.monotonic()
    found = ask()
    seconds = round(time.monotonic() - began, 4)
    log.info(event, items=count, found=len(found), seconds=seconds)
    return found
