"""What is sent: good, slow, failing and broken recordings, and bodies that are none."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson
import psycopg
from psycopg import sql

from tests import recordings
from tests.audio_host import AudioHost, Response
from tests.system.pipeline import Pipeline


class Kind(StrEnum):
    """How a record's recording behaves; the share of each is in `SHARES`."""

    GOOD = "good"
    SLOW = "slow"
    FLAKY = "flaky"
    MISSING = "missing"
    GARBAGE = "garbage"
    FAILING = "failing"


SHARES = {
    Kind.GOOD: 86,
    Kind.SLOW: 4,
    Kind.FLAKY: 4,
    Kind.MISSING: 2,
    Kind.GARBAGE: 2,
    Kind.FAILING: 2,
}
#: Records that must end with a result, whatever happens to the servers.
INNOCENT = {Kind.GOOD, Kind.SLOW, Kind.FLAKY}
#: Of so many records one has a body that is none beside it.
_MALFORMED_EACH = 50


@dataclass
class Records:
    """The records of a run, and which of them were sent."""

    pipeline: Pipeline
    kinds: dict[str, Kind] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)

    @property
    def sent(self) -> set[str]:
        """The trace ids of the records sent so far."""
        return {orjson.loads(body)["trace_id"] for body in self.bodies}

    def make(
        self, count: int, host: AudioHost, port: int, chance: random.Random
    ) -> None:
        """Make records, their rows in the source and their recordings on the host."""
        good = [recordings.tone(0.3 + n / 10, 200 + 40 * n) for n in range(5)]
        for number in range(count):
            kind = chance.choices(list(SHARES), list(SHARES.values()))[0]
            path = f"/{number}.wav"
            host.serve(path, *_responses(kind, chance.choice(good), chance))
            url = f"http://127.0.0.1:{port}{path}"
            message = self.pipeline.message(url, number)
            self.messages.append(message)
            self.kinds[message["trace_id"]] = kind
        self._insert()

    def send(self, messages: Sequence[dict[str, Any]]) -> None:
        """Send records' messages, and now and then a body that is no record."""
        bodies = [orjson.dumps(message).decode() for message in messages]
        odd = []
        for body in bodies:
            self.bodies.append(body)
            if len(self.bodies) % _MALFORMED_EACH == 0:
                odd.append(f"no record {len(self.bodies)}")
        self.malformed += odd
        self.put([*bodies, *odd])

    def put(self, bodies: Iterable[str]) -> None:
        """Put bodies on the queue."""
        for body in bodies:
            self.pipeline.send(body)

    def _insert(self) -> None:
        name = sql.Identifier(self.pipeline.schema, self.pipeline.table)
        statement = sql.SQL("INSERT INTO {} (id, audio_url) VALUES (%s, %s)")
        rows = [(m["source_record_id"], m["audio_s3_url"]) for m in self.messages]
        with (
            psycopg.connect(self.pipeline.postgres_dsn) as connection,
            connection.cursor() as cursor,
        ):
            cursor.executemany(statement.format(name), rows)


def _responses(kind: Kind, wav: bytes, chance: random.Random) -> list[Response]:
    if kind is Kind.SLOW:
        return [Response(wav, seconds_before=chance.uniform(0.5, 2))]
    if kind is Kind.FLAKY:
        bad = [Response(status=503), Response(reset=True)]
        return [chance.choice(bad), Response(wav)]
    if kind is Kind.MISSING:
        return [Response(status=404)]
    if kind is Kind.GARBAGE:
        return [Response(b"<html>no recording</html>")]
    if kind is Kind.FAILING:
        return [Response(status=503)]
    return [Response(wav)]
