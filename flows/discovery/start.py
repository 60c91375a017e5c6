"""Running discovery as users do: from the command line, or through bytewax.run."""

from __future__ import annotations

import atexit
import gc
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, get_args

import orjson
import structlog
from bytewax.dataflow import Dataflow
from bytewax.run import cli_main

from flows.discovery.ending import leave
from flows.discovery.modes import Mode
from flows.discovery.plan import Order
from flows.discovery.progress import Progress
from flows.discovery.report import report
from flows.discovery.run import Discovery
from flows.settings import Settings
from flows.start import fail, load_settings, refuse_bytewax_server, refuse_cluster
from model.errors import Expected

log = structlog.get_logger("earshot")


class Process:
    """A process that runs one discovery.

    Opening it ends the process with 2 when a setting is wrong, and with 1 when
    something that the run needs is not there.
    """

    def __init__(
        self, settings: Settings, order: Order, *, debug: bool = False
    ) -> None:
        self._debug, self._began = debug, time.monotonic()
        try:
            self._discovery = Discovery(settings, order)
            total = self._discovery.estimate
        except Expected as error:
            if debug:
                raise
            fail(str(error), code=1)
        self._discovery.ending.install()
        self._progress = Progress(total, self._discovery.summary)

    def flow(self) -> Dataflow:
        """Return the run's dataflow; call once."""
        log.info("discovery_started", **self._discovery.described())
        gc.freeze()  # a fifth of the time to read a record went into looking at modules
        self._progress.start()
        return self._discovery.flow(self._progress.add)

    def end(self) -> int:
        """Write down how far it came, print the summary, return the exit code.

        0 where every record was sent or skipped, 1 where one failed or the run could
        not go on, 128 and the signal's number where one ended it.
        """
        discovery = self._discovery
        discovery.save()
        self._progress.close()
        summary = discovery.summary()
        seconds = round(time.monotonic() - self._began, 3)
        code = discovery.exit_code()
        log.info("discovery_finished", seconds=seconds, **summary, **discovery.dry())
        self._report(summary, seconds, succeeded=code == 0)
        with suppress(BrokenPipeError):  # who read it can have died of the same Ctrl-C
            self._say_error(discovery.ending.error)
            print(orjson.dumps(summary).decode(), flush=True)
        discovery.finish()
        discovery.close()
        if discovery.ending.stopped:
            leave(code)
        return code

    def run(self) -> int:
        """Run the dataflow, see `end`."""
        self._discovery.ending.guarded(lambda: cli_main(self.flow()), None)
        return self.end()

    def end_after_bytewax(self) -> None:
        """End the process that bytewax began, with the run's exit code."""
        if not self._discovery.begun:
            self._progress.close()
            self._discovery.close()
            return  # bytewax has refused its arguments, and says so
        code = self.end()
        if code:
            leave(code)

    def _report(
        self, summary: dict[str, Any], seconds: float, *, succeeded: bool
    ) -> None:
        settings = self._discovery.settings
        report(
            summary,
            collection=self._discovery.pages.name,
            seconds=seconds,
            succeeded=succeeded,
            push_url=settings.metrics_push_url,
            textfile=settings.metrics_textfile_path,
        )

    def _say_error(self, error: BaseException | None) -> None:
        if error is None:
            return
        if self._debug or not isinstance(error, Expected):
            traceback.print_exception(error)
        else:
            print(f"earshot: {error}", file=sys.stderr)


def run(settings: Settings, order: Order, *, debug: bool = False) -> int:
    """Run a discovery in this process and return its exit code."""
    refuse_bytewax_server()
    return Process(settings, order, debug=debug).run()


def flow_of_process(settings: Settings, order: Order) -> Dataflow:
    """Return a discovery's dataflow for bytewax to run in this process.

    Nothing of ours runs behind bytewax but what is registered for the process's end,
    and only there can the exit code be set.
    """
    refuse_bytewax_server()
    refuse_cluster("discovery reads in parts side by side with --workers N")
    process = Process(settings, order)
    atexit.register(process.end_after_bytewax)
    return process.flow()


def settings_of(**given: Any) -> Settings:
    """Return the settings; ends the process with 2 if one is wrong or no date is given.

    Parameters
    ----------
    given
        What a command line says instead of the environment, by the settings' names.
    """
    settings = load_settings(**given)
    if settings.test_date is None:
        fail("TEST_DATE: missing, expected a date as YYYY-MM-DD (--test-date)", code=2)
    return settings


def order_of(
    settings: Settings,
    mode: Mode,
    *,
    subject_names: Sequence[str] = (),
    **more: Any,
) -> Order:
    """Return what is to be done; without a subject, that of the settings."""
    assert settings.test_date is not None, "settings_of has looked"
    if mode not in get_args(Mode):
        fail(f"mode={mode!r}: expected {' or '.join(get_args(Mode))}", code=2)
    own = (settings.subject_name,) if settings.subject_name else ()
    return Order(settings.test_date, mode, tuple(subject_names) or own, **more)
