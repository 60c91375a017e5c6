"""Earshot's face: the worker flow for bytewax, and the command line.

``python -m bytewax.run run_flow`` runs the worker in one process;
``python run_flow.py --help`` lists the commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bytewax.dataflow import Dataflow


def flow() -> Dataflow:
    """Return the worker's dataflow, for ``python -m bytewax.run run_flow``."""
    import atexit

    from flows.signals import exit_at_signal

    exit_at_signal()
    from flows.start import start_worker

    worker = start_worker()
    atexit.register(worker.close)
    return worker.flow()


if __name__ == "__main__":
    import sys

    from commands import run

    run(sys.argv[1:])
