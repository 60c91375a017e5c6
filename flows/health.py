"""``/metrics``, ``/live`` and ``/ready`` of one worker process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import orjson
import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import make_wsgi_app

log = structlog.get_logger("earshot")

_App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
#: A part's name, and what is wrong with it, None when nothing is.
Parts = Mapping[str, str | None]


class HealthServer:
    """Serves a process's health on its own thread.

    Parameters
    ----------
    live, ready
        Return each part's name with what is wrong with it; a part that is wrong
        makes the answer 503.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        *,
        live: Callable[[], Parts],
        ready: Callable[[], Parts],
    ) -> None:
        metrics: _App = make_wsgi_app(registry)

        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            checks = {"/live": live, "/ready": ready}
            check = checks.get(environ.get("PATH_INFO", ""))
            if check is not None:
                return _answer(check(), start)
            if environ.get("PATH_INFO") == "/metrics":
                return metrics(environ, start)
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"/metrics, /live or /ready\n"]

        self._server = make_server(
            host, port, app, server_class=_Server, handler_class=_Silent
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="health", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Write no line a request."""


def _answer(parts: Parts, start: Callable[..., Any]) -> list[bytes]:
    healthy = not any(parts.values())
    start(
        "200 OK" if healthy else "503 Service Unavailable",
        [("Content-Type", "application/json")],
    )
    told = {name: fault or "ok" for name, fault in parts.items()}
    return [orjson.dumps({"ok": healthy, **told})]
