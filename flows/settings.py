"""Every environment variable, validated before anything connects."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from connectors.mongo_fields import FIELDS
from connectors.postgres_columns import COLUMNS
from flows.names import names_of
from flows.setting_types import (
    Count,
    LogLevel,
    OutputFile,
    QueueUrl,
    Seconds,
    SecondsOrZero,
    database_name,
    existing_file,
    host_names,
    in_capitals,
    mongo_connection,
    postgres_connection,
    push_url,
    real_day,
    topic_arn,
)
from model.audio import AudioLimits
from model.redaction import redact

#: The longest that SQS hides a message (12 h), see SQS quotas, "Message visibility".
MAX_VISIBILITY_SECONDS = 43_200
_SECRETS = {"mongo_uri", "postgres_dsn"}
_NEEDED_BY = {
    "postgres": ("postgres_dsn", "postgres_table"),
    "mongo": ("mongo_source_collection",),
}


class SettingsError(Exception):
    """One or more environment variables are wrong or missing.

    Attributes
    ----------
    faults
        One line for each variable: its name, its value (secrets masked) and what was
        expected.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class LocalSettings(BaseSettings):
    """The settings of what needs no service, from the environment and ``.env``.

    Each field is the environment variable of the same name in capitals; the
    environment wins over ``.env``; an empty variable counts as one that is not set.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        validate_default=True,
    )

    audio_max_bytes: Count = 64 * 1024 * 1024
    audio_max_seconds: Seconds = 600
    model_path: Annotated[Path | None, AfterValidator(existing_file)] = None
    log_level: Annotated[LogLevel, BeforeValidator(in_capitals)] = "INFO"
    log_format: Literal["console", "json"] | None = None

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Return the settings of this process.

        Parameters
        ----------
        **overrides
            Values that win over the environment, such as a command's options; None
            leaves the variable as it is.

        Raises
        ------
        SettingsError
            With one line for each wrong or missing variable.
        """
        given = {key: value for key, value in overrides.items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError(_faults(error)) from None

    def audio_limits(self) -> AudioLimits:
        """Return what is too much for one recording."""
        return AudioLimits(self.audio_max_bytes, self.audio_max_seconds)


class Settings(LocalSettings):
    """The settings of worker and discovery."""

    sqs_queue_url: QueueUrl
    mongo_uri: Annotated[SecretStr, AfterValidator(mongo_connection)]
    mongo_db_name: Annotated[str, AfterValidator(database_name)]
    discovery_source_type: Literal["postgres", "mongo"]

    postgres_dsn: Annotated[SecretStr | None, AfterValidator(postgres_connection)] = (
        None
    )
    postgres_schema: str = "public"
    postgres_table: str | None = None
    mongo_source_collection: str | None = None
    mongo_state_collection: str = "anomaly_pipeline_state"
    mongo_result_collection: str = "anomaly_detection_results"

    test_date: Annotated[date, BeforeValidator(real_day)] | None = None
    subject_name: str | None = None
    discovery_batch_size: Annotated[int, Field(ge=1, le=10_000)] = 500
    discovery_overlap_seconds: Annotated[float, Field(ge=0, le=86_400)] = 300
    discovery_send_processes: Annotated[int, Field(ge=0, le=16)] | None = None
    message_group_by: Literal["udise", "student_id", "none"] = "none"
    postgres_columns: Annotated[
        dict[str, str], NoDecode, BeforeValidator(names_of(COLUMNS))
    ] = {}
    mongo_fields: Annotated[
        dict[str, str], NoDecode, BeforeValidator(names_of(FIELDS))
    ] = {}

    batch_size: Annotated[int, Field(ge=1, le=1_000)] = 32
    max_batch_wait_seconds: Annotated[float, Field(gt=0, le=3_600)] = 1.0
    max_concurrency: Annotated[int, Field(ge=1, le=10_000)] = 128
    max_bytes_in_flight: Annotated[int, Field(ge=1)] = 256 * 1024 * 1024
    csv_output_path: OutputFile = Path("output/results.csv")
    csv_rotate_bytes: Annotated[int, Field(ge=0)] = 0
    csv_rotate_daily: bool = False

    s3_timeout_seconds: Seconds = 60
    s3_connect_timeout_seconds: Seconds = 5
    s3_sock_read_timeout_seconds: Seconds = 15
    s3_max_retries: Annotated[int, Field(ge=0, le=20)] = 3
    s3_retry_backoff_seconds: SecondsOrZero = 0.5
    download_max_concurrency: Annotated[int, Field(ge=1, le=256)] = 16
    inference_timeout_seconds: Seconds = 30
    inference_processes: Annotated[int, Field(ge=1, le=256)] = os.cpu_count() or 1

    visibility_timeout_seconds: Annotated[
        int, Field(ge=1, le=MAX_VISIBILITY_SECONDS)
    ] = 120
    retry_backoff_seconds: Annotated[float, Field(ge=0, le=MAX_VISIBILITY_SECONDS)] = 10
    retry_backoff_max_seconds: Annotated[
        float, Field(ge=0, le=MAX_VISIBILITY_SECONDS)
    ] = 900
    quarantine_queue_url: QueueUrl | None = None
    quarantine_path: OutputFile = Path("output/quarantine.jsonl")
    result_queue_url: QueueUrl | None = None
    result_topic_arn: Annotated[str, AfterValidator(topic_arn)] | None = None
    drain_timeout_seconds: Seconds = 25
    idle_exit_seconds: SecondsOrZero = 0

    audio_allowed_hosts: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(host_names)
    ] = ()
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 9108
    metrics_push_url: Annotated[str, AfterValidator(push_url)] | None = None
    metrics_textfile_path: Path | None = None

    @field_validator("postgres_dsn", "postgres_table", "mongo_source_collection")
    @classmethod
    def _given_for_source(cls, value: object, info: ValidationInfo) -> object:
        source = info.data.get("discovery_source_type")
        if value is None and info.field_name in _NEEDED_BY.get(str(source), ()):
            raise ValueError(f"missing, expected since DISCOVERY_SOURCE_TYPE={source}")
        return value


def _faults(error: ValidationError) -> list[str]:
    return [_fault(dict(fault)) for fault in error.errors(include_url=False)]


def _fault(fault: dict[str, Any]) -> str:
    name = str(fault["loc"][0])
    if fault["type"] == "missing":
        return f"{name.upper()}: missing, expected a value"
    message = fault["msg"].removeprefix("Value error, ")
    message = message.replace("Input should be", "expected")
    if fault["input"] is None:
        return f"{name.upper()}: {message}"
    shown = "***" if name in _SECRETS else redact(repr(fault["input"]))
    return f"{name.upper()}={shown}: {message}"
