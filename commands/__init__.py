"""The command line: a file for each group, each command a thin face of what it runs."""

from commands import check, demo, discover, model, queues, results, topology, worker
from commands.app import run

__all__ = [
    "check",
    "demo",
    "discover",
    "model",
    "queues",
    "results",
    "run",
    "topology",
    "worker",
]
