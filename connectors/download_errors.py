"""How a download fails, and which of a library's errors is which.

Exception
└── DownloadError
    ├── TransientDownload      may go another time: too slow, cut off
    │   └── HostDown           the host gives no one anything: 5xx, refused, silent
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

from connectors.aws import raised_by_sdk
from connectors.errors import Unavailable
from connectors.hosts import ForbiddenHost
from model.redaction import redact

#: Client errors that pass: request timeout, too early.
_TRANSIENT_STATUSES = {408, 425}
_TOO_MANY_REQUESTS = 429
_MISSING_CODES = {"NoSuchKey", "NoSuchBucket", "404", "NotFound"}
#: S3's answers that are about us or about S3, not about the object.
_S3_DOWN_CODES = {
    "SlowDown",
    "InternalError",
    "ServiceUnavailable",
    "RequestLimitExceeded",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidToken",
    "TokenRefreshRequired",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "RequestTimeTooSkewed",
}


class DownloadError(Exception):
    """A recording could not be fetched; the text is one line without secrets."""


class TransientDownload(DownloadError):
    """It may go another time."""


class HostDown(TransientDownload):
    """The host gave no answer, or one that says it can give none now."""


#: The faults of a network: which error, and what a person reads; the more telling last.
_CAUSES: dict[type[BaseException], tuple[type[TransientDownload], str]] = {
    ConnectTimeoutError: (HostDown, "no connection in time"),
    ReadTimeoutError: (HostDown, "the host fell silent"),
    ProtocolError: (HostDown, "the connection was cut"),
    ConnectionRefusedError: (HostDown, "the connection was refused"),
    NameResolutionError: (HostDown, "there is no such host"),
    SSLError: (HostDown, "no trusted TLS connection"),
    IncompleteRead: (TransientDownload, "cut off before the announced length"),
}


class PermanentDownload(DownloadError):
    """It will never go."""


@contextmanager
def typed() -> Iterator[None]:
    """Turn what the libraries raise into one of our two errors."""
    try:
        yield
    except DownloadError:
        raise
    except Unavailable as error:  # no credentials to ask S3 with
        raise HostDown(_line(error)) from None
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
    except (ValueError, RuntimeError) as error:
        raise _of_value(error) from None


def _of_transport(error: BaseException) -> DownloadError:
    """Return the error that the innermost cause known to us stands for."""
    found: DownloadError = HostDown(_line(error))
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ForbiddenHost):
            return PermanentDownload(str(cause))
        for kind, (meaning, words) in _CAUSES.items():
            if isinstance(cause, kind):
                found = meaning(words)
        cause = cause.__cause__ or cause.__context__ or _argument(cause)
    return found


def _of_value(error: Exception) -> Exception:
    """Return what no credentials stand for, or a URL that no library takes apart."""
    if raised_by_sdk(error):
        return HostDown(_line(error))
    return PermanentDownload(_line(error)) if isinstance(error, ValueError) else error


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
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _S3_DOWN_CODES or status >= 500:
        return HostDown(_line(error))
    return TransientDownload(_line(error))


def raise_for_status(status: int) -> None:
    """Raise the error that an HTTP status stands for, none below 300."""
    if status < 300:
        return
    if status >= 500 or status == _TOO_MANY_REQUESTS:
        raise HostDown(f"the host answered {status}")
    if status in _TRANSIENT_STATUSES:
        raise TransientDownload(f"the host answered {status}")
    reason = "not found" if status in (404, 410) else "refused"
    raise PermanentDownload(f"{reason} (the host answered {status})")


def _line(error: BaseException) -> str:
    return redact(" ".join(f"{type(error).__name__}: {error}".split()))[:300]
