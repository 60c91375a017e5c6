"""The parent's side: start, stop and address the embedded servers."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from connectors.local.guard import STOP_SECONDS
from connectors.local.programs import LOOPBACK, REGION

#: Below Linux's ephemeral range (32768 upward): no client's own port may take the
#: place of a server that is stopped for a while.
PORTS = range(20000, 32000)

#: A port may be taken between being chosen and being bound.
ATTEMPTS = 5

_PROJECT = Path(__file__).parents[2]


class ServiceFailed(RuntimeError):
    """An embedded server could not be started."""


class LocalServices:
    """Embedded servers that run; made by `local_services`.

    Names of servers are ``aws``, ``mongo`` and ``postgres``.
    """

    def __init__(self, guards: dict[str, _Guard]) -> None:
        self._guards = guards

    @property
    def aws_endpoint_url(self) -> str:
        """Where SQS, S3 and SNS are."""
        return f"http://{LOOPBACK}:{self._guards['aws'].port}"

    @property
    def mongo_uri(self) -> str:
        """Where Mongo is."""
        return f"mongodb://{LOOPBACK}:{self._guards['mongo'].port}"

    @property
    def postgres_dsn(self) -> str:
        """Where PostgreSQL's database ``postgres`` is."""
        port = self._guards["postgres"].port
        return f"postgresql://postgres@{LOOPBACK}:{port}/postgres"

    def environment(self) -> dict[str, str]:
        """Return the variables that lead a child process to the running servers."""
        found: dict[str, str] = {}
        if "aws" in self._guards:
            found |= {
                "AWS_ENDPOINT_URL": self.aws_endpoint_url,
                "AWS_REGION": REGION,
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_EC2_METADATA_DISABLED": "true",
            }
        if "mongo" in self._guards:
            found["MONGO_URI"] = self.mongo_uri
        if "postgres" in self._guards:
            found["POSTGRES_DSN"] = self.postgres_dsn
        return found

    def pid(self, name: str) -> int:
        """Return the process id of a server, for tests that kill it."""
        return self._guards[name].pid

    def stop(self, name: str) -> None:
        """Stop a server as an outage would; its data and port stay its own."""
        self._guards[name].send("stop")
        self._guards[name].receive()

    def start(self, name: str) -> None:
        """Start a stopped or killed server again, on its port and with its data.

        The emulated AWS saves its data when it is stopped, and loses it by SIGKILL.
        """
        guard = self._guards[name]
        guard.send("start", str(guard.port))
        guard.wait_until_ready()


class _Guard:
    """A guard process and the pipe to it."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.port = _free_port()
        self.pid = 0
        with (directory / f"{name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "connectors.local.guard", name, str(directory)],
                cwd=_PROJECT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                # An interrupt from the terminal is for the parent alone.
                start_new_session=True,
            )
        self.send("start", str(self.port))

    def send(self, *command: str) -> None:
        assert self._process.stdin is not None
        print(*command, file=self._process.stdin, flush=True)

    def receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ServiceFailed(f"{self.name} has lost its guard process")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def wait_until_ready(self, *, elsewhere: bool = False) -> None:
        """Wait for the start that was sent; try again, ``elsewhere`` on other ports."""
        for _ in range(ATTEMPTS - 1):
            answer = self.receive()
            if "pid" in answer:
                break
            self.port = _free_port() if elsewhere else self.port
            self.send("start", str(self.port))
        else:
            answer = self.receive()
        if "pid" not in answer:
            raise ServiceFailed(f"{self.name} did not start: {answer['error']}")
        self.pid = answer["pid"]

    def release(self) -> None:
        """Close the pipe, which ends guard and server."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def wait(self) -> None:
        self._process.wait(2 * STOP_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()


def _free_port() -> int:
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)):
                return port


@contextmanager
def local_services(
    directory: Path, *, aws: bool = True, mongo: bool = True, postgres: bool = True
) -> Iterator[LocalServices]:
    """Run embedded servers, started side by side, for the length of a ``with``.

    Parameters
    ----------
    directory
        Where their data and logs go; at the end the logs stay.
    aws, mongo, postgres
        Which of them to run.

    Raises
    ------
    ServiceFailed
        If one does not start.
    """
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    wanted = {"aws": aws, "mongo": mongo, "postgres": postgres}
    with ExitStack() as running:
        guards = {}
        for name in (name for name, run in wanted.items() if run):
            guards[name] = _Guard(name, directory)
            running.callback(guards[name].wait)
        for guard in guards.values():
            running.callback(guard.release)
        for guard in guards.values():
            guard.wait_until_ready(elsewhere=True)
        yield LocalServices(guards)
