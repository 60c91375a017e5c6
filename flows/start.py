"""Starting a flow as users do: wrong settings end it with 2, before it connects."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn, TypeVar

from bytewax.run import _parse_args

from connectors.memory import allow_files
from flows.lifecycle import Drain, end_in_one_line
from flows.runtime import Worker
from flows.settings import LocalSettings, Settings, SettingsError
from flows.telemetry import configure_logging
from model.errors import Expected

_S = TypeVar("_S", bound=LocalSettings)
#: bytewax's own web server: it is on for any value, also 0, on every interface.
BYTEWAX_API = "BYTEWAX_DATAFLOW_API_ENABLED"


def start_worker(*, debug: bool = False) -> Worker:
    """Return a worker from the environment, checked and ready; close it at its end.

    Ends the process with 2 when a setting is wrong, and with 1 when something that
    the worker needs is not there.
    """
    refuse_bytewax_server()
    refuse_cluster(
        "the process that received a message holds it; start more processes instead "
        "(python run_flow.py worker --processes N)"
    )
    settings = load_settings()
    allowed = allow_files(settings.max_concurrency)
    if allowed < settings.max_concurrency:
        fail(
            f"MAX_CONCURRENCY={settings.max_concurrency}: expected at most {allowed}, "
            "since each recording is an open file (ulimit -Hn)",
            code=2,
        )
    if not debug:
        end_in_one_line()
    try:
        worker = Worker(settings)
    except Expected as error:
        if debug:
            raise
        fail(str(error), code=1)
    Drain(worker.consumer, settings.drain_timeout_seconds).install()
    return worker


def load_settings(**overrides: Any) -> Settings:
    """Return the settings and set the logs up; ends the process with 2 if wrong."""
    return _loaded(Settings, overrides)


def load_local_settings(**overrides: Any) -> LocalSettings:
    """Return the settings of a command that needs no service; see `load_settings`."""
    return _loaded(LocalSettings, overrides)


def _loaded(kind: type[_S], overrides: dict[str, Any]) -> _S:
    try:
        settings = kind.load(**overrides)
    except SettingsError as error:
        fail(*error.faults, code=2)
    configure_logging(settings.log_level, settings.log_format)
    return settings


def fail(*lines: str, code: int) -> NoReturn:
    """End the process with lines on stderr and no traceback."""
    for line in lines:
        print(f"earshot: {line}", file=sys.stderr)
    raise SystemExit(code)


def refuse_bytewax_server() -> None:
    """End the process with 2 where bytewax would open its own web server."""
    if BYTEWAX_API in os.environ:
        value = os.environ[BYTEWAX_API]
        fail(
            f"{BYTEWAX_API}={value!r}: expected unset: any value, also 0, opens "
            "bytewax's web server on every interface",
            code=2,
        )


def refuse_cluster(instead: str) -> None:
    """End the process with 2 where bytewax is asked for more than one worker.

    Parameters
    ----------
    instead
        Why, and what to do instead.
    """
    if not sys.argv[0].endswith(os.path.join("bytewax", "run.py")):
        return
    asked = _parse_args()
    if (asked.workers_per_process or 1) > 1 or asked.process_id is not None:
        fail(
            f"expected one bytewax worker in one process, got a cluster: {instead}",
            code=2,
        )
