"""The state documents of a discovery, on a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.mongo import Database
from connectors.mongo_state import States


@pytest.fixture
def states(mongo_uri: str, database: str) -> Iterator[States]:
    """The documents of a fresh state collection."""
    found = Database(mongo_uri, database)
    yield States(found.collection("state"))
    found.close()
