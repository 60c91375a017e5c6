"""Discovery: the records of a test date, read once and put on the queue.

``graph`` is the dataflow, ``run`` fills its steps, ``start`` makes a process of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bytewax.dataflow import Dataflow

    from flows.discovery.modes import Mode


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
    from flows.discovery import start

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
