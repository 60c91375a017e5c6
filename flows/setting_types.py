"""What a variable may hold: each function returns it or says what was expected."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from connectors import mongo, postgres

_HOST_NAME = re.compile(r"(\*\.)?([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[?[0-9a-f:]+\]?)")


def http_url(value: str) -> str:
    """Return a queue's URL. Raises `ValueError`."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected a queue's https:// or http:// URL")
    return value


def push_url(value: str) -> str:
    """Return a push gateway's URL. Raises `ValueError`."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected a push gateway's http:// or https:// URL")
    return value


def mongo_connection(value: SecretStr) -> SecretStr:
    """Return a MongoDB connection string. Raises `ValueError`."""
    if not mongo.is_uri(value.get_secret_value()):
        raise ValueError("expected mongodb://HOST or mongodb+srv://HOST")
    return value


def postgres_connection(value: SecretStr | None) -> SecretStr | None:
    """Return a PostgreSQL connection string. Raises `ValueError`."""
    if value and not postgres.is_dsn(value.get_secret_value()):
        raise ValueError("expected postgresql://USER@HOST/NAME or host=… dbname=…")
    return value


def topic_arn(value: str) -> str:
    """Return a topic's ARN. Raises `ValueError`."""
    if not value.startswith("arn:"):
        raise ValueError("expected an ARN such as arn:aws:sns:REGION:ACCOUNT:TOPIC")
    return value


def host_names(value: object) -> object:
    """Return host names from a text with commas. Raises `ValueError`."""
    if not isinstance(value, str):
        return value
    names = [name.strip().lower().rstrip(".") for name in value.split(",")]
    for name in filter(None, names):
        if not _HOST_NAME.fullmatch(name):
            raise ValueError(
                f"expected host names with commas between, {name!r} is none: "
                "no scheme, no port, and *. only before a name"
            )
    return tuple(name for name in names if name)


def database_name(value: str) -> str:
    """Return a database's name. Raises `ValueError`."""
    if not value or set(value) & set('/\\. "$'):
        raise ValueError("expected a database's name, without spaces and /\\.\"$")
    return value


def existing_file(value: Path | None) -> Path | None:
    """Return the path of a file that is there. Raises `ValueError`."""
    if value is not None and not value.is_file():
        raise ValueError("expected a file that is there")
    return value


def output_file(value: Path) -> Path:
    """Return the path of a file to write. Raises `ValueError`."""
    if value.is_dir():
        raise ValueError("expected a file's path, this is a folder")
    return value


LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


def in_capitals(value: object) -> object:
    """Return a log level as it is named, whatever its case; all else as it is."""
    if isinstance(value, str) and value.upper() in get_args(LogLevel):
        return value.upper()
    return value


def real_day(value: object) -> object:
    """Return a date from its text. Raises `ValueError`."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValueError("expected a date as YYYY-MM-DD") from None
    return value


Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
SecondsOrZero = Annotated[float, Field(ge=0, allow_inf_nan=False)]
QueueUrl = Annotated[str, AfterValidator(http_url)]
OutputFile = Annotated[Path, AfterValidator(output_file)]
