"""Places in Mongo for the console's tests, and the pipeline of the system tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database

from connectors.mongo_flagged import Flagged
from connectors.mongo_reviews import Reviews
from tests.system.conftest import pipeline as pipeline


@pytest.fixture
def places(mongo_uri: str, database: str) -> Iterator[Database[dict[str, Any]]]:
    """A fresh database."""
    client: MongoClient[dict[str, Any]] = MongoClient(mongo_uri, tz_aware=True)
    with client:
        yield client[database]


@pytest.fixture
def stored(places: Database[dict[str, Any]]) -> Collection[dict[str, Any]]:
    """The collection of the results."""
    return places["anomaly_detection_results"]


@pytest.fixture
def flagged(stored: Collection[dict[str, Any]]) -> Flagged:
    """The flagged results."""
    return Flagged(stored)


@pytest.fixture
def reviews(places: Database[dict[str, Any]]) -> Reviews:
    """The reviews, with their index."""
    found = Reviews(places["anomaly_reviews"])
    found.prepare()
    return found
