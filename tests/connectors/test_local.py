"""The embedded services start, keep to themselves, and come back after an outage."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from pymongo import MongoClient

from connectors.local import LocalServices, ServiceFailed, local_services, services
from connectors.local.aws import create_bucket, s3_client, sqs_client
from connectors.queues import create_queue

LOOPBACK_HEX = "0100007F"
LISTEN = "0A"

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and prctl")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[LocalServices]:
    """Services of the test's own, for it to stop."""
    with local_services(tmp_path) as running:
        yield running


def listening() -> dict[str, tuple[str, int]]:
    """Return the kernel's sockets that listen: address and port by inode."""
    found = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            address, port = local.split(":")
            if state == LISTEN:
                found[inode] = (address, int(port, 16))
    return found


def test_each_service_answers_in_its_protocol(services: LocalServices) -> None:
    with sqs_client(services) as sqs, s3_client(services) as s3:
        assert sqs.list_queues()["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert "Buckets" in s3.list_buckets()
    with MongoClient[dict[str, object]](services.mongo_uri) as mongo:
        assert mongo.admin.command("ping")["ok"] == 1
    with psycopg.connect(services.postgres_dsn) as postgres:
        assert postgres.execute("SELECT 1").fetchone() == (1,)


@linux
@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "MONGO_URI", "POSTGRES_DSN"])
def test_a_service_listens_on_loopback(services: LocalServices, variable: str) -> None:
    port = urlsplit(services.environment()[variable]).port
    assert {found[0] for found in listening().values() if found[1] == port} == {
        LOOPBACK_HEX
    }


@linux
@pytest.mark.parametrize("name", ["aws", "mongo"])
def test_a_service_listens_on_one_port_only(services: LocalServices, name: str) -> None:
    descriptors = Path(f"/proc/{services.pid(name)}/fd").iterdir()
    inodes = {os.readlink(each).removeprefix("socket:")[1:-1] for each in descriptors}
    assert len(listening().keys() & inodes) == 1


def test_only_the_wanted_services_run(tmp_path: Path) -> None:
    with local_services(tmp_path, aws=False, postgres=False) as running:
        assert set(running.environment()) == {"MONGO_URI"}


def test_logs_stay_and_data_goes_when_the_services_end(tmp_path: Path) -> None:
    with local_services(tmp_path):
        assert (tmp_path / "postgres" / "data").is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "aws.log",
        "mongo.log",
        "postgres.log",
    ]


def test_postgres_starts_in_a_directory_with_a_long_path(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 20) / ("longer" * 20)
    with local_services(directory, aws=False, mongo=False) as running:
        psycopg.connect(running.postgres_dsn).close()


def test_a_stopped_service_comes_back_on_its_port_with_its_data(
    own: LocalServices,
) -> None:
    with sqs_client(own) as sqs, s3_client(own) as s3:
        queue = create_queue(sqs, "kept")
        sqs.send_message(QueueUrl=queue.url, MessageBody="kept")
        s3.put_object(Bucket=create_bucket(s3, "kept"), Key="key", Body=b"kept")
    with MongoClient[dict[str, object]](own.mongo_uri) as mongo:
        mongo.test.records.insert_one({"_id": "kept"})
    with psycopg.connect(own.postgres_dsn) as postgres:
        postgres.execute("CREATE TABLE kept (id int)")
    before = own.environment()

    for name in ("aws", "mongo", "postgres"):
        own.stop(name)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(own.postgres_dsn)
    for name in ("aws", "mongo", "postgres"):
        own.start(name)

    assert own.environment() == before
    with sqs_client(own) as sqs, s3_client(own) as s3:
        message = sqs.receive_message(QueueUrl=queue.url)["Messages"][0]
        assert message["Body"] == "kept"
        assert s3.get_object(Bucket="kept", Key="key")["Body"].read() == b"kept"
    with MongoClient[dict[str, object]](own.mongo_uri) as mongo:
        assert mongo.test.records.count_documents({}) == 1
    with psycopg.connect(own.postgres_dsn) as postgres:
        assert postgres.execute("SELECT * FROM kept").fetchall() == []


def test_a_killed_service_can_be_started_again(own: LocalServices) -> None:
    for name in ("aws", "mongo", "postgres"):
        killed = own.pid(name)
        os.kill(killed, signal.SIGKILL)
        own.start(name)
        assert own.pid(name) != killed


def test_a_port_that_is_taken_meanwhile_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        threading.Thread(target=_greet, args=[taken], daemon=True).start()
        free = services._free_port()
        ports = iter([taken.getsockname()[1], free])
        monkeypatch.setattr(services, "_free_port", lambda: next(ports))
        with local_services(tmp_path, mongo=False, postgres=False) as running:
            assert running.aws_endpoint_url == f"http://127.0.0.1:{free}"


def _greet(server: socket.socket) -> None:
    """Answer as the wanted server would."""
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")


def test_a_service_that_cannot_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(services, "_free_port", lambda: taken.getsockname()[1])
        with pytest.raises(ServiceFailed, match="mongo did not start: .*in use"):
            with local_services(tmp_path, aws=False, postgres=False):
                pass
    assert not (tmp_path / "mongo").exists()
