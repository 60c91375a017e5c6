"""The command line: a file for each group, each command a thin face of what it runs."""

from commands import demo, discover, model, worker
from commands.app import run

__all__ = ["demo", "discover", "model", "run", "worker"]
