"""The AWS SDK's clients, all made in one place."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import BotoCoreError, NoRegionError
from urllib3.exceptions import HTTPError

from connectors.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

_USER_AGENT = f"earshot Boto3/{boto3.__version__} Botocore/{botocore.__version__}"
#: The SDK tries once: what to do about an outage is decided by who calls.
SDK_ATTEMPTS = 1


def raised_by_sdk(error: BaseException) -> bool:
    """Tell whether an exception comes out of the SDK's own code."""
    frames = traceback.walk_tb(error.__traceback__)
    modules = (str(frame.f_globals.get("__name__")) for frame, _ in frames)
    return any(module.partition(".")[0] == "botocore" for module in modules)


@contextmanager
def reaching(system: str) -> Iterator[None]:
    """Raise `Unavailable` where the SDK gets no answer, or no credentials to ask with.

    For the latter it raises what it happens to: RuntimeError for refreshed credentials
    that have expired already, OSError or ValueError for a process that gives none.
    """
    try:
        yield
    except (BotoCoreError, HTTPError) as error:
        raise Unavailable(system, error) from error
    except (OSError, RuntimeError, ValueError) as error:
        if not raised_by_sdk(error):
            raise
        raise Unavailable(system, error) from error


def _client(
    service: Any,
    *,
    connect: float,
    read: float,
    connections: int,
    validate: bool = True,
) -> Any:
    """Return a client; endpoint, region and credentials are the SDK's own settings.

    Parameters
    ----------
    validate
        Whether the SDK looks at a request before it sends it. The service does so
        too; but S3 takes an empty key for a question about the bucket.
    """
    config = Config(
        connect_timeout=connect,
        read_timeout=read,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": SDK_ATTEMPTS},
        tcp_keepalive=True,
        parameter_validation=validate,
        # TLS guards the way; a second sum over each recording costs a third of its GET.
        response_checksum_validation="when_required",
        # Whole, since the SDK would build its own anew for each request.
        user_agent=_USER_AGENT,
    )
    # The SDK itself reads AWS_DEFAULT_REGION only.
    region = os.environ.get("AWS_REGION") or None
    # A client asks for its first credentials when it is made.
    with reaching("aws"):
        try:
            session = boto3.session.Session(region_name=region)
            return session.client(service, config=config)
        except NoRegionError:
            raise Misconfigured("AWS_REGION: missing, expected a region") from None


def sqs_client(
    *, connect: float = 5, read: float = 30, connections: int = 10
) -> SQSClient:
    """Return an SQS client; timeouts in seconds, the read one above the long poll."""
    client: SQSClient = _client(
        "sqs", connect=connect, read=read, connections=connections, validate=False
    )
    return client


def sns_client(*, connect: float = 5, read: float = 15) -> SNSClient:
    """Return an SNS client; timeouts in seconds."""
    client: SNSClient = _client("sns", connect=connect, read=read, connections=4)
    return client


def s3_client(*, connect: float, read: float, connections: int) -> S3Client:
    """Return an S3 client; timeouts in seconds."""
    client: S3Client = _client(
        "s3", connect=connect, read=read, connections=connections
    )
    return client
