"""A real browser, and a console that runs as users run it."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Locator, Page, TimeoutError, sync_playwright

from tests.system.pipeline import (
    PATIENCE_SECONDS,
    Pipeline,
    WorkerProcess,
    eventually,
)

#: Set where a browser must be there, as on CI: without one the tests fail then.
REQUIRED = "BROWSER_REQUIRED"
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
#: No sandbox, since tests may run as root in a container; nothing in the background,
#: which would ask hosts on the internet; sound may play before anybody has clicked.
_ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--autoplay-policy=no-user-gesture-required"),
]


#: Seconds after which a key or a click that has done nothing is taken to be lost.
_LOST_SECONDS = 5.0


def executable() -> str | None:
    """Return the path of a Chromium, None where there is none."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


def needed() -> str:
    """Return the path of a Chromium; skip the test where there is none."""
    found = executable()
    if found is None:
        missing = f"no Chromium here: looked for {', '.join(_NAMES)}"
        if os.environ.get(REQUIRED):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@contextmanager
def browsing(path: str) -> Iterator[Browser]:
    """Give a browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def serving(
    pipeline: Pipeline, *arguments: str, port: int | None = None, **variables: str
) -> Iterator[tuple[str, WorkerProcess]]:
    """Serve the console; give its URL and its process."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    command = ("run_flow.py", "console", "--port", str(port), *arguments)
    with pipeline.worker(*command, **variables) as process:
        eventually(lambda: _answers(url) or process.exit_code is not None)
        assert process.exit_code is None, process.stderr
        yield url, process


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def playing(page: Page) -> tuple[float, float]:
    """Return the duration of a page's audio in seconds, and how far it has played."""
    seconds, at = page.evaluate(
        "() => { const a = document.querySelector('audio');"
        " return a && a.duration ? [a.duration, a.currentTime] : [0, 0] }"
    )
    return float(seconds), float(at)


def width_of(image: Locator) -> int:
    """Return an image's own width in pixels, 0 until it has come."""
    return int(image.evaluate("image => image.complete ? image.naturalWidth : 0"))


def listen(page: Page, seconds: float = 0.0) -> None:
    """Wait until a page is whole and its recording has played for so long."""
    page.locator("[data-test-script-state=notRunning]").wait_for()
    until(page, lambda: playing(page)[1] > seconds)


def press(page: Page, key: str, done: Callable[[], object]) -> None:
    """Press a key until it is done."""
    insist(page, f"the key {key}", lambda: page.keyboard.press(key), done)


def click(page: Page, button: Locator, done: Callable[[], object]) -> None:
    """Click a button until it is done."""
    insist(page, "a click", lambda: button.click(timeout=1e3 * _LOST_SECONDS), done)


def insist(
    page: Page, what: str, act: Callable[[], object], done: Callable[[], object]
) -> None:
    """Do something until it has an effect: done while a page is drawn, it can be lost.

    What has gone, such as a button of the page before, has had its effect.
    """
    for _ in range(int(PATIENCE_SECONDS / _LOST_SECONDS)):
        with suppress(TimeoutError):
            act()
        deadline = time.monotonic() + _LOST_SECONDS
        while time.monotonic() < deadline:
            if done():
                return
            page.wait_for_timeout(50)
    raise AssertionError(f"{what} did nothing within {PATIENCE_SECONDS} s")


def until(page: Page, condition: Callable[[], object]) -> None:
    """Wait until a condition of a page holds; the page goes on meanwhile."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s"
        page.wait_for_timeout(50)


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/_stcore/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
