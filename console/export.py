"""Reviews as files: labels for ``evaluate``, a manifest for ``train``, the audio."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors.csv import neutralised
from connectors.download import Downloader
from connectors.download_errors import DownloadError
from connectors.mongo_flagged import Flagged, head_of
from connectors.mongo_reviews import Review, Reviews
from flows.steering.results import whole_file
from model.display import printable

LABEL_COLUMNS = ("path", "kind", "is_anomaly")
MANIFEST_COLUMNS = ("path",)
#: The kind of a recording that is as it should be.
NORMAL = "normal"
_ID = re.compile(r"[0-9a-f]{64}")
#: Ids of one query.
_SOME = 500
_NO_ROOM = "no room is left"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A recording of which somebody said whether it can be used.

    Attributes
    ----------
    kind
        What is wrong with it, ``normal`` when nothing is.
    """

    id: str
    url: str
    kind: str
    is_anomaly: bool

    @property
    def file_name(self) -> str:
        """The name of its audio; an id that is no digest of ours names no path."""
        id = self.id
        return f"{id if _ID.fullmatch(id) else _digest(id)}.audio"


@dataclass(slots=True)
class Exported:
    """What an export wrote.

    Attributes
    ----------
    missing
        Why recordings could not be fetched, by their ids.
    cut
        Recordings that were left out since there was no room for them.
    """

    written: int = 0
    anomalous: int = 0
    missing: dict[str, str] = field(default_factory=dict)
    cut: int = 0

    def add(self, one: Labelled, error: str | None) -> bool:
        """Count a recording; tell whether it is there."""
        if error == _NO_ROOM:
            self.cut += 1
        elif error is not None:
            self.missing[one.id] = error
        else:
            self.written += 1
            self.anomalous += one.is_anomaly
        return error is None

    def line(self) -> dict[str, Any]:
        """Return it as JSON values."""
        normal = self.written - self.anomalous
        counts = {"written": self.written, "anomalous": self.anomalous}
        return {**counts, "normal": normal, "missing": self.missing}


class _Room:
    """Bytes that recordings may take; the first that does not fit closes it."""

    def __init__(self, most: float) -> None:
        self._left, self._lock = most, threading.Lock()

    @property
    def is_closed(self) -> bool:
        return self._left < 0

    def take(self, size: int) -> bool:
        with self._lock:
            self._left -= size
            return not self.is_closed


def labelled(flagged: Flagged, reviews: Reviews) -> list[Labelled]:
    """Return what was reviewed with yes or no, by id; raises `Unavailable`.

    Those whose result is gone have no audio any more and are left out.
    """
    said = {
        r.result_document_id: r for r in reviews.all_newest() if r.verdict != "unsure"
    }
    ids, found = list(said), []
    for start in range(0, len(ids), _SOME):
        for result in flagged.some(ids[start : start + _SOME]):
            found.append(_labelled(result, said[result["_id"]]))
    return sorted(found, key=lambda one: one.id)


def normals(flagged: Flagged, reviews: Reviews, count: int) -> list[Labelled]:
    """Return the false alarms and so many more that were not flagged.

    Raises `Unavailable`.
    """
    alarms = [one for one in labelled(flagged, reviews) if not one.is_anomaly]
    rest = flagged.newest_normal(count) if count else []
    said = reviews.newest([str(result["_id"]) for result in rest])
    own = {one.id for one in alarms}
    return alarms + [
        Labelled(str(result["_id"]), _url(result), NORMAL, False)
        for result in rest
        if result["_id"] not in own
        and (result["_id"] not in said or said[result["_id"]].verdict == "false_alarm")
    ]


def export(
    recordings: Sequence[Labelled],
    columns: tuple[str, ...],
    output: Path,
    audio: Path,
    downloader: Downloader,
    *,
    threads: int,
    most_bytes: float = math.inf,
    advance: Callable[[], object] = lambda: None,
) -> Exported:
    """Fetch recordings into a folder and write the CSV file that lists them.

    What is in the folder already is not fetched again. What cannot be fetched is left
    out of the file.

    Parameters
    ----------
    output
        The CSV file; its paths start at its folder.
    audio
        The folder, which is made.
    most_bytes
        Of the recordings together; those for which there is no room are left out.
    advance
        Called after each recording.
    """
    audio.mkdir(parents=True, exist_ok=True)
    done, room = Exported(), _Room(most_bytes)

    def fetch(one: Labelled) -> str | None:
        error = _fetch(downloader, one.url, audio / one.file_name, room)
        advance()
        return error

    with ThreadPoolExecutor(threads) as pool:
        ended = zip(recordings, pool.map(fetch, recordings), strict=True)
        there = [one for one, error in ended if done.add(one, error)]
    with whole_file(output) as file:
        file.write(_csv(columns, [_row(one, audio, output.parent) for one in there]))
    return done


def _labelled(result: Mapping[str, Any], review: Review) -> Labelled:
    is_anomaly = review.verdict == "confirmed"
    reasons = [str(reason) for reason in result.get("reasons") or review.reasons]
    kind = neutralised(printable(head_of(reasons[0]))) if reasons else "anomaly"
    return Labelled(
        str(result["_id"]), _url(result), kind if is_anomaly else NORMAL, is_anomaly
    )


def _url(result: Mapping[str, Any]) -> str:
    return str(result.get("audio_s3_url") or "")


def _fetch(downloader: Downloader, url: str, path: Path, room: _Room) -> str | None:
    """Put a recording into a file, whole or not at all; return why it is not there."""
    if room.is_closed:
        return _NO_ROOM
    try:
        if not path.exists():
            with whole_file(path) as file:
                downloader.fetch(url, file)
    except DownloadError as error:
        return printable(str(error))
    if not room.take(path.stat().st_size):
        path.unlink()
        return _NO_ROOM
    return None


def _row(one: Labelled, audio: Path, start: Path) -> dict[str, object]:
    path = os.path.relpath(audio / one.file_name, start)
    return {"path": path, "kind": one.kind, "is_anomaly": int(one.is_anomaly)}


def _csv(columns: tuple[str, ...], rows: Iterable[Mapping[str, object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([row[name] for name in columns])
    return text.getvalue().encode()


def _digest(id: str) -> str:
    return hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()
