"""``/metrics``, ``/live`` and ``/ready`` by HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from typing import Any, Union
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import orjson
import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import make_wsgi_app

log = structlog.get_logger("earshot")

_App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
#: A part's name, and what is wrong with it, None when nothing is; or its own parts.
Report = Mapping[str, Union[str, None, "Report"]]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a process has to say.

    Attributes
    ----------
    live, ready
        Return each part's name with what is wrong with it; a part that is wrong
        makes the answer 503.
    """

    registry: CollectorRegistry
    live: Callable[[], Report]
    ready: Callable[[], Report]


class HealthServer:
    """Serves a process's answers on its own thread."""

    def __init__(self, host: str, port: int, answers: Answers) -> None:
        metrics: _App = make_wsgi_app(answers.registry)

        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            checks = {"/live": answers.live, "/ready": answers.ready}
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


@contextmanager
def serve(host: str, port: int, answers: Answers) -> Iterator[None]:
    """Serve a process's answers, unless the port is taken: that it works matters more.

    Parameters
    ----------
    port
        0 for not at all.
    """
    if not port:
        yield
        return
    try:
        server = HealthServer(host, port, answers)
    except OSError as error:
        log.warning("metrics_unavailable", port=port, error=str(error))
        yield
        return
    with closing(server):
        yield


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Write no line a request."""


def is_healthy(report: Report) -> bool:
    """Tell whether nothing is wrong with any part."""
    return all(
        is_healthy(part) if isinstance(part, Mapping) else not part
        for part in report.values()
    )


def _told(report: Report) -> dict[str, Any]:
    """Return a report as JSON has it."""
    parts = {
        name: _told(part) if isinstance(part, Mapping) else part or "ok"
        for name, part in report.items()
    }
    return {"ok": is_healthy(report), **parts}


def _answer(report: Report, start: Callable[..., Any]) -> list[bytes]:
    healthy = is_healthy(report)
    start(
        "200 OK" if healthy else "503 Service Unavailable",
        [("Content-Type", "application/json")],
    )
    return [orjson.dumps(_told(report))]
