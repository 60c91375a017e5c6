"""The discovery's graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeGuard

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.inputs import Source
from bytewax.outputs import Sink

from flows.enqueue import Ended, New
from flows.operators import batch, map_concurrent
from flows.plan import Mode
from flows.scan import Items

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


def get_flow(
    test_date: str | None = None,
    *,
    mode: Mode = "one_time",
    subject_name: str | Sequence[str] | None = None,
    source: str | None = None,
    batch_size: int | None = None,
    max_records: int | None = None,
    dry_run: bool = False,
) -> Dataflow:
    """Return the discovery of a date, for ``python -m bytewax.run``.

    The process ends as that of ``run_flow.py discover`` does, with one line of JSON
    on stdout and the same exit codes. What is not given comes from the settings.

    Examples
    --------
    ``python -m bytewax.run "flows.discovery:get_flow('2026-02-23', mode='backfill')"``
    """
    from flows import discovery_start as start

    settings = start.settings_of(
        test_date=test_date,
        discovery_source_type=source,
        discovery_batch_size=batch_size,
    )
    names = [subject_name] if isinstance(subject_name, str) else subject_name or ()
    order = start.order_of(
        settings, mode, subject_names=names, max_records=max_records, dry_run=dry_run
    )
    return start.flow_of_process(settings, order)


def _is_new(item: object) -> TypeGuard[New]:
    return isinstance(item, New)
