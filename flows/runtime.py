"""One worker process: everything its graph stands on, opened, checked and closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

import structlog
from bytewax.dataflow import Dataflow

from connectors.csv import CsvFile, Rotation
from connectors.download import Downloader
from connectors.mongo import Database, Results
from connectors.postgres import Rows
from connectors.quarantine import QuarantineFile
from connectors.sqs import Consumer, SqsSource
from flows import wiring
from flows.audio_hosts import AudioHosts
from flows.budget import ByteBudget
from flows.copies import Copies
from flows.dependencies import Dependencies, reach
from flows.downloads import Downloads
from flows.drift import DriftWatch
from flows.failures import Backoff
from flows.inference import Extraction, Score
from flows.lifecycle import end_with
from flows.operators import EachBatch
from flows.settings import Settings
from flows.settle import Settle
from flows.telemetry import Tally
from flows.triage import Triage
from flows.watching.line import Ends
from flows.watching.parts import Parts
from flows.watching.progress import Tracked
from flows.watching.start import watched
from flows.watching.tracing import tracing
from flows.watching.watch import Watch
from flows.worker import Steps, build_flow
from model.detector import load_model
from model.outcomes import CSV_COLUMNS

log = structlog.get_logger("earshot")

#: Seconds of the drain that are left when the last long poll has ended.
_DRAIN_AFTER_POLL_SECONDS = 5
#: Batches that are looked up at once.
TRIAGE_THREADS = 2


class Worker:
    """The parts of one worker process.

    Parameters
    ----------
    settings
        Where everything is.

    Raises
    ------
    Unavailable, Misconfigured, QueueGone, ModelError
        When something that it needs is not there after a bounded wait.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._stack = ExitStack()
        self._dependencies, self._tally = Dependencies(), Tally()
        self._copies, self._hosts = Copies(), AudioHosts()
        self._model = load_model(settings.model_path)
        self._drift = DriftWatch(self._model)
        self._watch = Watch(self._stack.enter_context(tracing("earshot-worker")))
        self._tracked = Tracked(), Tracked(), Tracked()
        self._database = self._open_database()
        self._rows = self._open_rows()
        self.consumer = self._open_consumer()
        self._settle = self._open_settle()
        self._check()

    def flow(self, ends: Ends | None = None) -> Dataflow:
        """Return the worker's dataflow; call once. Its parent asks through `ends`."""
        self._settle.start()
        self._stack.callback(self._settle.close)
        steps = self._steps()
        self._look(ends)
        settings = self.settings
        log.info(
            "worker_started",
            queue=settings.sqs_queue_url,
            model=self._model.name,
            model_version=self._model.version,
            csv=str(self._csv.path),
            held_at_most=settings.max_concurrency,
        )
        return build_flow(
            SqsSource(self.consumer),
            EachBatch(self._settle.put),
            steps,
            batch_size=settings.batch_size,
            batch_age=timedelta(seconds=settings.max_batch_wait_seconds),
        )

    def close(self) -> None:
        """Close everything; settles nothing."""
        if self.consumer.drained:
            self._tally.report(now=True)
            log.info("worker_drained", returned=0, in_time=True)
        self._stack.close()

    def _on_scores(self, scores: Sequence[float]) -> None:
        self._watch.scored(scores)
        self._drift(scores)

    def _open_database(self) -> Database:
        uri = self.settings.mongo_uri.get_secret_value()
        database = Database(uri, self.settings.mongo_db_name)
        self._stack.callback(database.close)
        return database

    def _open_rows(self) -> Rows | None:
        rows = wiring.rows(self.settings, TRIAGE_THREADS)
        if rows is not None:
            self._stack.callback(rows.close)
        return rows

    def _open_consumer(self) -> Consumer:
        settings, drain = self.settings, self.settings.drain_timeout_seconds
        consumer = Consumer(
            settings.sqs_queue_url,
            max_in_flight=settings.max_concurrency,
            visibility_timeout=settings.visibility_timeout_seconds,
            # A poll that is under way has to end within the drain.
            long_poll=max(drain / 2, drain - _DRAIN_AFTER_POLL_SECONDS),
            idle_exit=settings.idle_exit_seconds,
            paused=self._must_wait,
            on_settled=lambda ended: self._settle.settled(ended),
            on_failure=end_with,
        )
        consumer.stats.on_received = self._watch.received
        self._stack.callback(consumer.close)
        return consumer

    def _open_settle(self) -> Settle:
        settings = self.settings
        rotation = Rotation(settings.csv_rotate_bytes, settings.csv_rotate_daily)
        self._csv = CsvFile(settings.csv_output_path, CSV_COLUMNS, rotation)
        self._stack.callback(self._csv.close)
        self._results = Results(
            self._database.collection(settings.mongo_result_collection)
        )
        queue = wiring.quarantine_queue(settings)
        return Settle(
            acknowledgement=self.consumer,
            results=self._results,
            csv=self._csv,
            malformed=queue or QuarantineFile(settings.quarantine_path),
            permanent=queue,
            announcer=wiring.announcer(settings),
            backoff=Backoff(
                settings.retry_backoff_seconds, settings.retry_backoff_max_seconds
            ),
            copies=self._copies,
            dependencies=self._dependencies,
            tally=self._tally,
            watch=self._watch,
        )

    def _check(self) -> None:
        """Reach everything once, so that a wrong address is said at the start."""
        for check in self._checks().values():
            reach(check)

    def _checks(self) -> dict[str, Callable[[], object]]:
        checks = {"queue": self.consumer.check, "mongo": self._database.check}
        if self._rows is not None:
            checks["postgres"] = self._rows.check
        return dict(checks)

    def _steps(self) -> Steps:
        settings = self.settings
        sources = wiring.sources(settings, self._rows, self._database)
        triage = Triage(self._results, sources, self._dependencies, self._copies)
        downloader = Downloader(wiring.download_limits(settings))
        self._budget = ByteBudget(settings.max_bytes_in_flight)
        self._downloads = Downloads(
            downloader,
            threads=settings.download_max_concurrency,
            begin=self.consumer.begin,
            hosts=self._hosts,
            budget=self._budget,
            patience=settings.retry_backoff_max_seconds,
            stopping=lambda: self.consumer.stopping,
            on_failure=self.consumer.fail,
            watch=self._watch,
        )
        self._extraction = Extraction(
            settings.inference_processes,
            settings.inference_timeout_seconds,
            settings.audio_limits(),
            on_end=self._budget.release,
            on_failure=self.consumer.fail,
            watch=self._watch,
        )
        triaging = ThreadPoolExecutor(TRIAGE_THREADS, "triage")
        for part in (self._extraction, downloader, self._downloads):
            self._stack.callback(part.close)
        self._stack.callback(triaging.shutdown, wait=False, cancel_futures=True)
        look_up = self._watch.around("triage", triage, lambda item: item)
        score = self._watch.around(
            "score", Score(self._model, self._on_scores), lambda one: one.item
        )
        triages, downloads, measures = self._tracked
        return Steps(
            triage=triages.around(lambda i: triaging.submit(look_up, i)),
            download=downloads.around(self._downloads.submit),
            measure=measures.around(self._extraction.submit),
            score=score,
            under_way=lambda: len(self._copies),
        )

    def _must_wait(self) -> bool:
        """Tell whether to receive nothing: what would be received could only wait.

        With nothing in hand there must be something to try the audio hosts with.
        """
        if self._dependencies.down:
            return True
        return bool(len(self.consumer.leases)) and self._hosts.forbid_receiving()

    def _look(self, ends: Ends | None) -> None:
        """Answer for this worker: to its parent, or by HTTP where it has none."""
        parts = Parts(
            settings=self.settings,
            consumer=self.consumer,
            settle=self._settle,
            downloads=self._downloads,
            extraction=self._extraction,
            budget=self._budget,
            dependencies=self._dependencies,
            hosts=self._hosts,
            tally=self._tally,
            model=self._model,
            drift=self._drift,
            watch=self._watch,
            steps=self._tracked,
            checks=self._checks(),
        )
        self._stack.enter_context(watched(parts, ends))
