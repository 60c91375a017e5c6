"""Downloads from a real server that behaves badly in every way."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from connectors.download import Downloader, DownloadLimits
from connectors.download_errors import PermanentDownload, TransientDownload
from connectors.hosts import is_allowed, is_public
from tests.audio_host import AudioHost, Response

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LOCAL = ("127.0.0.1",)


@contextmanager
def downloader(
    total: float = 5,
    retries: int = 0,
    max_bytes: int = 1_000_000,
    allowed_hosts: tuple[str, ...] = LOCAL,
) -> Iterator[Downloader]:
    limits = DownloadLimits(
        total=total,
        connect=1,
        read=1,
        retries=retries,
        backoff=0.01,
        max_bytes=max_bytes,
        allowed_hosts=allowed_hosts,
    )
    made = Downloader(limits)
    try:
        yield made
    finally:
        made.close()


def fetched(made: Downloader, url: str) -> bytes:
    into = io.BytesIO()
    made.fetch(url, into)
    return into.getvalue()


def fails(
    url: str, kind: type[Exception], words: str, **limits: object
) -> pytest.ExceptionInfo[Exception]:
    with downloader(**limits) as made, pytest.raises(kind, match=words) as caught:  # type: ignore[arg-type]
        fetched(made, url)
    assert "\n" not in str(caught.value)
    return caught


def test_a_recording_is_fetched_byte_by_byte_the_same(audio_host: AudioHost) -> None:
    body = bytes(range(256)) * 5000
    url = audio_host.serve("/a.wav", Response(body))
    with downloader(max_bytes=len(body)) as made:
        assert fetched(made, url) == body


def test_a_body_sent_in_chunks_is_fetched_whole(audio_host: AudioHost) -> None:
    chunks = b"4\r\nRIFF\r\n3\r\nabc\r\n0\r\n\r\n"
    url = audio_host.serve(
        "/a.wav", Response(chunks, headers={"Transfer-Encoding": "chunked"})
    )
    with downloader() as made:
        assert fetched(made, url) == b"RIFFabc"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_a_client_error_is_permanent_and_not_tried_again(
    audio_host: AudioHost, status: int
) -> None:
    url = audio_host.serve("/a.wav", Response(status=status))
    fails(url, PermanentDownload, str(status), retries=3)
    assert audio_host.requests("/a.wav") == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_server_error_is_tried_again_and_transient(
    audio_host: AudioHost, status: int
) -> None:
    url = audio_host.serve("/a.wav", Response(status=status))
    fails(url, TransientDownload, str(status), retries=2)
    assert audio_host.requests("/a.wav") == 3


@pytest.mark.parametrize(
    "bad",
    [Response(status=503), Response(b"RI", missing_bytes=2), Response(reset=True)],
    ids=["refused", "cut off", "reset"],
)
def test_what_goes_well_at_the_second_try_is_fetched(
    audio_host: AudioHost, bad: Response
) -> None:
    url = audio_host.serve("/a.wav", bad, Response(b"RIFF"))
    with downloader(retries=1) as made:
        assert fetched(made, url) == b"RIFF"


def test_a_body_shorter_than_its_length_is_transient(audio_host: AudioHost) -> None:
    url = audio_host.serve("/a.wav", Response(b"RIFF", missing_bytes=9))
    fails(url, TransientDownload, "cut off")


def test_a_body_that_drips_meets_the_deadline(audio_host: AudioHost) -> None:
    url = audio_host.serve("/a.wav", Response(b"x" * 99, seconds_between_bytes=0.05))
    fails(url, TransientDownload, "within 0.5 s", total=0.5)


def test_headers_that_drip_meet_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                while not ended.wait(0.05):
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.wav"
        fails(url, TransientDownload, "cut|silent", total=0.5)
        ended.set()
        thread.join()


def test_a_host_that_falls_silent_is_transient(audio_host: AudioHost) -> None:
    url = audio_host.serve("/a.wav", Response(b"RIFF", seconds_before=3))
    fails(url, TransientDownload, "silent")


def test_an_endless_body_ends_at_the_limit(audio_host: AudioHost) -> None:
    url = audio_host.serve("/a.wav", Response(bytes(65536), endless=True))
    fails(url, PermanentDownload, "at most 100000", max_bytes=100_000)


def test_a_length_beyond_the_limit_is_refused_unread(audio_host: AudioHost) -> None:
    url = audio_host.serve("/a.wav", Response(b"R", missing_bytes=10**9))
    fails(url, PermanentDownload, "at most 1000000")


def test_a_private_host_is_refused_before_it_is_asked(audio_host: AudioHost) -> None:
    url = audio_host.serve("/a.wav", Response(b"RIFF"))
    fails(url, PermanentDownload, "private", allowed_hosts=())
    assert audio_host.requests("/a.wav") == 0


def test_a_name_that_resolves_to_a_private_address_is_refused(
    audio_host: AudioHost,
) -> None:
    audio_host.serve("/a.wav", Response(b"RIFF"))
    url = f"http://localhost:{audio_host.port}/a.wav"
    fails(url, PermanentDownload, "localhost is a private address", retries=3)
    assert audio_host.requests("/a.wav") == 0


def test_a_redirect_to_a_private_host_is_refused(audio_host: AudioHost) -> None:
    audio_host.serve("/a.wav", Response(b"RIFF"))
    url = audio_host.redirect("/b.wav", f"http://localhost:{audio_host.port}/a.wav")
    fails(url, PermanentDownload, "private")
    assert audio_host.requests("/a.wav") == 0


def test_a_redirect_to_an_allowed_host_is_followed(audio_host: AudioHost) -> None:
    url = audio_host.redirect("/b.wav", audio_host.serve("/a.wav", Response(b"RIFF")))
    with downloader() as made:
        assert fetched(made, url) == b"RIFF"


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://h/a", "gopher://h"])
def test_a_redirect_to_another_scheme_is_refused(
    audio_host: AudioHost, location: str
) -> None:
    fails(audio_host.redirect("/b.wav", location), PermanentDownload, "InvalidSchema")


def test_the_body_of_a_redirect_is_not_read(audio_host: AudioHost) -> None:
    target = audio_host.serve("/a.wav", Response(b"RIFF"))
    drip = Response(
        b"x" * 1000,
        status=302,
        headers={"Location": target},
        seconds_between_bytes=0.1,
    )
    url = audio_host.serve("/b.wav", drip)
    with downloader(max_bytes=100) as made:
        assert fetched(made, url) == b"RIFF"


def test_redirects_in_a_circle_are_permanent(audio_host: AudioHost) -> None:
    url = audio_host.redirect("/a.wav", "/a.wav")
    fails(url, PermanentDownload, "redirects")


def test_an_unknown_host_is_transient() -> None:
    fails("http://no.such.host.invalid/a", TransientDownload, "no such host")


def test_a_closed_port_is_transient() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    fails(f"http://127.0.0.1:{port}/a", TransientDownload, "refused")


def test_an_error_does_not_tell_the_signature_of_a_url(audio_host: AudioHost) -> None:
    path = "/a.wav?X-Amz-Signature=c0ffee&X-Amz-Credential=me"
    url = audio_host.serve(path, Response(reset=True))
    caught = fails(url, TransientDownload, "cut")
    assert "c0ffee" not in str(caught.value)


def test_an_object_is_fetched_from_s3(
    environment: dict[str, str], s3: S3Client, bucket: str
) -> None:
    key = "a folder/ü%20?.wav"
    s3.put_object(Bucket=bucket, Key=key, Body=b"RIFF")
    with downloader() as made:
        assert fetched(made, f"s3://{bucket}/{key}") == b"RIFF"


def test_an_object_that_is_not_there_is_permanent(
    environment: dict[str, str], bucket: str
) -> None:
    fails(f"s3://{bucket}/no.wav", PermanentDownload, "not found")
    fails("s3://no-such-bucket-here/no.wav", PermanentDownload, "not found")


def test_a_bucket_with_a_name_that_is_none_is_permanent(
    environment: dict[str, str],
) -> None:
    fails("s3://arn:aws:s3:x/a.wav", PermanentDownload, "bucket")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "255.255.255.255",
    ],
)
def test_an_address_that_is_not_of_the_public_internet_is_private(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("audio.school.in", True),
        ("AUDIO.school.in.", True),
        ("a.b.school.in", True),
        ("school.in", False),
        ("evilschool.in", False),
        ("minio", True),
        ("minio.evil.com", False),
    ],
)
def test_a_host_is_allowed_by_its_whole_name(host: str, allowed: bool) -> None:
    assert is_allowed(host, ("*.school.in", "minio")) is allowed
