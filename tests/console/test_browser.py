"""The console in a real browser: somebody listens, reviews, and comes back."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Dialog, Page, Request, expect
from pymongo.collection import Collection

from connectors.mongo_reviews import Reviews
from model.detector import load_model
from tests.console.browser import (
    browsing,
    click,
    free_port,
    listen,
    needed,
    playing,
    press,
    serving,
    until,
    width_of,
)
from tests.console.kept_demo import kept_demo, typed, wait_for
from tests.console.provider import Provider, write_secrets
from tests.console.results import HOSTILE, SPOILED, judged
from tests.system.pipeline import Pipeline

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Milliseconds after which a page that does not come is one that does not work.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)


@pytest.fixture
def browser() -> Iterator[Browser]:
    with browsing(needed()) as found:
        yield found


@pytest.fixture
def heard(
    stored: Collection[dict[str, Any]], s3: S3Client, bucket: str
) -> list[dict[str, Any]]:
    """Flagged recordings in S3, as the model judges them; the worst first."""
    model = load_model()
    for name, make in SPOILED.items():
        audio = make()
        s3.put_object(Bucket=bucket, Key=f"{name}.wav", Body=audio)
        stored.insert_one(judged(name, f"s3://{bucket}/{name}.wav", audio, model))
    return list(stored.find().sort("anomaly_score", -1))


def opened(browser: Browser, asked: list[str] | None = None) -> Page:
    page = browser.new_page(viewport={"width": 1400, "height": 1200})
    page.set_default_timeout(PATIENCE)

    def note(request: Request) -> None:
        if asked is not None:
            asked.append(urlsplit(request.url).netloc)

    page.on("request", note)
    return page


def test_somebody_listens_reviews_and_finds_the_review_after_a_reload(
    browser: Browser, pipeline: Pipeline, heard: list[dict[str, Any]], reviews: Reviews
) -> None:
    asked: list[str] = []
    with serving(pipeline, REVIEWER="asha") as (url, process):
        page = opened(browser, asked)
        page.goto(url)
        expect(page.get_by_role("heading", name="By reason")).to_be_visible()
        page.get_by_role("link", name="Flagged").click()
        review = page.get_by_role("button", name="Review, worst first")
        expect(review).to_be_visible()
        click(page, review, page.locator("audio").count)
        first = page.url
        assert heard[0]["_id"] in first
        listen(page, 0.5)
        assert playing(page)[0] == pytest.approx(3, abs=0.05)
        until(page, lambda: width_of(page.locator("[data-testid=stImage] img")) > 1000)
        press(page, "n", lambda: heard[1]["_id"] in page.url)
        page.goto(first)
        expect(page.get_by_text("asha").first).to_be_visible()
        page.goto(f"{url}/flagged?state=reviewed")
        expect(review).to_be_visible()
        click(page, review, lambda: heard[0]["_id"] in page.url)
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    (said,) = reviews.of(heard[0]["_id"])
    assert (said.verdict, said.reviewer) == ("false_alarm", "asha")
    # The page works without internet: it asks nobody else.
    assert set(asked) == {urlsplit(url).netloc}


def test_a_sitting_needs_no_mouse(
    browser: Browser, pipeline: Pipeline, heard: list[dict[str, Any]], reviews: Reviews
) -> None:
    ids = [result["_id"] for result in heard]
    with serving(pipeline, REVIEWER="asha") as (url, _):
        page = opened(browser)
        page.goto(f"{url}/recording")
        for id, key in zip(ids, ("y", "u", "n"), strict=True):
            until(page, lambda id=id: id in page.url)  # type: ignore[misc]
            listen(page)
            page.keyboard.press("p")
            listen(page)
            press(page, key, lambda id=id: reviews.of(id))  # type: ignore[misc]
        expect(page.get_by_text("No recording is left to review")).to_be_visible()
    said = reviews.newest(ids)
    assert [said[id].verdict for id in ids] == ["confirmed", "unsure", "false_alarm"]


def test_a_key_that_is_pressed_twice_is_no_verdict_on_the_next(
    browser: Browser, pipeline: Pipeline, heard: list[dict[str, Any]], reviews: Reviews
) -> None:
    with serving(pipeline) as (url, _):
        page = opened(browser)
        page.goto(f"{url}/recording")
        listen(page)
        page.keyboard.press("y")
        page.keyboard.press("y")
        until(page, lambda: heard[1]["_id"] in page.url)
        listen(page)
    assert len(reviews.all_newest()) == 1


def test_the_console_of_a_kept_demo_runs_as_it_is_printed(
    browser: Browser, tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with kept_demo(tmp_path, 10) as lines, typed(f"{lines} --port {port}"):
        wait_for(url)
        page = opened(browser)
        page.goto(f"{url}/recording")
        listen(page)


def test_nothing_is_shown_to_who_has_not_signed_in(
    browser: Browser, pipeline: Pipeline, heard: list[dict[str, Any]], tmp_path: Path
) -> None:
    port = free_port()
    with Provider("asha@school.example") as provider:
        write_secrets(tmp_path, provider.url, f"http://127.0.0.1:{port}")
        own = {"HOME": str(tmp_path), "CONSOLE_USERS": "@school.example"}
        # Any address is listened on: there is sign-in.
        listening = serving(pipeline, "--host", "0.0.0.0", port=port, **own)
        with listening as (url, _):
            page = opened(browser)
            for path in ("recording", "flagged", ""):
                page.goto(f"{url}/{path}")
                expect(page.get_by_role("button", name="Sign in")).to_be_visible()
                assert heard[0]["student_id"] not in page.content()
            page.get_by_role("button", name="Sign in").click()
            expect(
                page.get_by_text("You review as asha@school.example")
            ).to_be_visible()
            page.goto(f"{url}/recording")
            listen(page)
            provider.email = "eve@elsewhere.example"
            page.get_by_role("button", name="Sign out").click()
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_text("may not use this console")).to_be_visible()
            assert page.locator("audio").count() == 0


def test_hostile_text_does_nothing(
    browser: Browser, pipeline: Pipeline, stored: Collection[dict[str, Any]]
) -> None:
    hostile = judged("a", HOSTILE, SPOILED["tone"](), load_model())
    names = ("subject_name", "udise", "student_id", "trace_id", "model_name")
    stored.insert_one(
        {**hostile, **dict.fromkeys(names, HOSTILE), "reasons": [HOSTILE]}
    )
    dialogs: list[str] = []

    def note(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    with serving(pipeline, REVIEWER=HOSTILE) as (url, _):
        page = opened(browser)
        page.on("dialog", note)
        for path in ("", "flagged", "recording"):
            page.goto(f"{url}/{path}")
            expect(page.get_by_text("onerror=alert(1)").first).to_be_visible()
            assert page.locator("img[src='x']").count() == 0
            assert page.locator("a[href^='javascript'], a[href*='evil']").count() == 0
    assert dialogs == []
