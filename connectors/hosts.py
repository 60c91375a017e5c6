"""Which hosts audio may come from, judged by the address really connected to."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ForbiddenHost(Exception):
    """The host's address is private, and the host is not one of those allowed."""


def is_public(address: str) -> bool:
    """Tell whether an IP address is of the public internet.

    An IPv6 address that carries an IPv4 one (mapped, 6to4, Teredo, NAT64) is judged
    by both.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return all(one.is_global and not one.is_multicast for one in _meant(parsed))


def _meant(address: Address) -> list[Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    carried: list[Address] = [address]
    if address.sixtofour:
        carried.append(address.sixtofour)
    if address.teredo:
        carried.extend(address.teredo)
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    return carried


def is_allowed(host: str, names: Sequence[str]) -> bool:
    """Tell whether a host is named, as itself or by a ``*.`` prefix."""
    host = host.lower().rstrip(".").strip("[]")
    return any(
        host.endswith(name[1:]) if name.startswith("*.") else host == name.strip("[]")
        for name in names
    )


class GuardedAdapter(HTTPAdapter):
    """Connects to public hosts and to those named, by whatever redirect or name.

    Parameters
    ----------
    allowed_hosts
        Names of hosts that may be private; ``*.`` stands for any label before.
    header_seconds
        Time from the request to the last of the answer's headers: a host that
        sends them byte by byte is cut off.
    """

    def __init__(
        self, allowed_hosts: Sequence[str], header_seconds: float, connections: int
    ) -> None:
        self._pools = _guarded_pools(allowed_hosts, header_seconds)
        super().__init__(pool_connections=connections, pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools' connections guarded ones."""
        super().init_poolmanager(*args, **kwargs)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = self._pools


class _Guard:
    """What is checked of each connection, whether plain or under TLS."""

    allowed_hosts: Sequence[str]
    header_seconds: float
    host: str

    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        address = connected.getpeername()[0]
        if is_allowed(self.host, self.allowed_hosts) or is_public(address):
            return connected
        connected.close()
        raise ForbiddenHost(f"{self.host} is a private address and not an allowed host")

    def getresponse(self) -> Any:
        return _within(self.header_seconds, self, super().getresponse)  # type: ignore[misc]


def _guarded_pools(names: Sequence[str], header_seconds: float) -> dict[str, Any]:
    limits = {"allowed_hosts": names, "header_seconds": header_seconds}
    plain = type("Plain", (_Guard, HTTPConnection), limits)
    secure = type("Secure", (_Guard, HTTPSConnection), limits)
    return {
        "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }


def _within(seconds: float, connection: Any, read: Callable[[], Any]) -> Any:
    """Read an answer's headers; cut the connection when they take too long."""

    def cut() -> None:
        with suppress(OSError):  # closed meanwhile
            if connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        return read()
    finally:
        timer.cancel()
