"""A TCP proxy on loopback that refuses, delays, cuts, hangs or answers 503."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from contextlib import suppress
from enum import StrEnum
from typing import Self

#: Bytes after which a connection is cut, at most.
_CUT_BYTES = 4000
#: Seconds by which each piece is delayed, at most.
_DELAY_SECONDS = 1.0
_PIECE_BYTES = 65536
_RESET = struct.pack("ii", 1, 0)
_BROKEN = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
_UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)


class Fault(StrEnum):
    """What a proxy does to connections."""

    NONE = "none"
    REFUSE = "refuse"
    DELAY = "delay"
    CUT = "cut"
    HANG = "hang"
    ERROR = "answer 503"


class Proxy:
    """Stands before a port of loopback; runs on a thread of its own.

    Examples
    --------
    >>> with Proxy(port) as proxy:
    ...     proxy.fault(Fault.REFUSE)
    """

    def __init__(self, target: int, seed: int = 0) -> None:
        self._target, self._random = target, random.Random(seed)
        self._fault = Fault.NONE
        self._writers: set[asyncio.StreamWriter] = set()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    @property
    def port(self) -> int:
        """The port that stands for the target's."""
        port: int = self._socket.getsockname()[1]
        return port

    def fault(self, fault: Fault) -> None:
        """Behave so from now on; most faults cut the connections that are open.

        What is sent while it hangs is swallowed, and never answered afterwards.
        """
        self._fault = fault
        if fault not in (Fault.NONE, Fault.DELAY, Fault.HANG):
            self._loop.call_soon_threadsafe(self._cut_all)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, sock=self._socket)
        )
        self._loop.run_forever()
        server.close()
        self._cut_all()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        gathered = asyncio.gather(*tasks, return_exceptions=True)
        self._loop.run_until_complete(gathered)
        self._loop.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writers.add(writer)
        try:
            if self._fault is Fault.ERROR:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(_UNAVAILABLE)
                await writer.drain()
            elif self._fault is Fault.HANG:
                await _swallow(reader)
            elif self._fault is not Fault.REFUSE:
                await self._join(reader, writer)
        except (*_BROKEN, asyncio.CancelledError):
            pass  # a connection's end is no one's affair here
        finally:
            self._writers.discard(writer)
            _cut(writer, gently=self._fault in (Fault.ERROR, Fault.NONE))

    async def _join(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers.add(back)
        try:
            _, pending = await asyncio.wait(
                [
                    asyncio.create_task(self._pump(reader, back)),
                    asyncio.create_task(self._pump(there, writer)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        finally:
            self._writers.discard(back)
            _cut(back, gently=True)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(_PIECE_BYTES):
                if self._fault is Fault.HANG:
                    await _swallow(reader)
                    return
                if self._fault is Fault.DELAY:
                    await asyncio.sleep(self._random.uniform(0, _DELAY_SECONDS))
                if self._fault is Fault.CUT:
                    piece = piece[: self._random.randrange(_CUT_BYTES)]
                writer.write(piece)
                await writer.drain()
                if self._fault is Fault.CUT:
                    return

    def _cut_all(self) -> None:
        for writer in list(self._writers):
            _cut(writer, gently=False)


async def _swallow(reader: asyncio.StreamReader) -> None:
    """Read what comes until the other side gives up."""
    while await reader.read(_PIECE_BYTES):
        pass


def _cut(writer: asyncio.StreamWriter, *, gently: bool) -> None:
    """Close a connection, with a reset unless gently."""
    with suppress(OSError):
        if gently:
            writer.close()
            return
        own = writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()
