"""The pictures of the console in the README: ``python -m tests.console.screenshots``.

Plays the demo, reviews two of its recordings and takes a picture of each page.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page, ViewportSize

from tests.console.browser import browsing, free_port, listen, needed, until
from tests.console.kept_demo import kept_demo, typed, wait_for
from tests.system.pipeline import ROOT

IMAGES = ROOT / "docs" / "images"
_SIZE: ViewportSize = {"width": 1400, "height": 1120}
#: Milliseconds for charts and tables to be drawn, which tell nobody when they are.
_DRAWN = 4000


def main() -> None:
    """Take the pictures."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        with (
            kept_demo(Path(folder), 48) as lines,
            typed(f"{_named(lines)} --port {port}"),
        ):
            wait_for(url)
            with browsing(needed()) as browser:
                _take(browser.new_page(viewport=_SIZE), url)


def _named(lines: str) -> str:
    return f"export REVIEWER=asha@school.example\n{lines}"


def _take(page: Page, url: str) -> None:
    page.goto(f"{url}/recording?state=all")
    for key in "yn":
        listen(page, 1)
        before = page.url
        page.keyboard.press(key)
        until(page, lambda before=before: page.url != before)  # type: ignore[misc]
    page.goto(f"{url}/recording?state=open&reason=almost%20no%20speech")
    listen(page, 1)
    _picture(page, "recording", 1120)
    page.goto(f"{url}/flagged?state=all")
    _picture(page, "flagged", 700)
    page.goto(url)
    _picture(page, "overview", 1000)


def _picture(page: Page, name: str, height: int) -> None:
    page.set_viewport_size({"width": _SIZE["width"], "height": height})
    page.wait_for_timeout(_DRAWN)
    page.screenshot(path=IMAGES / f"console-{name}.png")


if __name__ == "__main__":
    main()
