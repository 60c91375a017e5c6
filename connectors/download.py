"""Fetches audio from ``http(s)://`` and ``s3://``, within limits of time and size.

Exception
└── DownloadError
    ├── TransientDownload      may go another time: timeout, 5xx, cut off, no such host
    └── PermanentDownload      cannot go: not found, forbidden host, too large
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
from botocore.exceptions import BotoCoreError, ClientError
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential_jitter,
)
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    IncompleteRead,
    NameResolutionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from connectors.aws import s3_client
from connectors.hosts import ForbiddenHost, GuardedAdapter
from model.redaction import redact

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHUNK_BYTES = 256 * 1024
_MAX_REDIRECTS = 5
_MAX_BACKOFF_SECONDS = 30.0
#: Client errors that pass: request timeout, too early, too many requests.
_TRANSIENT_STATUSES = {408, 425, 429}
_MISSING_CODES = {"NoSuchKey", "NoSuchBucket", "404", "NotFound"}
#: What a person reads of the faults of a network, the more telling last.
_CAUSES: dict[type[BaseException], str] = {
    ConnectTimeoutError: "no connection in time",
    ReadTimeoutError: "the host fell silent",
    ProtocolError: "the connection was cut",
    ConnectionRefusedError: "the connection was refused",
    NameResolutionError: "there is no such host",
    SSLError: "no trusted TLS connection",
    IncompleteRead: "cut off before the announced length",
}
_BUCKET = re.compile(r"[a-zA-Z0-9._-]{3,255}")


class DownloadError(Exception):
    """A recording could not be fetched; the text is one line without secrets."""


class TransientDownload(DownloadError):
    """It may go another time."""


class PermanentDownload(DownloadError):
    """It will never go."""


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


class Downloader:
    """Fetches whole recordings; `fetch` may be called from many threads at once.

    Proxies and credentials of the environment are not used for ``http(s)``: the
    address that a socket is connected to must be the host's own.
    """

    def __init__(self, limits: DownloadLimits) -> None:
        self._limits = limits
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.max_redirects = _MAX_REDIRECTS
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

    def fetch(self, url: str) -> bytes:
        """Return the bytes behind a URL.

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
        return retrying(self._once, url, time.monotonic() + limits.total)

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()

    def _once(self, url: str, deadline: float) -> bytes:
        if time.monotonic() >= deadline:
            raise TransientDownload(f"no answer within {self._limits.total:g} s")
        with _typed():
            if urlsplit(url).scheme == "s3":
                return self._once_s3(url, deadline)
            return self._once_http(url, deadline)

    def _once_http(self, url: str, deadline: float) -> bytes:
        left = max(0.01, deadline - time.monotonic())
        timeout = min(self._limits.connect, left), min(self._limits.read, left)
        response = self._session.get(url, stream=True, timeout=timeout)
        with closing(response):
            _raise_for_status(response.status_code)
            length = _length(response.headers)
            return self._body(response.raw.read1, length, deadline)

    def _once_s3(self, url: str, deadline: float) -> bytes:
        parts = urlsplit(url)
        key = url.split("/", 3)[3]  # as it is: keys are not percent-encoded
        if not _BUCKET.fullmatch(parts.netloc):
            raise PermanentDownload(f"{parts.netloc!r} is no bucket's name")
        answer = self._s3_client().get_object(Bucket=parts.netloc, Key=key)
        with closing(answer["Body"]) as body:
            return self._body(body.read, answer["ContentLength"], deadline)

    def _s3_client(self) -> S3Client:
        if self._s3 is None:
            self._s3 = s3_client(
                connect=self._limits.connect,
                read=self._limits.read,
                connections=self._limits.connections,
            )
        return self._s3

    def _body(
        self, read: Callable[[int], bytes], length: int | None, deadline: float
    ) -> bytes:
        """Read a body as it comes, so that one sent by drops meets its deadline."""
        self._check_size(length or 0)
        body = bytearray()
        while chunk := read(_CHUNK_BYTES):
            body += chunk
            self._check_size(len(body))
            if time.monotonic() >= deadline:
                seconds = self._limits.total
                raise TransientDownload(f"not complete within {seconds:g} s")
        if length is not None and len(body) != length:
            raise TransientDownload(f"cut off at {len(body)} of {length} bytes")
        return bytes(body)

    def _check_size(self, size: int) -> None:
        if size > self._limits.max_bytes:
            raise PermanentDownload(
                f"{size} bytes or more, expected at most {self._limits.max_bytes}"
            )


@contextmanager
def _typed() -> Iterator[None]:
    """Turn what the libraries raise into one of our two errors."""
    try:
        yield
    except DownloadError:
        raise
    except ClientError as error:
        raise _of_s3(error) from None
    except (
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
        requests.exceptions.MissingSchema,
        requests.exceptions.TooManyRedirects,
    ) as error:
        raise PermanentDownload(_line(error)) from None
    except (
        requests.RequestException,
        HTTPError,
        BotoCoreError,
        OSError,
        ForbiddenHost,
    ) as error:
        raise _of_transport(error) from None
    except ValueError as error:  # a URL that the libraries cannot even take apart
        raise PermanentDownload(_line(error)) from None


def _of_transport(error: BaseException) -> DownloadError:
    """Return the error that the innermost cause known to us stands for."""
    found: DownloadError = TransientDownload(_line(error))
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ForbiddenHost):
            return PermanentDownload(str(cause))
        for kind, words in _CAUSES.items():
            if isinstance(cause, kind):
                found = TransientDownload(words)
        cause = cause.__cause__ or cause.__context__ or _argument(cause)
    return found


def _argument(error: BaseException) -> BaseException | None:
    """Return the error that urllib3 and requests carry as a reason or argument."""
    reason = getattr(error, "reason", None)
    carried = [reason, *error.args]
    return next((one for one in carried if isinstance(one, BaseException)), None)


def _of_s3(error: ClientError) -> DownloadError:
    code = str(error.response.get("Error", {}).get("Code"))
    if code in _MISSING_CODES:
        return PermanentDownload(f"not found ({code})")
    if code in ("AccessDenied", "403", "InvalidObjectState"):
        return PermanentDownload(f"not to be read ({code})")
    return TransientDownload(_line(error))


def _raise_for_status(status: int) -> None:
    if status < 300:
        return
    if status >= 500 or status in _TRANSIENT_STATUSES:
        raise TransientDownload(f"the host answered {status}")
    reason = "not found" if status in (404, 410) else "refused"
    raise PermanentDownload(f"{reason} (the host answered {status})")


def _length(headers: Mapping[str, str]) -> int | None:
    """Return the announced length; a body in chunks has none, whatever is said."""
    length = headers.get("Content-Length", "")
    if "Transfer-Encoding" in headers or not length.isdecimal():
        return None
    return int(length)


def _line(error: BaseException) -> str:
    return redact(" ".join(f"{type(error).__name__}: {error}".split()))[:300]
