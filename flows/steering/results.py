"""Results as they are given out: which columns, and each format, page by page."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from connectors.csv import neutralised
from connectors.errors import Misconfigured
from model.display import escaped, printable
from model.redaction import redact
from model.times import rfc3339

Document = Mapping[str, Any]
Pages = Iterable[list[dict[str, Any]]]

#: What the formats with columns give of a result; ``_id`` under the CSV file's name.
COLUMNS = (
    *("result_document_id", "test_date", "udise", "student_id", "subject_name"),
    *("record_type", "is_anomaly", "anomaly_score", "prediction_label", "reasons"),
    *("audio_s3_url", "duration_seconds", "model_name", "model_version"),
    *("processed_at", "source_record_id", "trace_id"),
)
_NUMBERS = {"anomaly_score", "duration_seconds"}


class NotInstalled(Exception):
    """A package that a format needs is not there; the text says how to get it."""


def columns_of(document: Document) -> dict[str, Any]:
    """Return a result's columns, its URL without signature."""
    audio = document.get("audio")
    found = {name: document.get(name) for name in COLUMNS}
    found["result_document_id"] = document["_id"]
    found["audio_s3_url"] = redact(str(document.get("audio_s3_url") or ""))
    found["duration_seconds"] = (
        audio.get("duration_seconds") if isinstance(audio, dict) else None
    )
    found["reasons"] = list(document.get("reasons") or ())
    return found


def write_csv(pages: Pages, out: BinaryIO) -> int:
    """Write results as CSV, safe in a spreadsheet; return how many."""
    out.write(_csv_text([COLUMNS]))
    count = 0
    for page in pages:
        out.write(_csv_text(_cells(document) for document in page))
        count += len(page)
    return count


def write_json(pages: Pages, out: BinaryIO) -> int:
    """Write results whole as one JSON array, a line each; return how many.

    Signatures of URLs are masked, also in the key that holds the URL.
    """
    count = 0
    out.write(b"[")
    for page in pages:
        for document in page:
            out.write(b",\n" if count else b"\n")
            text = orjson.dumps(_plain(document), default=str).decode()
            out.write(escaped(text).encode())
            count += 1
    out.write(b"\n]\n")
    return count


def write_parquet(pages: Pages, out: BinaryIO) -> int:
    """Write results as Parquet, a row group for each page; return how many.

    Raises
    ------
    NotInstalled
        Without pyarrow.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise NotInstalled(
            "--format parquet: expected pyarrow: pip install '.[parquet]' in the clone"
        ) from None
    schema, count = _schema(pyarrow), 0
    with parquet.ParquetWriter(out, schema) as writer:
        for page in pages:
            rows = [_typed(columns_of(document)) for document in page]
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
            count += len(page)
    return count


WRITERS: dict[str, Callable[[Pages, BinaryIO], int]] = {
    "csv": write_csv,
    "json": write_json,
    "parquet": write_parquet,
}


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file that gets its name only when it is whole.

    Raises
    ------
    Misconfigured
        When it cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise Misconfigured(f"cannot write {path}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def _cells(document: Document) -> list[str]:
    return [_cell(name, value) for name, value in columns_of(document).items()]


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in _NUMBERS:
        return repr(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    if isinstance(value, datetime):
        value = rfc3339(value)
    return neutralised(printable(str(value)))


def _csv_text(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _plain(value: Any) -> Any:
    """Return a value with its times as RFC 3339, however deep they lie."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return rfc3339(value) if isinstance(value, datetime) else value


def _schema(pyarrow: Any) -> Any:
    kinds = {
        "is_anomaly": pyarrow.bool_(),
        "reasons": pyarrow.list_(pyarrow.string()),
        "processed_at": pyarrow.timestamp("ms", tz="UTC"),
        **dict.fromkeys(_NUMBERS, pyarrow.float64()),
    }
    return pyarrow.schema([(n, kinds.get(n, pyarrow.string())) for n in COLUMNS])


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "is_anomaly": bool(row["is_anomaly"])}
