"""What nobody may read in a log, a row or an error, and lines that nobody may forge."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import orjson
import pytest

from tests import recordings
from tests.audio_host import AudioHost, Response
from tests.system.pipeline import Pipeline

SIGNED = "X-Amz-Signature=c0ffee&X-Amz-Credential=AKIASECRET&X-Amz-Security-Token=t0ken"
SECRETS = ("c0ffee", "AKIASECRET", "t0ken", "hunter2", "hunter3")
FORGED = 'x\n{"event":"forged","level":"info"}\r\x1b[2Jforged'


@pytest.mark.parametrize("style", ["json", "console"])
def test_no_secret_is_read_and_no_line_is_forged_in_what_a_worker_writes(
    pipeline: Pipeline, audio_host: AudioHost, style: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        dead = server.getsockname()[1]
    responses = {
        "good": Response(recordings.tone()),
        "missing": Response(status=404),
        "broken": Response(status=500),
        "reset": Response(reset=True),
        "page": Response(b"<html>"),
        "header": Response(recordings.tone(), headers={"no colon here\r\nA": "b"}),
    }
    for name, response in responses.items():
        path = f"/{name}.wav?{SIGNED}"
        pipeline.add(audio_host.serve(path, response))
    pipeline.add(f"http://127.0.0.1:{dead}/a.wav?{SIGNED}")
    pipeline.add(f"http://user:hunter3@127.0.0.1:{dead}/a.wav")
    url = f"ftp://user:hunter3@host/a.wav?{SIGNED}"
    malformed = pipeline.message(url, 99, student_id=None, test_date=FORGED)
    pipeline.send(malformed)
    pipeline.add(audio_host.url("/none"), source_collection=FORGED, student_id=FORGED)

    process = pipeline.run(
        LOG_FORMAT=style,
        LOG_LEVEL="DEBUG",
        POSTGRES_DSN=pipeline.postgres_dsn.replace("postgres@", "postgres:hunter2@"),
        RETRY_BACKOFF_SECONDS="900",
    )

    assert process.exit_code == 0, process.stderr
    assert len(pipeline.results()) == 1
    assert "Failed to parse headers" in process.stderr
    rows = (pipeline.folder / "results.csv").read_text()
    lines = (pipeline.folder / "quarantine.jsonl").read_bytes().splitlines()
    reasons = " ".join(orjson.loads(line)["reason"] for line in lines)
    for written in (process.stderr, process.stdout, rows, reasons):
        assert not [secret for secret in SECRETS if secret in written]
    assert "forged" in process.stderr
    assert not [
        x
        for x in process.stderr.splitlines()
        if x.lstrip("{").startswith(('"event":"forged"', "forged"))
    ]
    assert "\x1b[2J" not in process.stderr


def test_an_address_that_is_wrong_is_said_without_its_password(
    pipeline: Pipeline,
) -> None:
    wrong = [
        {"MONGO_URI": "mongodb://user:hunter2@127.0.0.1:9"},
        {"MONGO_URI": "mongodb://user:hunter2@/"},
        {"POSTGRES_DSN": "postgresql://user:hunter2@127.0.0.1:9/none"},
        {"POSTGRES_DSN": "host=127.0.0.1 port=9 user=u password=hunter2"},
    ]
    with ExitStack() as stack:
        for process in [
            stack.enter_context(pipeline.worker(**variables)) for variables in wrong
        ]:
            assert process.wait() in (1, 2)
            assert len(process.stderr.splitlines()) == 1
            assert "hunter2" not in process.stderr
