"""The worker's graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeGuard

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.inputs import Source
from bytewax.outputs import Sink

from connectors.sqs import Delivery
from flows.downloads import Fetched, Withdrawn
from flows.inference import Measured
from flows.operators import batch, map_concurrent
from flows.parsing import parse
from flows.settle import End
from model.outcomes import Outcome
from model.records import WorkItem

#: Age at which measured recordings are scored, though more are on their way: scoring
#: and writing them together costs little more than doing so for one.
GATHER_AGE = timedelta(seconds=0.1)
#: Time between two looks at what is finished: many recordings are by then.
EVERY = timedelta(milliseconds=20)


@dataclass(frozen=True, slots=True)
class Steps:
    """What the worker's graph does at its steps.

    Attributes
    ----------
    triage
        A batch to its items worth a download and the outcomes of the others.
    download
        An item to its recording's bytes.
    measure
        A recording's bytes to its numbers.
    score
        Numbers to outcomes.
    under_way
        How many records are between triage and their end.
    """

    triage: Callable[[list[WorkItem]], Future[Iterable[WorkItem | Outcome]]]
    download: Callable[[WorkItem], Future[Fetched | Outcome | Withdrawn]]
    measure: Callable[[Fetched], Future[Measured | Outcome]]
    score: Callable[[list[Measured]], Iterable[Outcome]]
    under_way: Callable[[], int]


def build_flow(
    source: Source[Delivery],
    sink: Sink[End],
    steps: Steps,
    *,
    batch_size: int,
    batch_age: timedelta,
) -> Dataflow:
    """Return the worker's dataflow: every delivery that goes in comes out as an end."""
    flow = Dataflow("earshot_worker")
    deliveries = op.input("sqs", flow, source)
    parsed = op.branch("well_formed", op.map("parse", deliveries, parse), _is_item)
    batches = batch(
        "batch",
        parsed.trues,
        size=batch_size,
        age=batch_age,
        idle=lambda waiting: not steps.under_way(),
    )
    triaged = op.flatten(
        "items", map_concurrent("triage", batches, steps.triage, every=EVERY)
    )
    eligible = op.branch("eligible", triaged, _is_item)
    downloaded = map_concurrent("download", eligible.trues, steps.download, every=EVERY)
    fetched = op.branch("fetched", downloaded, _is_fetched)
    measured = map_concurrent("measure", fetched.trues, steps.measure, every=EVERY)
    usable = op.branch("measured", measured, _is_measured)
    gathered = batch(
        "gather",
        usable.trues,
        size=batch_size,
        age=GATHER_AGE,
        idle=lambda waiting: steps.under_way() <= waiting,
    )
    judged = op.flat_map("score", gathered, steps.score)
    ends: Stream[End] = op.merge(
        "ends", parsed.falses, eligible.falses, fetched.falses, usable.falses, judged
    )
    op.output("settle", ends, sink)
    return flow


def _is_item(value: object) -> TypeGuard[WorkItem]:
    return isinstance(value, WorkItem)


def _is_fetched(value: object) -> TypeGuard[Fetched]:
    return isinstance(value, Fetched)


def _is_measured(value: object) -> TypeGuard[Measured]:
    return isinstance(value, Measured)
