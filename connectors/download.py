"""Fetches audio from ``http(s)://`` and ``s3://``, within limits of time and size."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential_jitter,
)

from connectors.aws import s3_client
from connectors.download_errors import (
    PermanentDownload,
    TransientDownload,
    raise_for_status,
    typed,
)
from connectors.hosts import GuardedAdapter

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHUNK_BYTES = 256 * 1024
_MAX_REDIRECTS = 5
_MAX_BACKOFF_SECONDS = 30.0
#: Makes room for so many bytes.
Reserve = Callable[[int], None]
_BUCKET = re.compile(r"[a-zA-Z0-9._-]{3,255}")


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """Limits of one download, in seconds and bytes.

    Attributes
    ----------
    total, connect, read
        Seconds for all of it with its retries, to connect, between two bytes.
    retries, backoff
        Tries after the first, and seconds before them, doubled each with jitter.
    """

    total: float = 60
    connect: float = 5
    read: float = 15
    retries: int = 3
    backoff: float = 0.5
    max_bytes: int = 64 * 1024 * 1024
    connections: int = 16
    allowed_hosts: tuple[str, ...] = ()


class _Session(requests.Session):
    """Follows no redirect: requests reads the body of each to its end first."""

    def resolve_redirects(self, *args: object, **kwargs: object) -> Any:
        return iter(())


class Downloader:
    """Fetches whole recordings; `fetch` may be called from many threads at once.

    Proxies and credentials of the environment are not used for ``http(s)``: the
    address that a socket is connected to must be the host's own.
    """

    def __init__(self, limits: DownloadLimits) -> None:
        self._limits = limits
        self._session = _Session()
        self._session.trust_env = False
        self._session.headers = {
            "User-Agent": "earshot",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        }
        for scheme in ("http://", "https://"):
            adapter = GuardedAdapter(
                limits.allowed_hosts, limits.total, limits.connections
            )
            self._session.mount(scheme, adapter)
        self._s3: S3Client | None = None
        self._making = threading.Lock()

    def fetch(
        self, url: str, into: IO[bytes], reserve: Reserve = lambda size: None
    ) -> None:
        """Write the bytes behind a URL to a file, in the place of what it has.

        Parameters
        ----------
        into
            A file that can be sought in.
        reserve
            Called before a body is read, with the bytes that it will take at most;
            time that it waits for room is not the download's.

        Raises
        ------
        TransientDownload, PermanentDownload
        """
        limits = self._limits
        retrying = Retrying(
            retry=retry_if_exception_type(TransientDownload),
            stop=stop_after_attempt(limits.retries + 1)
            | stop_after_delay(limits.total),
            wait=wait_exponential_jitter(
                multiplier=limits.backoff,
                max=_MAX_BACKOFF_SECONDS,
                jitter=limits.backoff,
            ),
            reraise=True,
        )
        deadline = time.monotonic() + limits.total
        retrying(self._once, url, into, reserve, deadline)

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()

    def _once(
        self, url: str, into: IO[bytes], reserve: Reserve, deadline: float
    ) -> None:
        into.seek(0)
        into.truncate()
        if time.monotonic() >= deadline:
            raise TransientDownload(f"no answer within {self._limits.total:g} s")
        with typed():
            if urlsplit(url).scheme == "s3":
                self._once_s3(url, into, reserve, deadline)
            else:
                self._once_http(url, into, reserve, deadline)

    def _once_http(
        self, url: str, into: IO[bytes], reserve: Reserve, deadline: float
    ) -> None:
        with closing(self._answer(url, deadline)) as response:
            raise_for_status(response.status_code)
            length = _length(response.headers)
            deadline += self._reserve(reserve, length)
            self._body(response.raw.read1, into, length, deadline)

    def _answer(self, url: str, deadline: float) -> requests.Response:
        """Return what a URL leads to, with its body unread."""
        for _ in range(_MAX_REDIRECTS + 1):
            left = max(0.01, deadline - time.monotonic())
            timeout = min(self._limits.connect, left), min(self._limits.read, left)
            response = self._session.get(url, stream=True, timeout=timeout)
            target = self._session.get_redirect_target(response)
            if target is None:
                return response
            response.close()
            url = urljoin(response.url, target)
        raise requests.TooManyRedirects(f"more than {_MAX_REDIRECTS} redirects")

    def _once_s3(
        self, url: str, into: IO[bytes], reserve: Reserve, deadline: float
    ) -> None:
        parts = urlsplit(url)
        key = url.split("/", 3)[3]  # as it is: keys are not percent-encoded
        if not _BUCKET.fullmatch(parts.netloc):
            raise PermanentDownload(f"{parts.netloc!r} is no bucket's name")
        answer = self._s3_client().get_object(Bucket=parts.netloc, Key=key)
        with closing(answer["Body"]) as body:
            length = answer["ContentLength"]
            deadline += self._reserve(reserve, length)
            self._body(body.read, into, length, deadline)

    def _s3_client(self) -> S3Client:
        with self._making:  # a client is slow to make, and one serves all threads
            if self._s3 is None:
                self._s3 = s3_client(
                    connect=self._limits.connect,
                    read=self._limits.read,
                    connections=self._limits.connections,
                )
            return self._s3

    def _body(
        self,
        read: Callable[[int], bytes],
        into: IO[bytes],
        length: int | None,
        deadline: float,
    ) -> None:
        """Read a body as it comes, so that one sent by drops meets its deadline."""
        size = 0
        while chunk := read(_CHUNK_BYTES):
            into.write(chunk)
            size += len(chunk)
            self._check_size(size)
            if time.monotonic() >= deadline:
                seconds = self._limits.total
                raise TransientDownload(f"not complete within {seconds:g} s")
        if length is not None and size != length:
            raise TransientDownload(f"cut off at {size} of {length} bytes")

    def _reserve(self, reserve: Reserve, length: int | None) -> float:
        """Reserve room for a body; return the seconds that it took."""
        self._check_size(length or 0)
        began = time.monotonic()
        reserve(self._limits.max_bytes if length is None else length)
        return time.monotonic() - began

    def _check_size(self, size: int) -> None:
        if size > self._limits.max_bytes:
            raise PermanentDownload(
                f"{size} bytes or more, expected at most {self._limits.max_bytes}"
            )


def _length(headers: Mapping[str, str]) -> int | None:
    """Return the announced length; a body in chunks has none, whatever is said."""
    length = headers.get("Content-Length", "")
    if "Transfer-Encoding" in headers or not length.isdecimal():
        return None
    return int(length)
