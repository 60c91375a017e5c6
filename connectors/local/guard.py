"""The guard process: runs one server until its standard input ends.

``python -m connectors.local.guard NAME DIRECTORY`` reads ``start PORT`` and
``stop`` from standard input and answers each with one line of JSON:
``{"pid": n}`` or ``{"error": "..."}``.
"""

from __future__ import annotations

import functools
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType

from connectors.local.confinement import confine
from connectors.local.programs import LOOPBACK, PROGRAMS, Program, places

#: Seconds that a server may take to answer after its start.
START_SECONDS = 30.0

#: Seconds that a server may take to end before it is killed.
STOP_SECONDS = 5.0


class Server:
    """One server program, its working directory and its log."""

    def __init__(self, program: Program, directory: Path) -> None:
        self._program = program
        self._work = directory / program.name
        self._log = directory / f"{program.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        # Left by a run whose guard was killed together with its parent.
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir(parents=True)

    def start(self, port: int) -> int:
        """(Re)start the server on a port, wait until it answers, return its pid.

        Raises
        ------
        RuntimeError
            If it ended or did not answer, with the end of its log.
        """
        self.stop()
        named = places(self._work, port)
        if self._program.prepare and not (self._work / "data").exists():
            self._run(self._program.prepare, named).wait()
        logged = self._log.stat().st_size if self._log.exists() else 0
        self._process = self._run(self._program.command, named)
        expected = self._program.listening.format(**named)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._has_logged(expected, logged) and self._answers(port):
                return self._process.pid
            time.sleep(0.01)
        self.stop()
        raise RuntimeError(self._end_of_log())

    def stop(self) -> None:
        """End the server, with all of its processes; keep its data."""
        if self._process is None:
            return
        self._process.send_signal(self._program.stop)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def remove(self) -> None:
        """End the server and remove its data; the log stays."""
        self.stop()
        shutil.rmtree(self._work, ignore_errors=True)

    def _run(
        self, command: Iterable[str], named: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        settings = self._program.environment.items()
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [word.format(**named) for word in command],
                # Nothing else of ours: PGDATA or AWS_PROFILE would change it.
                env={
                    "PATH": os.environ.get("PATH", os.defpath),
                    "HOME": str(self._work),
                    "TMPDIR": str(self._work),
                    **{name: value.format(**named) for name, value in settings},
                },
                cwd=self._work,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=functools.partial(
                    confine, refuses_root=self._program.refuses_root
                ),
            )

    def _has_logged(self, text: str, start: int) -> bool:
        with self._log.open("rb") as log:
            log.seek(start)
            return text.encode() in log.read()

    def _answers(self, port: int) -> bool:
        try:
            with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
                connection.sendall(self._program.request)
                return self._program.answer in connection.recv(4096)
        except OSError:
            return False

    def _end_of_log(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return " | ".join(line.strip() for line in lines[-5:])


def commands() -> Iterator[list[str]]:
    """Yield the words of each line of standard input while the parent lives.

    The parent's id is watched too: a process that it forked may hold the other end
    of the pipe open after the parent's death.
    """
    parent = os.getppid()
    while os.getppid() == parent:
        if select.select([sys.stdin], [], [], 0.5)[0]:
            line = sys.stdin.readline()
            if not line:
                return
            yield line.split()


def obey(server: Server, command: list[str]) -> dict[str, object]:
    """Carry out one command and return the answer to it."""
    try:
        if command[0] == "start":
            return {"pid": server.start(int(command[1]))}
        server.stop()
        return {}
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        return {"error": str(error)}


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def main() -> None:
    """Guard the server that the command line names."""
    signal.signal(signal.SIGTERM, _end)
    name, directory = sys.argv[1:]
    server = Server(PROGRAMS[name], Path(directory))
    try:
        for command in commands():
            print(json.dumps(obey(server, command)), flush=True)
    finally:
        server.remove()


if __name__ == "__main__":
    main()
