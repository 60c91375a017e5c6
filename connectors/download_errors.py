"""How a download fails, and which of a library's errors is which.

Exception
└── DownloadError
    ├── TransientDownload      may go another time: timeout, 5xx, cut off, no such host
    └── PermanentDownload      cannot go: not found, forbidden host, too large
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    IncompleteRead,
    NameResolutionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from connectors.hosts import ForbiddenHost
from model.redaction import redact

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


class DownloadError(Exception):
    """A recording could not be fetched; the text is one line without secrets."""


class TransientDownload(DownloadError):
    """It may go another time."""


class PermanentDownload(DownloadError):
    """It will never go."""


@contextmanager
def typed() -> Iterator[None]:
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


def raise_for_status(status: int) -> None:
    """Raise the error that an HTTP status stands for, none below 300."""
    if status < 300:
        return
    if status >= 500 or status in _TRANSIENT_STATUSES:
        raise TransientDownload(f"the host answered {status}")
    reason = "not found" if status in (404, 410) else "refused"
    raise PermanentDownload(f"{reason} (the host answered {status})")


def _line(error: BaseException) -> str:
    return redact(" ".join(f"{type(error).__name__}: {error}".split()))[:300]
