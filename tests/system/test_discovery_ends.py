"""How discoveries end that cannot go on, and what takes no part in that."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest
from psycopg import sql

from tests.system.discoveries import TEST_DATE, Discoveries
from tests.system.pipeline import Pipeline

#: A discovery in which a page may take half a second.
IMPATIENT = """
from connectors import postgres_pages
postgres_pages.PAGE_SECONDS = 0.5
from commands import run
run(["discover", "--mode", "backfill"])
"""


@pytest.fixture
def discoveries(pipeline: Pipeline) -> Discoveries:
    return Discoveries(pipeline)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("-r", "/nowhere", "-s", "1", "-b", "1"), "/nowhere"),
        (("--no-such-option",), "unrecognized arguments"),
    ],
)
def test_a_flow_that_bytewax_refuses_leaves_the_place_of_one_that_was_killed(
    discoveries: Discoveries, arguments: tuple[str, ...], says: str
) -> None:
    discoveries.add_rows(3000)
    killed = discoveries.start("--mode", "backfill", "--batch-size", "10")
    discoveries.wait_for_its_middle(killed)
    killed.kill()
    (before,) = [one for one in discoveries.state() if "scan_backfill" in one]
    flow = f"flows.discovery:get_flow('{TEST_DATE}', mode='backfill')"
    refused = discoveries.pipeline.run("-m", "bytewax.run", flow, *arguments)
    assert refused.exit_code not in (0, None)
    assert says in refused.stderr
    assert refused.stdout == ""
    assert before in discoveries.state()


@contextmanager
def answering(words: bytes) -> Iterator[int]:
    """Yield a port at which each request is answered with these bytes, and no more."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(words)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    "words",
    [b"", b"220 mail.example ESMTP\r\n", b"\xff\x00" * 50, b"HTTP/1.1 abc\r\n\r\n"],
    ids=["closes", "mail", "bytes", "no status"],
)
def test_a_push_gateway_that_speaks_no_http_is_a_warning(
    discoveries: Discoveries, words: bytes
) -> None:
    discoveries.add_row(1)
    with answering(words) as port:
        ended = discoveries.run(METRICS_PUSH_URL=f"http://127.0.0.1:{port}")
    assert ended.counts() == (1, 0, 1, 0)
    assert len(ended.events("metrics_not_written")) == 1
    assert [line for line in ended.stderr.splitlines() if line[:1] != "{"] == []


def test_pages_that_always_take_too_long_end_it_with_their_limit_and_index(
    discoveries: Discoveries, postgres_dsn: str
) -> None:
    discoveries.add_rows(3)
    schema = sql.Identifier(discoveries.pipeline.schema)
    view = "CREATE VIEW {0}.slow AS SELECT id, student_id, udise, record_type, "
    view += "subject_id, subject_name, test_date, subject_created_at, updated_at, "
    view += "audio_url || pg_sleep(60)::text AS audio_url FROM {0}.records"
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL(view).format(schema))
    ended = discoveries.pipeline.run("-c", IMPATIENT, **slow())
    assert ended.exit_code == 1, ended.stderr
    (line,) = [line for line in ended.stderr.splitlines() if line[:1] != "{"]
    assert line == (
        f"earshot: postgres: a page of {discoveries.pipeline.schema}.slow took longer "
        f"than 0.5 s, 3 times; make its index: CREATE INDEX ON "
        f'"{discoveries.pipeline.schema}"."slow" ("test_date", "updated_at", "id")'
    )
    assert '"sent":0,' in ended.stdout


def slow() -> dict[str, str]:
    return {"POSTGRES_TABLE": "slow", "TEST_DATE": TEST_DATE, "LOG_FORMAT": "json"}
