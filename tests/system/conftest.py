"""The pipeline that the system tests run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from connectors.local import LocalServices
from connectors.queues import Queue
from tests.system.pipeline import Pipeline

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@pytest.fixture
def pipeline(
    services: LocalServices,
    sqs: SQSClient,
    queue: Queue,
    database: str,
    postgres_schema: str,
    postgres_table: str,
    tmp_path: Path,
) -> Pipeline:
    """A fresh queue, database and table, and a folder for what a worker writes."""
    return Pipeline(
        sqs=sqs,
        queue_url=queue.url,
        dead_letter_url=queue.dead_letter_url,
        mongo_uri=services.mongo_uri,
        database=database,
        postgres_dsn=services.postgres_dsn,
        schema=postgres_schema,
        table=postgres_table,
        folder=tmp_path,
        environment=services.environment(),
    )
