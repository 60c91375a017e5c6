"""All that a pipeline stands on, looked at once: ``run_flow.py check``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from functools import partial
from typing import Literal

from connectors.mongo import Database
from connectors.mongo_results import ResultPages, try_write
from connectors.pages import Selection
from flows import wiring
from flows.settings import Settings
from flows.start import BYTEWAX_API
from flows.steering import local_checks, queue_checks
from flows.steering.findings import Check, Finding, run_checks

SourceType = Literal["postgres", "mongo"]


def check_all(settings: Settings) -> list[Finding]:
    """Return what all the checks found."""
    return run_checks(_checks(settings))


def _checks(settings: Settings) -> dict[str, tuple[Check, str]]:
    """Return each check by its name, and the remedy where it cannot look at all."""
    url, uri = "SQS_QUEUE_URL, and AWS_REGION and credentials", "MONGO_URI"
    checks: dict[str, tuple[Check, str]] = {
        "settings": (partial(_settings, settings), ".env"),
        "queue": (partial(queue_checks.check_queue, settings), url),
        **_others(settings),
        "mongo": (partial(_mongo, settings), f"{uri}, MONGO_DB_NAME"),
        "results": (partial(_results, settings), uri),
    }
    for source in _sources(settings):
        remedy = "POSTGRES_DSN, POSTGRES_TABLE" if source == "postgres" else uri
        checks[f"source {source}"] = partial(_source, settings, source), remedy
    path = "CSV_OUTPUT_PATH"
    checks["csv"] = partial(local_checks.check_csv, settings.csv_output_path), path
    checks["model"] = (
        partial(local_checks.check_model, settings.model_path),
        ("MODEL_PATH, or: python run_flow.py train"),
    )
    hosts = settings.audio_allowed_hosts
    checks["audio hosts"] = (
        partial(local_checks.check_hosts, hosts),
        "AUDIO_ALLOWED_HOSTS",
    )
    return checks


def _others(settings: Settings) -> dict[str, tuple[Check, str]]:
    """Return the checks of where messages are sent to."""
    checks: dict[str, tuple[Check, str]] = {}
    named = queue_checks.check_named_queue
    if url := settings.quarantine_queue_url:
        check = partial(named, "quarantine", url)
        checks["quarantine"] = check, "QUARANTINE_QUEUE_URL"
    else:
        path = settings.quarantine_path
        check = partial(local_checks.check_quarantine_file, path)
        checks["quarantine"] = check, "QUARANTINE_PATH"
    if url := settings.result_queue_url:
        checks["result queue"] = partial(named, "result queue", url), "RESULT_QUEUE_URL"
    elif arn := settings.result_topic_arn:
        check = partial(queue_checks.check_topic, arn)
        checks["result topic"] = check, "RESULT_TOPIC_ARN"
    return checks


def _sources(settings: Settings) -> list[SourceType]:
    found: list[SourceType] = []
    if settings.postgres_dsn and settings.postgres_table:
        found.append("postgres")
    if settings.mongo_source_collection:
        found.append("mongo")
    return found


def _settings(settings: Settings) -> Iterator[Finding]:
    kinds = " and ".join(_sources(settings))
    text = f"complete: discovery reads {settings.discovery_source_type}"
    yield Finding("settings", "ok", f"{text}, workers take {kinds}")
    if BYTEWAX_API in os.environ:
        yield Finding(
            "settings",
            "error",
            f"{BYTEWAX_API} is set: any value, also 0, opens bytewax's web server on "
            "every interface, so no flow starts",
            f"unset {BYTEWAX_API}",
        )


def _database(settings: Settings) -> Database:
    return Database(settings.mongo_uri.get_secret_value(), settings.mongo_db_name)


def _mongo(settings: Settings) -> Iterator[Finding]:
    with closing(_database(settings)) as database:
        kind = database.deployment()
        try_write(database.collection(settings.mongo_state_collection))
        whom = "one server" if kind == "standalone" else "a majority"
        text = f"{settings.mongo_db_name} ({kind}): {whom} confirmed a write"
        yield Finding("mongo", "ok", text)


def _results(settings: Settings) -> Iterator[Finding]:
    with closing(_database(settings)) as database:
        name = settings.mongo_result_collection
        index = ResultPages(database.collection(name)).missing_index()
    if index is None:
        yield Finding("results", "ok", f"{name}: an index serves a date's results")
        return
    text = f"{name}: to show or reprocess a date's results, all are read"
    yield Finding("results", "warning", text, index)


def _source(settings: Settings, source: SourceType) -> Iterator[Finding]:
    of = settings.model_copy(update={"discovery_source_type": source})
    selection = Selection(settings.test_date or date.today(), settings.subject_name)
    check = f"source {source}"
    with closing(_database(settings)) as database:
        with closing(wiring.pages_of(of, database, 1)) as pages:
            pages.check(selection)
            index = pages.missing_index(selection)
    if index is None:
        text = f"{pages.name}: its names are right, an index serves discovery"
        yield Finding(check, "ok", text)
        return
    text = f"{pages.name}: discovery reads all of it for each page"
    yield Finding(check, "warning", text, index)
