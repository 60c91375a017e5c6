"""One run of one program over a supply, and the pairs that are made of such runs."""

from __future__ import annotations

from dataclasses import dataclass

from bench.celery_messages import empty_task
from bench.load import BUCKET, Load
from bench.measure import Running
from bench.programs import (
    CELERY,
    EARSHOT,
    PLAIN,
    TWO_PLAIN,
    Program,
    expect_proof,
    start,
)
from bench.sizes import Sizes
from bench.supply import Supply


@dataclass(frozen=True)
class Run:
    """One run of one program over all of a supply.

    Attributes
    ----------
    rate
        Messages deleted a second while the program was full.
    first
        Seconds from the start of the process to the first delete.
    cpu
        CPU seconds a message of all its processes, in that same time.
    parent, child
        Highest memory of a parent and of a child, in MiB.
    """

    rate: float
    first: float
    cpu: float
    parent: float
    child: float


def drain(load: Load, supply: Supply, program: Program) -> Run:
    """Run a program until its queue is empty, and see that all is done.

    Raises
    ------
    RuntimeError
        If messages have gone that left no result, see `expect_proof`.
    """
    with start(load, supply, program) as running:
        run = _measured(supply, running, program.margin)
        expect_proof(load, supply, running, supply.count)
    return run


def _measured(supply: Supply, running: Running, margin: int) -> Run:
    first = running.until(supply, 1)
    begin = running.until(supply, margin)
    end = running.until(supply, supply.count - margin)
    running.until(supply, supply.count)
    count = end.deleted - begin.deleted
    if count <= 0:
        raise ValueError(f"{supply.count} messages are too few to measure by")
    return Run(
        rate=count / (end.at - begin.at),
        first=first.at,
        cpu=(end.cpu - begin.cpu) / count,
        parent=running.peak(parent=True),
        child=running.peak(parent=False),
    )


def pipeline(load: Load, sizes: Sizes, urls: list[str]) -> dict[str, Run]:
    """Judge recordings: Earshot in one process, two plain workers, then one."""
    return {
        "Earshot": earshot(load, sizes.recordings, urls),
        "two plain": drain(load, load.supply(sizes.plain, urls), TWO_PLAIN),
        "plain": plain(load, sizes.plain, urls),
    }


def earshot(load: Load, count: int, urls: list[str], **more: str) -> Run:
    """Judge recordings in one process of Earshot."""
    return drain(load, load.supply(count, urls), EARSHOT.told(**more))


def plain(load: Load, count: int, urls: list[str]) -> Run:
    """Judge recordings in one plain worker."""
    return drain(load, load.supply(count, urls), PLAIN)


def transport(load: Load, sizes: Sizes) -> dict[str, Run]:
    """Pass messages whose records have results; Celery passes empty tasks."""
    urls = [f"s3://{BUCKET}/none.wav"]
    return {
        "Earshot": drain(load, load.supply(sizes.messages, urls, done=True), EARSHOT),
        "plain": drain(load, load.supply(sizes.messages, urls, done=True), PLAIN),
        "Celery": celery(load, sizes.celery),
    }


def celery(load: Load, count: int) -> Run:
    """Let Celery run empty tasks from a queue of its own."""
    supply = load.supply_of([empty_task(number) for number in range(count)], "nothing")
    return drain(load, supply, CELERY.told(CELERY_QUEUE_URL=supply.url))
