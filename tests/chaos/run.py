"""A run: records are sent while workers and servers fail, and counted at the end."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from connectors.local import LocalServices, local_services
from connectors.local.aws import sqs_client
from connectors.queues import create_queue
from tests.audio_host import AudioHost
from tests.chaos.ledger import Ledger, ledger_of
from tests.chaos.proxy import Fault, Proxy
from tests.chaos.records import Records
from tests.chaos.workers import Workers
from tests.conftest import SOURCE_COLUMNS
from tests.system.pipeline import Pipeline

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: Deliveries of a message before it is dead-lettered: kills and lost leases count too.
_RECEIVES = 12
#: Seconds after the last fault in which everything comes to its end.
_SETTLE_SECONDS = 150
_DRAIN_SECONDS = 10
_TICK_SECONDS = 0.1


@dataclass(frozen=True)
class Plan:
    """What to do; `outage` and `pause` are the seconds of each, from and to."""

    seconds: float
    records: int
    workers: int
    seed: int
    lease: int
    outage: tuple[float, float]
    pause: tuple[float, float]

    @classmethod
    def of(cls, seconds: float, records: int, workers: int, seed: int) -> Plan:
        """Return the plan of a run of a length: short ones have short outages."""
        long = seconds >= 120
        return cls(
            seconds,
            records,
            workers,
            seed,
            lease=10 if long else 4,
            outage=(5, 30) if long else (1, 4),
            pause=(1, 6) if long else (0.5, 2),
        )


@dataclass
class Chaos:
    """A pipeline under a plan."""

    plan: Plan
    services: LocalServices
    records: Records
    proxies: dict[str, Proxy]
    workers: Workers
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)
    _later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _down: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Send and break until the time is over, then mend and wait for the end."""
        began = time.monotonic()
        break_at = 0.0
        while (passed := time.monotonic() - began) < self.plan.seconds:
            self._send_up_to(passed / (0.8 * self.plan.seconds))
            self.workers.tend()
            self._mend_what_is_due()
            if time.monotonic() >= break_at:
                self._break()
                break_at = time.monotonic() + self.chance.uniform(*self.plan.pause)
            time.sleep(_TICK_SECONDS)
        self._send_up_to(1)
        self._mend_what_is_due(all_of_it=True)
        self._wait_for_the_end()

    def _send_up_to(self, share: float) -> None:
        count = min(self.plan.records, round(share * self.plan.records))
        sent = len(self.records.bodies)
        self.records.send(self.records.messages[sent:count])

    def _break(self) -> None:
        acts: list[tuple[str, Callable[[], None]]] = [
            ("killed", lambda: self.workers.kill(self.chance)),
            ("drained", lambda: self.workers.drain(self.chance)),
            ("crashed", lambda: self._hurt(signal.SIGSEGV)),
            ("hung", lambda: self._hurt(signal.SIGSTOP)),
            ("duplicated", self._duplicate),
            ("outage", self._outage),
            ("outage", self._outage),
            ("restarted", self._restart),
            ("started in an outage", self._start_in_an_outage),
        ]
        name, act = self.chance.choice(acts)
        self.done[name] += 1
        act()

    def _hurt(self, number: signal.Signals) -> None:
        self.workers.hurt_child(self.chance, number)

    def _duplicate(self) -> None:
        sent = self.records.bodies
        self.records.put(self.chance.sample(sent, min(10, len(sent))))

    def _outage(self) -> None:
        name = self.chance.choice(sorted(self.proxies))
        faults = [Fault.REFUSE, Fault.DELAY, Fault.CUT]
        if name in ("sqs", "audio"):
            faults += [Fault.ERROR, Fault.HANG]
        self._break_proxy(name, self.chance.choice(faults))

    def _start_in_an_outage(self) -> None:
        """Have a worker that has never had an answer of the audio host."""
        fault = self.chance.choice([Fault.REFUSE, Fault.ERROR, Fault.HANG])
        self._break_proxy("audio", fault)
        self.workers.kill(self.chance)
        self.workers.tend()

    def _break_proxy(self, name: str, fault: Fault) -> None:
        self.done[f"{name}: {fault}"] += 1
        self.proxies[name].fault(fault)
        self._mend_later(lambda: self.proxies[name].fault(Fault.NONE))

    def _restart(self) -> None:
        name = self.chance.choice(["mongo", "postgres"])
        if name in self._down:
            return
        self.done[f"{name}: restart"] += 1
        self._down.add(name)
        self.services.stop(name)
        self._mend_later(lambda: self._start(name))

    def _start(self, name: str) -> None:
        self.services.start(name)
        self._down.discard(name)

    def _mend_later(self, mend: Callable[[], None]) -> None:
        due = time.monotonic() + self.chance.uniform(*self.plan.outage)
        self._later.append((due, mend))

    def _mend_what_is_due(self, *, all_of_it: bool = False) -> None:
        now = time.monotonic()
        due = [one for one in self._later if all_of_it or one[0] <= now]
        for one in due:
            self._later.remove(one)
            one[1]()

    def _wait_for_the_end(self) -> None:
        deadline = time.monotonic() + _SETTLE_SECONDS
        while self.records.pipeline.left() and time.monotonic() < deadline:
            self.workers.tend()
            time.sleep(_TICK_SECONDS)
        self.workers.drain_all(_DRAIN_SECONDS + 10)


@contextmanager
def prepared(plan: Plan, folder: Path) -> Iterator[tuple[Chaos, str]]:
    """Give everything that a run needs, and the quarantine's URL; ended at the end."""
    chance = random.Random(plan.seed)
    with ExitStack() as stack:
        services = stack.enter_context(local_services(folder / "services"))
        host = stack.enter_context(AudioHost())
        sqs = stack.enter_context(sqs_client(services))
        quarantine = sqs.create_queue(QueueName="chaos-quarantine")["QueueUrl"]
        proxies = {
            name: stack.enter_context(Proxy(port, plan.seed))
            for name, port in _ports(services, host).items()
        }
        pipeline = _pipeline(services, sqs, folder)
        _create_table(pipeline)
        records = Records(pipeline)
        records.make(plan.records, host, proxies["audio"].port, chance)
        settings = {
            **_ways(pipeline, services, proxies, quarantine),
            **_settings(plan),
        }
        workers = stack.enter_context(Workers(pipeline, settings, plan.workers))
        yield Chaos(plan, services, records, proxies, workers, chance), quarantine


def run(plan: Plan, folder: Path) -> tuple[Ledger, Chaos]:
    """Carry a plan out and return where every record ended."""
    with prepared(plan, folder) as (chaos, quarantine):
        chaos.run()
        return ledger_of(chaos.records, quarantine), chaos


def _ports(services: LocalServices, host: AudioHost) -> dict[str, int]:
    """Return the port of each server that can be broken."""
    return {
        "sqs": _port(services.aws_endpoint_url),
        "mongo": _port(services.mongo_uri),
        "postgres": _port(services.postgres_dsn),
        "audio": host.port,
    }


def _pipeline(services: LocalServices, sqs: SQSClient, folder: Path) -> Pipeline:
    queue = create_queue(sqs, "chaos", max_receive_count=_RECEIVES)
    return Pipeline(
        sqs=sqs,
        queue_url=queue.url,
        dead_letter_url=queue.dead_letter_url,
        mongo_uri=services.mongo_uri,
        database="chaos",
        postgres_dsn=services.postgres_dsn,
        schema="public",
        table="chaos",
        folder=folder,
        environment=services.environment(),
    )


def _ways(
    pipeline: Pipeline,
    services: LocalServices,
    proxies: dict[str, Proxy],
    quarantine: str,
) -> dict[str, str]:
    """Return the settings that lead a worker through the proxies."""
    mongo = _through(proxies["mongo"], services.mongo_uri)
    return {
        "AWS_ENDPOINT_URL": _through(proxies["sqs"], services.aws_endpoint_url),
        "SQS_QUEUE_URL": _through(proxies["sqs"], pipeline.queue_url),
        "QUARANTINE_QUEUE_URL": _through(proxies["sqs"], quarantine),
        "MONGO_URI": f"{mongo}/?serverSelectionTimeoutMS=2000",
        "POSTGRES_DSN": _through(proxies["postgres"], services.postgres_dsn),
    }


def _settings(plan: Plan) -> dict[str, str]:
    return {
        "MAX_CONCURRENCY": "32",
        "IDLE_EXIT_SECONDS": "0",
        "VISIBILITY_TIMEOUT_SECONDS": str(plan.lease),
        "DRAIN_TIMEOUT_SECONDS": str(_DRAIN_SECONDS),
        "INFERENCE_TIMEOUT_SECONDS": "3",
        "RETRY_BACKOFF_SECONDS": "0.5",
        "RETRY_BACKOFF_MAX_SECONDS": "5" if plan.seconds < 120 else "15",
        "S3_TIMEOUT_SECONDS": "10",
    }


def _through(proxy: Proxy, url: str) -> str:
    return url.replace(f":{_port(url)}", f":{proxy.port}")


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def _create_table(pipeline: Pipeline) -> None:
    statement = sql.SQL("CREATE TABLE {} ({})").format(
        sql.Identifier(pipeline.schema, pipeline.table), sql.SQL(SOURCE_COLUMNS)
    )
    with psycopg.connect(pipeline.postgres_dsn, autocommit=True) as connection:
        connection.execute(statement)
