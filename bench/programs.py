"""The programs that are measured, each as a user would start it."""

from __future__ import annotations

import csv
import sys
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.load import RESULTS, Load
from bench.measure import Running, free_port
from bench.supply import Supply

#: For a worker that has a thread for each recording: more would only be in its way.
_ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
    ),
    "1",
)


@dataclass(frozen=True)
class Program:
    """A program, and what it needs to be told.

    Attributes
    ----------
    margin
        Messages at either end of a supply that are not measured by: as many as all
        its processes hold at once, or more. So it is full at both ends, and what it
        had received before counts as much as what it has received at the end.
    more
        Environment variables beyond those of every worker.
    """

    command: list[str]
    margin: int
    processes: int = 1
    more: Mapping[str, str] = field(default_factory=dict)

    def told(self, **more: str) -> Program:
        """Return it with more environment variables."""
        return replace(self, more={**self.more, **more})


EARSHOT = Program([sys.executable, "-m", "bytewax.run", "run_flow"], margin=256)
PLAIN = Program(
    [sys.executable, "-m", "bench.plain_worker"],
    margin=10,
    more={**_ONE_THREAD, "PLAIN_THREADS": "4"},
)
TWO_PLAIN = replace(PLAIN, margin=20, processes=2)
CELERY = Program(
    [
        *(sys.executable, "-m", "celery", "-A", "bench.celery_app", "worker"),
        *("--pool", "solo", "--without-gossip", "--without-mingle"),
        *("--without-heartbeat", "-Q", "celery", "--loglevel", "ERROR"),
    ],
    margin=100,
)
BARE = Program([sys.executable, "-m", "bench.bare_loop"], margin=40)


def start(load: Load, supply: Supply, program: Program) -> Running:
    """Start a program on a queue; it ends with the ``with`` of what is returned."""
    environments = [
        {
            **load.environment(supply.url),
            "CSV_OUTPUT_PATH": str(load.folder / f"{uuid.uuid4().hex}.csv"),
            "METRICS_PORT": str(free_port()),
            **program.more,
        }
        for _ in range(program.processes)
    ]
    return Running(program.command, environments, load.folder / "worker.log")


def expect_proof(load: Load, supply: Supply, running: Running, count: int) -> None:
    """See that messages were not only deleted, but done.

    Raises
    ------
    RuntimeError
        If there are fewer than `count` of what the supply's messages are to leave.
    """
    found = _proofs(load, supply, running, count)
    if found < count:
        raise RuntimeError(
            f"{count} messages were deleted, {found} left a {supply.proof}: "
            f"{running.said()}"
        )


def _proofs(load: Load, supply: Supply, running: Running, count: int) -> int:
    if supply.proof == "result":
        done = {"processing_status": "completed"}
        return load.database[RESULTS].count_documents(done)
    if supply.proof == "row":
        return skipped(Path(one["CSV_OUTPUT_PATH"]) for one in running.environments)
    # An empty task leaves nothing; one that could not be run leaves an error.
    return 0 if "ERROR" in running.log.read_text(errors="replace") else count


def skipped(files: Iterable[Path]) -> int:
    """Return how many records are in the files as ``skipped_existing``."""
    found: set[str] = set()
    for file in files:
        with file.open(newline="", encoding="utf-8") as rows:
            found |= {
                row["result_document_id"]
                for row in csv.DictReader(rows)
                if row["processing_status"] == "skipped_existing"
            }
    return len(found)
