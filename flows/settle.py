"""The end of every delivery: result, announcement, row, quarantine, acknowledgement.

In that order, on one thread beside the flow. Whatever dies in between leaves the
message on the queue, and doing it all again changes nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import structlog

from connectors.announce import Announcer
from connectors.csv import CsvFile
from connectors.mongo import Results
from connectors.quarantine import Quarantine, Quarantined
from flows.acknowledgement import Acknowledgement
from flows.announcements import Announcements
from flows.copies import Copies
from flows.dependencies import Dependencies
from flows.downloads import Withdrawn
from flows.failures import (
    Backoff,
    ResultRefused,
    delay_of,
    failed,
    is_permanent,
    log_failure,
    log_malformed,
    quarantined,
    unparsed,
)
from flows.parsing import Malformed
from flows.rounds import Rounds
from flows.rows import row_of
from flows.telemetry import Tally, together
from flows.watching.watch import Watch
from model.outcomes import Outcome, Status

log = structlog.get_logger("earshot")

#: Ends that one round writes at most.
ROUND_AT_MOST = 500

End = Outcome | Malformed | Withdrawn


class Settle:
    """Writes ends and acknowledges them, on a thread of its own.

    Parameters
    ----------
    permanent
        Where items go that can never succeed; None leaves them to the queue's
        redrive policy, like any other failure.
    malformed
        Where messages go that are no records.
    watch
        Told how long the writes took, and of each confirmed end.

    Attributes
    ----------
    rounds
        The ends that wait: writing them together costs no more.
    """

    def __init__(
        self,
        *,
        acknowledgement: Acknowledgement,
        results: Results,
        csv: CsvFile,
        malformed: Quarantine,
        permanent: Quarantine | None,
        announcer: Announcer | None,
        backoff: Backoff,
        copies: Copies,
        dependencies: Dependencies,
        tally: Tally,
        watch: Watch | None = None,
    ) -> None:
        self._acknowledgement = acknowledgement
        self._results, self._csv = results, csv
        self._malformed, self._permanent = malformed, permanent
        self._backoff, self._copies = backoff, copies
        self._wait, self._tally = dependencies.call, tally
        self._announce = Announcements(announcer, results, dependencies.call)
        self.rounds: Rounds[End] = Rounds(ROUND_AT_MOST)
        self._watch = watch or Watch()
        # The outcomes that SQS was asked to end, and when.
        self._asked: dict[str, tuple[Outcome, float]] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="settle", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def put(self, ends: Sequence[End]) -> None:
        """Hand over ends; they are settled in the order they come."""
        self.rounds.put(ends)

    def settled(self, ended: Sequence[tuple[str, str]]) -> None:
        """Log the confirmed ends of deliveries: the id of each, and how."""
        with together():
            for message_id, how in ended:
                self._settled(message_id, how)

    def _settled(self, message_id: str, how: str) -> None:
        outcome, asked_at = self._asked.pop(message_id, (None, 0.0))
        if outcome is None:
            self._watch.forget(message_id)
        else:
            self._watch.settled(outcome, asked_at, how)
        trace_id = outcome and outcome.item.record.trace_id
        log.info("message_settled", message_id=message_id, trace_id=trace_id, how=how)

    def close(self) -> None:
        """End the thread after the round it is in; settles nothing more."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=2.0)

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._tally.report()
                if ends := self.rounds.take():
                    self.settle(ends)
                    self.rounds.done(ends)
        except Exception as error:
            self._acknowledgement.fail(error)

    def settle(self, ends: Sequence[End]) -> None:
        """Settle ends; returns when all is written and SQS was told."""
        began = time.monotonic()
        judged = [end for end in ends if isinstance(end, Outcome)]
        refused = self._store([one for one in judged if one.status is Status.COMPLETED])
        judged = [refused.get(one.item.message_id, one) for one in judged]
        self._announce(judged)
        # Not before: a copy that comes until now finds its record under way, and one
        # that comes from now on finds the result.
        outcomes = [one for end in judged for one in self._copies.resolve(end)]
        self._append(outcomes)
        items = [outcome.item for outcome in outcomes]
        self._watch.span("store", began, items, time.monotonic())
        self._end_malformed([end for end in ends if isinstance(end, Malformed)])
        self._end(outcomes)
        self._withdraw([end for end in ends if isinstance(end, Withdrawn)])
        if outcomes:
            self._watch.batch("settle", len(outcomes))
            seconds = round(time.monotonic() - began, 4)
            log.info("batch_processed", items=len(outcomes), seconds=seconds)

    def _store(self, completed: Sequence[Outcome]) -> dict[str, Outcome]:
        """Store results; return those that are refused as failures, by message id."""
        if not completed:
            return {}
        again = [o.result_document() for o in completed if o.item.reprocess_below]
        first = [o.result_document() for o in completed if not o.item.reprocess_below]
        began = time.monotonic()
        never = self._wait(lambda: self._results.upsert(first))
        never |= self._wait(lambda: self._results.supersede(again))
        self._watch.stage("mongo", began)
        stored = [o for o in completed if o.item.result_document_id not in never]
        log.info("results_upserted", items=len(stored), superseding=len(again))
        return {
            one.item.message_id: failed(one.item, ResultRefused(reason))
            for one in completed
            if (reason := never.get(one.item.result_document_id)) is not None
        }

    def _append(self, outcomes: Sequence[Outcome]) -> None:
        if outcomes:
            rows, began = [row_of(outcome) for outcome in outcomes], time.monotonic()
            self._wait(lambda: self._csv.append(rows))
            self._watch.stage("csv", began)
            log.info("results_csv_appended", items=len(rows))

    def _end(self, outcomes: Sequence[Outcome]) -> None:
        asked_at = time.monotonic()
        for outcome in outcomes:
            reason = outcome.failure.stage if outcome.failure else ""
            self._tally.count(outcome.status.value, reason)
            self._asked[outcome.item.message_id] = outcome, asked_at
        failures = [outcome for outcome in outcomes if outcome.failure]
        kept = self._quarantine(failures)
        done = [o.item.message_id for o in outcomes if not o.failure]
        self._acknowledgement.delete([*done, *kept])
        for outcome in failures:
            log_failure(outcome)
            if outcome.item.message_id not in kept:
                self._acknowledgement.return_(
                    [outcome.item.message_id], delay_of(outcome, self._backoff)
                )

    def _quarantine(self, failures: Sequence[Outcome]) -> set[str]:
        """Return the ids of the items that the quarantine has now."""
        never = [quarantined(outcome) for outcome in failures if is_permanent(outcome)]
        if self._permanent is None:
            return set()
        return self._keep(self._permanent, never)

    def _end_malformed(self, ends: Sequence[Malformed]) -> None:
        # One that was returned meanwhile stays on the queue, and only there.
        malformed = [
            one for one in ends if self._acknowledgement.begin(one.delivery.message_id)
        ]
        for one in malformed:
            log_malformed(one)
            self._tally.count("malformed", unparsed(one).stage)
        # What cannot be begun is lost or returned: this frees the room that it takes.
        if gone := [one.delivery.message_id for one in ends if one not in malformed]:
            self._acknowledgement.return_(gone)
        kept = self._keep(self._malformed, [unparsed(one) for one in malformed])
        self._acknowledgement.delete(sorted(kept))
        for one in malformed:
            if one.delivery.message_id not in kept:
                self._acknowledgement.return_(
                    [one.delivery.message_id], self._backoff(one.delivery.receive_count)
                )

    def _keep(self, place: Quarantine, messages: Sequence[Quarantined]) -> set[str]:
        if not messages:
            return set()
        refused = self._wait(lambda: place.put(messages))
        return {one.delivery.message_id for one in messages} - refused

    def _withdraw(self, withdrawn: Sequence[Withdrawn]) -> None:
        for one in withdrawn:
            copies = self._copies.release(one.item)
            ids = [item.message_id for item in (one.item, *copies)]
            self._acknowledgement.return_(ids)
