"""The discovery's graph."""

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

from flows.discovery.enqueue import Ended, New
from flows.discovery.scan import Items
from flows.operators import batch, map_concurrent

#: Time that a record waits for others to go in one request with it.
BATCH_AGE = timedelta(milliseconds=50)


@dataclass(frozen=True, slots=True)
class Steps:
    """What the discovery's graph does at its steps.

    Attributes
    ----------
    check
        A page to the same page, with an end for each record that has a result.
    send
        Records that have none to their ends.
    """

    check: Callable[[Items], Future[Iterable[New | Ended]]]
    send: Callable[[list[New]], Future[Iterable[Ended]]]


def build_flow(
    source: Source[Items], sink: Sink[Ended], steps: Steps, *, batch_size: int
) -> Dataflow:
    """Return the discovery's dataflow: what goes in comes out as an end."""
    flow = Dataflow("earshot_discovery")
    pages = op.input("read", flow, source)
    records = op.flatten("records", map_concurrent("check", pages, steps.check))
    new = op.branch("new", records, _is_new)
    batches = batch("batch", new.trues, size=batch_size, age=BATCH_AGE)
    sent = op.flatten("sent", map_concurrent("send", batches, steps.send))
    ends: Stream[Ended] = op.merge("ends", new.falses, sent)
    op.output("watermark", ends, sink)
    return flow


def _is_new(item: object) -> TypeGuard[New]:
    return isinstance(item, New)
