"""Credentials that expire are renewed; a provider that gives none is waited for."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from connectors.announce import Announcement, TopicAnnouncer
from connectors.aws import reaching, s3_client, sns_client, sqs_client
from connectors.download_errors import HostDown, typed
from connectors.errors import Unavailable
from connectors.sqs import UNREACHABLE, Message, Sender
from tests.connectors.test_other_consumers_faults import consumer, take
from tests.system.pipeline import eventually

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class Provider(ThreadingHTTPServer):
    """A container's endpoint for credentials, which live as long as a test says.

    The SDK asks again for those that live less than ten minutes, before each request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Credentials)
        self.life = timedelta(seconds=60)
        self.given = 0


class _Credentials(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        self.server.given += 1
        expires = datetime.now(UTC) + self.server.life
        body = orjson.dumps(
            {
                "AccessKeyId": "test",
                "SecretAccessKey": "test",
                "Token": f"token-{self.server.given}",
                "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: a test's output is its own."""


@pytest.fixture
def bare(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> pytest.MonkeyPatch:
    """The emulated services, and no credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    for name in ("BACKOFF_SECONDS", "BACKOFF_MAX_SECONDS"):
        monkeypatch.setattr(f"connectors.sqs.poller.{name}", 0.1)
    return monkeypatch


@pytest.fixture
def provider(bare: pytest.MonkeyPatch) -> Iterator[Provider]:
    server = Provider()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/credentials"
    bare.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def tokens_of(client: Any) -> list[str]:
    """Return a list that the token of each request of a client is added to."""
    seen: list[str] = []

    def note(request: Any, **_: Any) -> None:
        seen.append(request.headers["X-Amz-Security-Token"].decode())

    client.meta.events.register("before-send", note)
    return seen


def test_a_token_that_expires_is_renewed(
    provider: Provider, sqs: SQSClient, queue_url: str
) -> None:
    client = sqs_client()
    seen = tokens_of(client)
    failures: list[Exception] = []
    with consumer(client, queue_url, on_failure=failures.append) as made:
        for number in range(2):
            sqs.send_message(QueueUrl=queue_url, MessageBody=str(number))
            (delivery,) = take(made, 1)
            made.delete([delivery.message_id])
            eventually(lambda: not len(made.leases))
    client.close()
    assert len(set(seen)) > 2
    assert failures == []


def test_a_provider_that_gives_expired_credentials_is_waited_for(
    provider: Provider, sqs: SQSClient, queue_url: str
) -> None:
    client = sqs_client()
    failures: list[Exception] = []
    with consumer(client, queue_url, on_failure=failures.append) as made:
        sqs.send_message(QueueUrl=queue_url, MessageBody="before")
        (delivery,) = take(made, 1)
        provider.life = timedelta(seconds=-60)
        eventually(lambda: _gives_nothing(client))
        made.delete([delivery.message_id])
        sqs.send_message(QueueUrl=queue_url, MessageBody="after")
        eventually(lambda: made.stats["delete_failures"] > 1)
        provider.life = timedelta(seconds=60)
        (delivery,) = take(made, 1)
        assert delivery.body == "after"
        made.delete([delivery.message_id])
        eventually(lambda: not len(made.leases))
        assert made.stats["deleted"] == 2
    client.close()
    assert failures == []


def _gives_nothing(client: SQSClient) -> bool:
    try:
        with reaching("sqs"):
            client.list_queues()
    except Unavailable as error:
        return "expired" in str(error)
    return False


def test_expired_credentials_are_an_outage_wherever_the_sdk_is_asked(
    provider: Provider, queue_url: str
) -> None:
    sqs, sns = sqs_client(), sns_client()
    s3 = s3_client(connect=1, read=1, connections=1)
    provider.life = timedelta(seconds=-60)
    sender = Sender(sqs, queue_url, tries=1)
    eventually(lambda: _gives_nothing(sqs))
    assert sender.send([Message("m")]) == {0: UNREACHABLE}
    topic = TopicAnnouncer(sns, "arn:aws:sns:ap-south-1:000000000000:none")
    with pytest.raises(Unavailable, match="result topic"):
        while True:  # until the first credentials have expired for this client too
            topic.announce([Announcement("{}", "id", {})])
    with pytest.raises(HostDown, match="expired"), typed():
        s3.get_object(Bucket="none", Key="none")
    for client in (sqs, sns, s3):
        client.close()


@pytest.mark.parametrize(
    "process", ["/nowhere/credentials", f"{sys.executable} -c 'print(1, 2)'"]
)
def test_a_credential_process_that_is_broken_is_said_in_one_line(
    bare: pytest.MonkeyPatch, tmp_path: Path, process: str
) -> None:
    config = tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = {process}\n")
    bare.setenv("AWS_CONFIG_FILE", str(config))
    with pytest.raises(Unavailable, match="aws is unavailable"):
        sqs_client()
    with pytest.raises(HostDown), typed():
        s3_client(connect=1, read=1, connections=1)


def test_an_error_of_our_own_is_no_outage() -> None:
    with pytest.raises(ValueError, match="ours"), reaching("sqs"):
        raise ValueError("ours")
