"""Ports for tests that must tell one to a process before it listens."""

from __future__ import annotations

import random
import socket

#: Below Linux's ephemeral range (32768 upward): no other server or client that takes
#: any port takes one of these before the process listens.
_PORTS = range(15_000, 20_000)


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    while True:
        port = random.choice(_PORTS)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
