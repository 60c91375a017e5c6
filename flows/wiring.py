"""From settings to connectors."""

from __future__ import annotations

from connectors import aws
from connectors.announce import Announcer, QueueAnnouncer, TopicAnnouncer
from connectors.download import DownloadLimits
from connectors.mongo import Database, SourceDocuments
from connectors.mongo_pages import DocumentPages
from connectors.pages import Pages
from connectors.postgres import Rows
from connectors.postgres_pages import RowPages
from connectors.quarantine import Quarantine, QuarantineQueue
from connectors.sqs import Sender
from flows.settings import Settings
from flows.triage import MongoSource, PostgresSource, Source


def download_limits(settings: Settings) -> DownloadLimits:
    """Return the limits of a download."""
    return DownloadLimits(
        total=settings.s3_timeout_seconds,
        connect=settings.s3_connect_timeout_seconds,
        read=settings.s3_sock_read_timeout_seconds,
        retries=settings.s3_max_retries,
        backoff=settings.s3_retry_backoff_seconds,
        max_bytes=settings.audio_max_bytes,
        connections=settings.download_max_concurrency,
        allowed_hosts=settings.audio_allowed_hosts,
    )


def quarantine_queue(settings: Settings) -> Quarantine | None:
    """Return the quarantine's queue, None where there is none."""
    url = settings.quarantine_queue_url
    return QuarantineQueue(Sender(aws.sqs_client(), url)) if url else None


def announcer(settings: Settings) -> Announcer | None:
    """Return what announces results, None where nothing does."""
    if settings.result_queue_url:
        return QueueAnnouncer(Sender(aws.sqs_client(), settings.result_queue_url))
    if settings.result_topic_arn:
        return TopicAnnouncer(aws.sns_client(), settings.result_topic_arn)
    return None


def rows(settings: Settings, connections: int) -> Rows | None:
    """Return the table of records, None where the settings name none."""
    if settings.postgres_dsn is None or settings.postgres_table is None:
        return None
    return Rows(
        settings.postgres_dsn.get_secret_value(),
        settings.postgres_schema,
        settings.postgres_table,
        columns=settings.postgres_columns,
        connections=connections,
    )


def sources(settings: Settings, rows: Rows | None, database: Database) -> list[Source]:
    """Return every source that the settings name, whatever discovery reads."""
    found: list[Source] = []
    if rows is not None:
        name = f"{settings.postgres_schema}.{settings.postgres_table}"
        found.append(PostgresSource(name, rows))
    if settings.mongo_source_collection is not None:
        name = settings.mongo_source_collection
        documents = SourceDocuments(
            database.collection(name), fields=settings.mongo_fields
        )
        found.append(MongoSource(name, documents))
    return found


def pages_of(settings: Settings, database: Database, readers: int) -> Pages:
    """Return the source that discovery reads."""
    if settings.discovery_source_type == "postgres":
        assert settings.postgres_dsn and settings.postgres_table, "the settings check"
        return RowPages(
            settings.postgres_dsn.get_secret_value(),
            settings.postgres_schema,
            settings.postgres_table,
            columns=settings.postgres_columns,
            connections=readers,
        )
    assert settings.mongo_source_collection, "the settings check"
    collection = database.collection(settings.mongo_source_collection)
    return DocumentPages(collection, fields=settings.mongo_fields)
