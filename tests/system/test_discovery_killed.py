"""Discoveries that are killed anywhere, once or twice, and started again."""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient

from tests.system.discoveries import TEST_DATE, Discoveries, Running, after_nine
from tests.system.pipeline import Pipeline, eventually

#: Runs that are killed; more of them find more.
SEEDS = range(int(os.environ.get("EARSHOT_KILL_SEEDS", "20")))
ROWS, PAGE = 200, 20


@dataclass
class Killing:
    """A source with records, runs of it that are killed, and what they have sent.

    Attributes
    ----------
    times
        The time of each record that has one, by its id; None for the others.
    sent
        How often each was sent so far.
    """

    discoveries: Discoveries
    run: tuple[str, ...]
    variables: dict[str, str]
    times: dict[str, datetime | None] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)

    def start(self) -> Running:
        """Start a run."""
        return self.discoveries.start(*self.run, **self.variables)

    def kill_after(self, messages: int) -> bool:
        """Start a run and kill it; tell whether it was still under way."""
        running = self.start()
        left = self.discoveries.pipeline.left
        eventually(lambda: running.stdout or left() >= messages)
        running.kill()
        self.take()
        return not running.stdout

    def take(self) -> None:
        """Take what was sent; the watermark must not have passed what was not."""
        self.sent.update(self.discoveries.take_ids())
        reached = self.discoveries.watermark() or ""
        for key, at in self.times.items():
            assert key in self.sent or at is None or text(at) >= reached

    def twice(self) -> int:
        """Return how many messages were sent that had been before."""
        return sum(self.sent.values()) - len(self.sent)


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def add_rows(discoveries: Discoveries, every: float, undated: int) -> dict[str, Any]:
    """Put rows into Postgres; return the time of each by its record's id."""
    discoveries.add_rows(ROWS, every=every)
    times: dict[str, Any] = {str(n): after_nine(n * every) for n in discoveries.rows}
    for number in range(undated):
        made = after_nine(number)
        times[str(discoveries.add_row(None, subject_created_at=made))] = None
    return times


def add_documents(
    discoveries: Discoveries, every: float, undated: int, dated: int = ROWS
) -> dict[str, Any]:
    """Put documents into Mongo; return the time of each by its record's id."""
    times: dict[str, Any] = {}
    documents = []
    for number in range(dated + undated):
        key = ObjectId()
        changed = after_nine(number * every) if number < dated else None
        subject = {
            "subject_id": 7,
            "subject_name": "Hindi",
            "audio_s3_url": f"s3://recordings/{key}.wav",
            "created_at": after_nine(43_200 if number == dated else number * 60),
        }
        documents.append(
            {
                "_id": key,
                "student_id": number,
                "test_date": TEST_DATE,
                "updated_at": changed,
                "teacher_record": {"subjects": [subject]},
            }
        )
        times[f"{key}:teacher_record:7"] = changed
    with MongoClient[Any](discoveries.pipeline.mongo_uri) as client:
        client[discoveries.pipeline.database]["assessments"].insert_many(documents)
    return times


@pytest.mark.parametrize("seed", SEEDS)
def test_runs_that_are_killed_and_started_again_send_at_most_one_page_twice_each(
    pipeline: Pipeline, seed: int
) -> None:
    chance = random.Random(seed)
    source = chance.choice(["postgres", "postgres", "mongo"])
    mode = chance.choice(["backfill", "incremental"])
    readers, processes = chance.choice(["1", "3"]), chance.choice(["0", "2"])
    run = ("--source", source, "--mode", mode, "--batch-size", str(PAGE))
    killing = Killing(
        Discoveries(pipeline),
        (*run, "--workers", readers),
        {"DISCOVERY_SEND_PROCESSES": processes},
    )
    add = {"postgres": add_rows, "mongo": add_documents}[source]
    every, undated = chance.choice([0, 0.001, 60]), chance.choice([0, 30])
    killing.times = add(killing.discoveries, every, undated)
    kills, under_way = chance.choice([1, 2]), []
    for _ in range(kills):
        left = len(killing.times) - len(killing.sent)
        under_way.append(killing.kill_after(chance.randrange(left or 1)))
    last = killing.start()
    assert last.wait() == 0, last.stderr
    killing.take()
    assert set(killing.sent) == set(killing.times)
    if all(under_way):
        assert killing.twice() <= kills * PAGE


def test_what_is_read_from_its_start_again_is_remembered_whatever_its_time(
    pipeline: Pipeline,
) -> None:
    run = ("--source", "mongo", "--mode", "backfill", "--batch-size", str(PAGE))
    killing = Killing(Discoveries(pipeline), run, {"DISCOVERY_SEND_PROCESSES": "0"})
    # The latest of them comes first, and the others lie far before it.
    killing.times = add_documents(killing.discoveries, 0, undated=600, dated=0)
    assert killing.kill_after(100)
    assert killing.start().wait() == 0
    killing.take()
    assert set(killing.sent) == set(killing.times)
    assert killing.twice() <= PAGE
