"""The demo: the whole pipeline on embedded services, in under a minute."""

from __future__ import annotations

import multiprocessing
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from connectors.local import local_services
from demo.pupils import Recording, recordings
from demo.stage import DATABASE, DOCUMENTS, TABLE, TEST_DATE, Row, Stage
from flows.processes import work

ROOT = Path(__file__).parents[1]
_LOOK_AGAIN_SECONDS = 0.2


class DemoFailed(Exception):
    """Discovery or the worker ended with an error."""


@dataclass
class Played:
    """What the demo did and where it lies."""

    folder: Path
    sent: int = 0
    skipped_by_discovery: int = 0
    seconds: float = 0.0
    dead_lettered: int = 0
    left: int = 0
    kinds: dict[str, str] = field(default_factory=dict)
    results: list[dict[str, Any]] = field(default_factory=list)

    @property
    def csv(self) -> Path:
        """A row for every outcome of every delivery."""
        return self.folder / "results.csv"

    @property
    def quarantine(self) -> Path:
        """The malformed messages, one JSON object a line."""
        return self.folder / "quarantine.jsonl"


def play(items: int, output: Path, *, keep: bool = False) -> Iterator[Played]:
    """Play the demo; yield what it did while its services still run.

    Parameters
    ----------
    items
        Recordings to speak.
    output
        Where the demo's folder is made.
    keep
        Whether to wait for Ctrl-C before the services end.

    Raises
    ------
    DemoFailed
        When discovery or the worker ended with an error.
    """
    folder = output / f"demo-{datetime.now():%Y%m%d-%H%M%S}"
    folder.mkdir(parents=True)
    began = time.monotonic()
    with local_services(folder / "services") as services:
        with closing(Stage(services)) as stage:
            with _progress() as progress:
                played = _play(stage, items, Played(folder), progress)
            played.seconds = round(time.monotonic() - began, 1)
            yield played
            if keep:
                _wait(stage, played)
            else:
                _hint()


def _play(stage: Stage, items: int, played: Played, progress: Progress) -> Played:
    spoken = []
    for recording in progress.track(
        recordings(items), total=items, description="Pupils read aloud"
    ):
        spoken.append(recording)
    stage.put(spoken)
    deleted, processed = _add_odd_ones(stage, spoken[0], items)
    environment = _environment(stage, played.folder)
    for source in ("postgres", "mongo"):
        told = _discover(source, environment, played.folder)
        played.sent += told["sent"]
        played.skipped_by_discovery += told["skipped_existing"]
    stage.delete_row(deleted)
    stage.send(processed.message().to_message(), '{"student_id": "S1001"')
    played.sent += 2
    _work(stage, played, environment, progress)
    played.left = stage.left(stage.queue.url)
    played.dead_lettered = stage.left(stage.queue.dead_letter_url)
    played.kinds, played.results = stage.kinds, stage.results()
    return played


def _add_odd_ones(stage: Stage, pupil: Recording, items: int) -> tuple[Row, Row]:
    """Add what goes wrong in life; return the row to delete and the processed one."""
    rows = [
        Row(items + number, replace(pupil, student_id=f"S{9001 + number}"), url)
        for number, url in enumerate(
            f"s3://recordings/{TEST_DATE}/{name}.wav"
            for name in ("deleted-later", "never-uploaded", "processed-yesterday")
        )
    ]
    for row in rows:
        stage.put_row(row)
    stage.put_result(rows[2])
    return rows[0], rows[2]


def _environment(stage: Stage, folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        **stage.services.environment(),
        "PYTHONPATH": str(ROOT),
        "SQS_QUEUE_URL": stage.queue.url,
        "MONGO_DB_NAME": DATABASE,
        "DISCOVERY_SOURCE_TYPE": "postgres",
        "POSTGRES_TABLE": TABLE,
        "MONGO_SOURCE_COLLECTION": DOCUMENTS,
        "CSV_OUTPUT_PATH": str(folder / "results.csv"),
        "QUARANTINE_PATH": str(folder / "quarantine.jsonl"),
        "RETRY_BACKOFF_SECONDS": "1",
        "RETRY_BACKOFF_MAX_SECONDS": "1",
        "IDLE_EXIT_SECONDS": "3",
        "METRICS_PORT": "0",
        "LOG_FORMAT": "json",
    }


def _discover(source: str, environment: dict[str, str], folder: Path) -> dict[str, Any]:
    command = [
        *(sys.executable, "run_flow.py", "discover", "--source", source),
        *("--mode", "backfill", "--test-date", TEST_DATE),
    ]
    with (folder / f"discovery-{source}.log").open("wb") as log:
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log
        )
    if ended.returncode:
        raise DemoFailed(f"discovery ended with {ended.returncode}: see {log.name}")
    told: dict[str, Any] = orjson.loads(ended.stdout.splitlines()[-1])
    return told


def _work(
    stage: Stage, played: Played, environment: dict[str, str], progress: Progress
) -> None:
    judging = progress.add_task("The worker judges", total=len(stage.kinds))
    log = played.folder / "worker.log"
    worker = multiprocessing.get_context("spawn").Process(
        target=_worker, args=(environment, log)
    )
    worker.start()
    try:
        while worker.is_alive():
            progress.update(judging, completed=len(stage.results()))
            worker.join(_LOOK_AGAIN_SECONDS)
    finally:
        worker.terminate()
        worker.join()
    progress.update(judging, completed=len(stage.results()))
    if worker.exitcode:
        raise DemoFailed(f"the worker ended with {worker.exitcode}: see {log}")


def _worker(environment: dict[str, str], log: Path) -> None:
    """Be a worker until the queue is empty, or until the demo is no more."""
    os.environ.update(environment)
    with log.open("wb") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    work()


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description:20}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield progress


def _wait(stage: Stage, played: Played) -> None:
    """Keep the services up and say how to reach them."""
    environment = _environment(stage, played.folder)
    names = sorted(
        name for name in environment if environment[name] != os.environ.get(name)
    )
    lines = [f"export {name}={shlex.quote(environment[name])}" for name in names]
    settings = played.folder / "settings.sh"
    settings.write_text("\n".join([*lines, ""]))
    _say("The services stay up until Ctrl-C. To look around, set:")
    for line in lines:
        print(f"  {line}", file=sys.stderr)
    _say("To listen to what was flagged:")
    print(f"  . {shlex.quote(str(settings))}", file=sys.stderr)
    print(f"  {_command('console')}", file=sys.stderr, flush=True)
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)


def _hint() -> None:
    """Say how to listen to what was flagged: with services that stay up."""
    first, then = _command("demo --keep"), _command("console")
    _say(f"To listen to what was flagged: {first}, then {then}")


def _say(line: str) -> None:
    print(f"\n{line}", file=sys.stderr)


def _command(arguments: str) -> str:
    """Return a command of ours as somebody here would type it."""
    python, here = Path(sys.executable), Path.cwd()
    shown = python.relative_to(here) if python.is_relative_to(here) else python
    return f"{shlex.quote(str(shown))} run_flow.py {arguments}"
