"""A result in place of an older one: the old score is kept, once, whoever races."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from connectors.errors import Unavailable
from connectors.mongo import Database, Results

AT = datetime(2026, 2, 23, 9, 30, tzinfo=UTC)


def result(key: str, version: str, minutes: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "_id": key,
        "is_anomaly": False,
        "anomaly_score": 0.5,
        "prediction_label": "normal",
        "reasons": [f"by {version}"],
        "model_name": "earshot",
        "model_version": version,
        "features": {"rms": 1.0},
        "processed_at": AT + timedelta(minutes=minutes),
        **more,
    }


def kept(version: str, minutes: int = 0) -> dict[str, Any]:
    whole = result("", version, minutes)
    return {name: whole[name] for name in whole if name not in ("_id", "features")}


@pytest.fixture
def stored(mongo_uri: str, database: str) -> Iterator[Collection[dict[str, Any]]]:
    client: MongoClient[dict[str, Any]]
    with MongoClient(mongo_uri, tz_aware=True) as client:
        yield client[database]["results"]


@pytest.fixture
def results(mongo_uri: str, database: str) -> Iterator[Results]:
    opened = Database(mongo_uri, database)
    yield Results(opened.collection("results"))
    opened.close()


def test_the_old_score_is_kept_and_the_newest_stands_in_front(
    results: Results, stored: Collection[dict[str, Any]]
) -> None:
    results.upsert([result("a", "1.0"), result("b", "1.0")])
    results.supersede([result("a", "1.1", 1), result("new", "1.1", 1)])
    results.supersede([result("a", "1.2", 2)])
    found = {one["_id"]: one for one in stored.find()}
    history = [kept("1.0"), kept("1.1", 1)]
    assert found["a"] == {**result("a", "1.2", 2), "history": history}
    assert found["b"] == result("b", "1.0")
    assert found["new"] == result("new", "1.1", 1)


def test_a_result_by_the_same_model_is_no_history(
    results: Results, stored: Collection[dict[str, Any]]
) -> None:
    results.upsert([result("a", "1.0")])
    results.supersede([result("a", "1.1", 1)])
    results.supersede([result("a", "1.1", 2)])
    assert stored.find_one() == {**result("a", "1.1", 2), "history": [kept("1.0")]}


def test_two_that_race_keep_each_other_and_make_one_result(
    results: Results, stored: Collection[dict[str, Any]]
) -> None:
    keys = [f"{n:02}" for n in range(20)]
    results.upsert([result(key, "0") for key in keys])

    def write(version: int) -> None:
        for key in keys:
            results.supersede([result(key, str(version), version)])

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, (1, 2, 3)))
    found = list(stored.find())
    assert sorted(one["_id"] for one in found) == keys
    for one in found:
        versions = [old["model_version"] for old in one["history"]]
        assert versions[0] == "0"
        assert sorted([*versions, one["model_version"]]) == ["0", "1", "2", "3"]


class Meddled:
    """A collection in which another writes between a look and a write."""

    def __init__(self, real: Any, meddle: Any) -> None:
        self._real, self._meddle = real, meddle

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def find(self, *given: Any) -> Any:
        found = list(self._real.find(*given))
        self._meddle()
        return found


def test_what_another_wrote_meanwhile_is_kept_too(
    results: Results, stored: Collection[dict[str, Any]]
) -> None:
    results.upsert([result("a", "1.0")])
    others = iter([result("a", "1.1", 1), result("new", "1.1", 1)])

    def meddle() -> None:
        for one in others:
            results.supersede([one])

    collection: Any = Meddled(stored, meddle)
    Results(collection).supersede([result("a", "1.2", 2), result("new", "1.2", 2)])
    found = {one["_id"]: one for one in stored.find()}
    history = {k: [o["model_version"] for o in v["history"]] for k, v in found.items()}
    assert history == {"a": ["1.0", "1.1"], "new": ["1.1"]}
    assert {one["model_version"] for one in found.values()} == {"1.2"}


def test_one_who_always_comes_too_late_says_so(
    results: Results, stored: Collection[dict[str, Any]]
) -> None:
    results.upsert([result("a", "0")])
    numbers = iter(range(1, 99))

    def meddle() -> None:
        number = next(numbers)
        stored.replace_one({"_id": "a"}, result("a", str(number), number))

    collection: Any = Meddled(stored, meddle)
    with pytest.raises(Unavailable, match="all the time"):
        Results(collection).supersede([result("a", "x")])


def test_a_version_is_told_of_each_result_there_is(results: Results) -> None:
    results.upsert([result("a", "1.0"), result("b", "1.1")])
    assert results.versions(["a", "b", "none"]) == {"a": "1.0", "b": "1.1"}
