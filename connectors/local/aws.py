"""What the demo and the tests need in the emulated AWS: clients and buckets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import boto3

from connectors.local.programs import REGION
from connectors.local.services import LocalServices

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


def _session() -> boto3.session.Session:
    return boto3.session.Session(
        aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION
    )


@contextmanager
def sqs_client(services: LocalServices) -> Iterator[SQSClient]:
    """Give a client of the emulated SQS, whatever the environment says."""
    with closing(
        _session().client("sqs", endpoint_url=services.aws_endpoint_url)
    ) as client:
        yield client


@contextmanager
def s3_client(services: LocalServices) -> Iterator[S3Client]:
    """Give a client of the emulated S3, whatever the environment says."""
    with closing(
        _session().client("s3", endpoint_url=services.aws_endpoint_url)
    ) as client:
        yield client


def create_bucket(client: S3Client, name: str) -> str:
    """Create a bucket and return its name."""
    client.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    return name
