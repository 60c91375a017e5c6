"""Rows on disk: whole or not at all, one writer a file, safe in a spreadsheet."""

from __future__ import annotations

import csv
import fcntl
import io
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import BinaryIO

from connectors import disk
from connectors.errors import Misconfigured, Unavailable

#: A cell that begins with one of these is run as a formula by spreadsheets, or with the
#: mark itself: so a reader can undo it and drop one leading apostrophe.
FORMULA_STARTS = frozenset("=+-@\t\r'")
FORMULA_MARK = "'"


def neutralised(cell: str) -> str:
    """Return a cell that no spreadsheet runs: an apostrophe before a formula."""
    return FORMULA_MARK + cell if cell[:1] in FORMULA_STARTS else cell


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file is put aside for a new one: never by default.

    Attributes
    ----------
    bytes
        Before it would grow beyond so many; 0 for never.
    daily
        Before the first row of another day, in UTC.
    """

    bytes: int = 0
    daily: bool = False

    def is_due(self, size: int, added: int, written: date, today: date) -> bool:
        """Tell whether a file of `size` bytes is put aside before `added` more."""
        too_large = bool(self.bytes) and size + added > self.bytes
        return too_large or (self.daily and written != today)


class CsvFile:
    """A CSV file that this process alone writes.

    Where another process has the path, the next free of ``.1``, ``.2`` … before the
    suffix is taken. A last line that a crash tore off is cut away at the start; the
    header is written once. A file that is put aside gets the time, in UTC, before its
    suffix: ``results.20260223T093000Z.csv``.

    Parameters
    ----------
    path
        The file; folders are made.
    header
        The names of the columns.

    Raises
    ------
    Misconfigured
        When the file cannot be opened for writing, or has another header.
    """

    def __init__(
        self,
        path: Path,
        header: Sequence[str],
        rotation: Rotation | None = None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._first_path, self._header = path, _text([header])
        self._rotation, self._now = rotation or Rotation(), now
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open()
        except OSError as error:
            raise Misconfigured(f"csv: cannot write {path}: {error.strerror}") from None

    def append(self, rows: Iterable[Sequence[str]]) -> None:
        """Write rows; returns when they are on the disk.

        Raises
        ------
        Unavailable
            When the disk takes no more; nothing of the rows is left in the file.
        """
        text = _text(rows)
        try:
            if self._must_rotate(len(text)):
                self._rotate()
            disk.append(self._file.fileno(), text)
        except OSError as error:
            raise Unavailable("csv", error) from error

    def close(self) -> None:
        """Close the file and let others have it."""
        self._file.close()

    def _open(self) -> None:
        file, path = _claim(self._first_path)
        try:
            self._begin(file, path)
        except BaseException:
            file.close()
            raise
        self._file, self.path = file, path

    def _begin(self, file: BinaryIO, path: Path) -> None:
        _cut_torn_line(file)
        file.seek(0)
        first = file.readline()
        if not first:
            disk.append(file.fileno(), self._header)
            disk.sync_folder(path.parent)
        elif first.rstrip(b"\r\n") != self._header.rstrip(b"\n"):
            columns = self._header.decode().strip()
            raise Misconfigured(f"csv: {path} has other columns, expected {columns}")

    def _must_rotate(self, added: int) -> bool:
        state = os.fstat(self._file.fileno())
        if state.st_size <= len(self._header):
            return False
        written = datetime.fromtimestamp(state.st_mtime, UTC).date()
        today = self._now().date()
        return self._rotation.is_due(state.st_size, added, written, today)

    def _rotate(self) -> None:
        # The old file stays open and locked until there is a new one: nobody else
        # takes it for theirs, and should the disk be full, it goes on.
        old, aside = self._file, _aside(self.path, self._now())
        self.path.rename(aside)
        self.path = aside
        self._open()
        old.close()


def _text(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    plain = csv.writer(text, lineterminator="\n")
    # A carriage return alone is no reason for Python's writer to quote a cell, but for
    # readers it ends the row.
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        writer = quoted if "\r" in "".join(row) else plain
        writer.writerow(row)
    return text.getvalue().encode()


def _claim(path: Path) -> tuple[BinaryIO, Path]:
    for number in count():
        candidate = path if not number else _named(path, str(number))
        if file := _locked(candidate):
            return file, candidate
    raise AssertionError("count() never ends")


def _locked(path: Path) -> BinaryIO | None:
    """Return a file that is ours now, None when another process has it."""
    while True:
        file = path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        if path.exists() and path.samefile(f"/dev/fd/{file.fileno()}"):
            return file
        file.close()  # put aside by another process between the two steps


def _aside(path: Path, moment: datetime) -> Path:
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    names = (stamp if not n else f"{stamp}.{n}" for n in count())
    return next(p for p in (_named(path, name) for name in names) if not p.exists())


def _named(path: Path, name: str) -> Path:
    return path.with_name(f"{path.stem}.{name}{path.suffix}")


def _cut_torn_line(file: BinaryIO) -> None:
    """Cut what follows the last whole row; a quoted cell may hold line ends."""
    file.seek(0)
    whole = position = 0
    quoted = False
    for line in file:
        position += len(line)
        quoted ^= line.count(b'"') % 2 == 1
        if line.endswith(b"\n") and not quoted:
            whole = position
    os.ftruncate(file.fileno(), whole)
