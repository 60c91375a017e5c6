"""The discovery's graph."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from flows.discovery.items import Checked, Ended, New
from flows.discovery.scan import Items
from flows.operators import map_concurrent


@dataclass(frozen=True, slots=True)
class Steps:
    """What the discovery's graph does at its steps.

    Attributes
    ----------
    check
        A page to what of it is to be sent and what is not.
    send
        A batch of records to their ends.
    """

    check: Callable[[Items], Future[Checked]]
    send: Callable[[list[New]], Future[list[Ended]]]


def build_flow(
    source: Source[Items], sink: Sink[list[Ended]], steps: Steps, *, batch_size: int
) -> Dataflow:
    """Return the discovery's dataflow: what goes in comes out as an end.

    It handles pages and batches, never a record alone: those can be a million.
    """
    flow = Dataflow("earshot_discovery")
    pages = op.input("read", flow, source)
    checked = map_concurrent("check", pages, steps.check)
    ended = op.map("ended", checked, lambda page: page.ended)
    batches = op.flat_map("batches", checked, lambda page: page.batches(batch_size))
    sent = map_concurrent("send", batches, steps.send)
    ends = op.merge("ends", ended, sent)
    op.output("watermark", ends, sink)
    return flow
