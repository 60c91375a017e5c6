"""A real HTTP server on loopback that serves recordings, well or badly."""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True)
class Response:
    """What a path answers.

    Attributes
    ----------
    missing_bytes
        By how much the announced length exceeds what is sent before the close.
    endless
        Whether the body is sent over and over, without a length.
    seconds_between_bytes, seconds_before
        How slowly the body drips, and how late the answer begins.
    reset
        Whether the connection is cut in the place of an answer.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    missing_bytes: int = 0
    endless: bool = False
    seconds_between_bytes: float = 0
    seconds_before: float = 0
    reset: bool = False

    def pieces(self, closing: threading.Event) -> Iterator[bytes]:
        """Yield the body as it goes over the wire, until the host closes."""
        if self.seconds_between_bytes:
            for byte in self.body:
                yield bytes([byte])
                closing.wait(self.seconds_between_bytes)
        else:
            yield self.body
        while self.endless and not closing.is_set():
            yield self.body


class _Request(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        response = self.server.answer(self.path)
        if response.reset:
            self._reset()
            return
        self.server.closing.wait(response.seconds_before)
        self.close_connection = response.endless or response.missing_bytes > 0
        self._send_head(response)
        try:
            for piece in response.pieces(self.server.closing):
                self.wfile.write(piece)
        except OSError:
            self.close_connection = True

    def _send_head(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if not response.endless:
            length = len(response.body) + response.missing_bytes
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _reset(self) -> None:
        """Close with RST: no time is left for what was not sent."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: a test's output is its own."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.closing = threading.Event()
        self.requests: Counter[str] = Counter()
        self.answers: dict[str, list[Response]] = {}
        self._lock = threading.Lock()

    def answer(self, path: str) -> Response:
        """Count a request and return its answer; the last one answers for ever."""
        with self._lock:
            self.requests[path] += 1
            answers = self.answers.get(path, [Response(status=404)])
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: that a client left in the middle is what some tests are for."""


class AudioHost:
    """Serves registered responses by path and counts the requests; 404 else.

    Examples
    --------
    >>> with AudioHost() as host:
    ...     url = host.serve("/a.wav", Response(b"RIFF"))
    ...     host.requests("/a.wav")
    0
    """

    def __init__(self) -> None:
        self._server = _Server()
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def serve(self, path: str, *responses: Response) -> str:
        """Answer a path with these in turn, with the last for ever; return its URL."""
        self._server.answers[path] = list(responses)
        return self.url(path)

    def redirect(self, path: str, location: str) -> str:
        """Answer a path with a redirect; return its URL."""
        return self.serve(path, Response(status=302, headers={"Location": location}))

    def requests(self, path: str) -> int:
        """Return how often a path was asked for."""
        return self._server.requests[path]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
