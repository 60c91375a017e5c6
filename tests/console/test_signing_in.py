"""Beyond this machine nobody sees the console without sign-in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from console.serve import command
from console.settings import ConsoleSettings
from console.signing_in import is_loopback, providers, reviewer_of
from tests.system.pipeline import Pipeline

OWN = {
    "client_id": "earshot",
    "client_secret": "x",
    "server_metadata_url": "https://id.example.org/.well-known/openid-configuration",
}
SHARED = {
    "redirect_uri": "https://earshot.example.org/oauth2callback",
    "cookie_secret": "y",
}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> ConsoleSettings:
    monkeypatch.setenv("SQS_QUEUE_URL", "http://127.0.0.1/queue")
    monkeypatch.setenv("MONGO_URI", "mongodb://127.0.0.1")
    monkeypatch.setenv("MONGO_DB_NAME", "none")
    monkeypatch.setenv("DISCOVERY_SOURCE_TYPE", "mongo")
    monkeypatch.setenv("MONGO_SOURCE_COLLECTION", "none")
    monkeypatch.setenv("CONSOLE_USERS", "Asha@example.org, @school.example")
    monkeypatch.setenv("REVIEWER", "the one at the desk")
    return ConsoleSettings.load()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("localhost.example.org", False),
        ("earshot.example.org", False),
        ("", False),
    ],
)
def test_an_address_is_of_this_machine_alone_or_not(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("auth", "found"),
    [
        ({**SHARED, **OWN}, ["default"]),
        ({**SHARED, "school": OWN}, ["school"]),
        ({**SHARED, **OWN, "school": OWN}, ["default", "school"]),
        (OWN, []),
        (SHARED, []),
        ({**SHARED, **OWN, "cookie_secret": ""}, []),
        ({**SHARED, "school": {**OWN, "client_secret": ""}}, []),
        ("yes", []),
    ],
)
def test_sign_in_counts_when_it_is_described_whole(auth: Any, found: list[str]) -> None:
    assert providers({"auth": auth}) == found
    assert providers({}) == []


@pytest.mark.parametrize(
    ("user", "reviewer"),
    [
        ({"is_logged_in": True, "email": "asha@example.org"}, "asha@example.org"),
        ({"is_logged_in": True, "email": "Ravi@School.example"}, "Ravi@School.example"),
        ({"is_logged_in": True, "email": "eve@example.org"}, None),
        ({"is_logged_in": True, "email": "eve@not-school.example"}, None),
        ({"is_logged_in": True, "email": "eve@a.school.example"}, None),
        (
            {
                "is_logged_in": True,
                "email": "asha@example.org",
                "email_verified": False,
            },
            None,
        ),
        ({"is_logged_in": True}, None),
        ({"is_logged_in": False, "email": "asha@example.org"}, None),
        ({}, None),
    ],
)
def test_only_those_who_are_named_review(
    settings: ConsoleSettings, user: dict[str, Any], reviewer: str | None
) -> None:
    assert reviewer_of(user, settings, sign_in=True) == reviewer


def test_without_sign_in_the_environment_says_who_reviews(
    settings: ConsoleSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reviewer_of({}, settings, sign_in=False) == "the one at the desk"
    monkeypatch.delenv("REVIEWER")
    monkeypatch.setenv("LOGNAME", "asha")
    assert reviewer_of({}, ConsoleSettings.load(), sign_in=False) == "asha"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3"])
def test_a_public_address_without_sign_in_is_refused(
    pipeline: Pipeline, host: str
) -> None:
    process = pipeline.run("run_flow.py", "console", "--host", host)
    assert process.exit_code == 2
    (line,) = process.stderr.splitlines()
    assert line.startswith(f"earshot: --host {host}: expected a loopback address")


def test_a_wrong_setting_is_named_before_anything_starts(pipeline: Pipeline) -> None:
    process = pipeline.run("run_flow.py", "console", CONSOLE_USERS="asha")
    assert process.exit_code == 2
    (line,) = process.stderr.splitlines()
    assert "CONSOLE_USERS='asha': expected addresses and @domains" in line


def test_without_streamlit_one_line_says_what_is_missing(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    # What importlib finds first, and cannot load.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys; sys.modules['streamlit'] = None"
    )
    process = pipeline.run("run_flow.py", "console", PYTHONPATH=str(tmp_path))
    assert process.exit_code == 1
    (line,) = process.stderr.splitlines()
    assert "not installed: pip install '.[console]'" in line


def test_nothing_is_sent_anywhere_and_nobody_is_asked() -> None:
    words = command("127.0.0.1", 8501, local=True)
    assert "--browser.gatherUsageStats=false" in words
    assert "--server.headless=true" in words
    assert "--server.address=127.0.0.1" in words
    assert "--server.allowedHosts=127.0.0.1" in words
    assert not any("allowedHosts" in word for word in command("::", 1, local=False))
