"""What became of a work item, and how results and rows write it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from model.records import WorkItem
from model.redaction import redact
from model.times import rfc3339, utc_now

CSV_COLUMNS = (
    "result_document_id,dedupe_key,source_collection,mongo_doc_id,test_date,"
    "record_type,subject_id,subject_name,audio_s3_url,source_updated_at,"
    "subject_created_at,student_id,udise,processing_status,error,is_anomaly,"
    "anomaly_score,prediction_label,model_name,model_version,trace_id,message_id,"
    "receive_count,processed_at"
).split(",")
#: Columns whose cells are numbers of ours, never text from outside.
NUMERIC_COLUMNS = {"anomaly_score", "receive_count"}
_MAX_ERROR_CHARACTERS = 500


class Status(StrEnum):
    """What became of a delivery."""

    COMPLETED = "completed"
    SKIPPED_EXISTING = "skipped_existing"
    SKIPPED_INELIGIBLE = "skipped_ineligible"
    FAILED = "failed_pre_inference"


class Kind(StrEnum):
    """What to do about a failure."""

    TRANSIENT = "transient"  # comes back with a backoff
    LATER = "later"  # where it comes from is down: comes back after the longest backoff
    PERMANENT = "permanent"  # can never succeed: to the quarantine


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an item could not be judged.

    Attributes
    ----------
    stage
        Where it failed, such as ``download``.
    reason
        One line without secrets.
    """

    kind: Kind
    stage: str
    reason: str

    def __post_init__(self) -> None:
        line = redact(" ".join(self.reason.split()))
        object.__setattr__(self, "reason", line[:_MAX_ERROR_CHARACTERS])

    def __str__(self) -> str:
        return f"{self.stage}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the model says of one recording.

    Attributes
    ----------
    anomaly_score
        Higher is more anomalous.
    reasons
        For a person; empty when normal.
    features
        Name to number.
    audio
        ``duration_seconds``, ``sample_rate``, ``channels`` and ``codec`` of the file.
    """

    is_anomaly: bool
    anomaly_score: float
    prediction_label: str
    reasons: tuple[str, ...]
    model_name: str
    model_version: str
    features: Mapping[str, float]
    audio: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one delivery: judged, skipped or failed."""

    item: WorkItem
    status: Status
    failure: Failure | None = None
    judgement: Judgement | None = None
    processed_at: datetime = field(default_factory=utc_now)

    @classmethod
    def failed(cls, item: WorkItem, kind: Kind, stage: str, reason: str) -> Outcome:
        """Return the outcome of an item that could not be judged."""
        return cls(item, Status.FAILED, Failure(kind, stage, reason))

    def result_document(self) -> dict[str, Any]:
        """Return the result of a completed item, as it is stored.

        Message fields stand as in the message; ``processed_at`` is a date.
        """
        assert self.judgement is not None, "only a completed item has a result"
        judged = self.judgement
        return {
            "_id": self.item.result_document_id,
            **self.item.record.message_fields(),
            "dedupe_key": self.item.dedupe_key,
            "processing_status": self.status.value,
            "is_anomaly": judged.is_anomaly,
            "anomaly_score": judged.anomaly_score,
            "prediction_label": judged.prediction_label,
            "model_name": judged.model_name,
            "model_version": judged.model_version,
            "features": dict(judged.features),
            "reasons": list(judged.reasons),
            "audio": dict(judged.audio),
            "message_id": self.item.message_id,
            "receive_count": self.item.receive_count,
            "processed_at": self.processed_at,
        }

    def csv_cells(self) -> dict[str, str | None]:
        """Return the outcome's row by column, None for an empty cell.

        The signatures of signed URLs are masked, in the URL and in the key.
        """
        cells = {
            **self.item.record.message_fields(),
            "result_document_id": self.item.result_document_id,
            "dedupe_key": redact(self.item.dedupe_key),
            "audio_s3_url": redact(self.item.record.audio_s3_url),
            "processing_status": self.status.value,
            "error": str(self.failure) if self.failure else None,
            "message_id": self.item.message_id,
            "receive_count": str(self.item.receive_count),
            "processed_at": rfc3339(self.processed_at),
            **_judged(self.judgement),
        }
        return {column: cells.get(column) for column in CSV_COLUMNS}


def _judged(judgement: Judgement | None) -> dict[str, str]:
    if judgement is None:
        return {}
    return {
        "is_anomaly": "true" if judgement.is_anomaly else "false",
        "anomaly_score": repr(judgement.anomaly_score),
        "prediction_label": judgement.prediction_label,
        "model_name": judgement.model_name,
        "model_version": judgement.model_version,
    }
