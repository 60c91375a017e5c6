"""The command line: a file for each group, each command a thin face of what it runs."""

from commands import (
    check,
    console,
    demo,
    discover,
    model,
    queues,
    results,
    reviews,
    topology,
    worker,
)
from commands.app import run

__all__ = [
    "check",
    "console",
    "demo",
    "discover",
    "model",
    "queues",
    "results",
    "reviews",
    "run",
    "topology",
    "worker",
]
