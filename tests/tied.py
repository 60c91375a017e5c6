"""``python -m tests.tied PARENT COMMAND...`` becomes a command that dies with PARENT.

The embedded services have guards for that. A worker's own signals and exit code are
what tests look at, so nothing may stand between it and them.
"""

from __future__ import annotations

import os
import sys

from connectors.local.confinement import confine


def tied(command: list[str]) -> list[str]:
    """Return a command that is killed when this process ends, however it ends.

    It has to be started from a thread that lives as long: Linux asks for the thread.
    """
    return [sys.executable, "-m", "tests.tied", str(os.getpid()), *command]


def main() -> None:
    """Tie this process to its parent, and become the command."""
    confine(refuses_root=False)
    if os.getppid() == int(sys.argv[1]):  # else it has died before
        os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
