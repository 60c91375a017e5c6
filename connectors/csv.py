"""Rows on disk: whole or not at all, one writer a file, safe in a spreadsheet."""

from __future__ import annotations

import csv
import fcntl
import io
import os
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import BinaryIO

from connectors import disk
from connectors.errors import Misconfigured, Unavailable

#: A cell that begins with one of these is run as a formula by spreadsheets; the last
#: is the mark itself, so that a reader can undo it: drop one leading apostrophe.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "'")
FORMULA_MARK = "'"


def neutralised(cell: str) -> str:
    """Return a cell that no spreadsheet runs: an apostrophe before a formula."""
    return FORMULA_MARK + cell if cell.startswith(FORMULA_STARTS) else cell


class CsvFile:
    """A CSV file that this process alone writes.

    Where another process has the path, the next free of ``.1``, ``.2`` … before the
    suffix is taken. A last line that a crash tore off is cut away at the start; the
    header is written once.

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

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file, self.path = _claim(path)
        except OSError as error:
            raise Misconfigured(f"csv: cannot write {path}: {error.strerror}") from None
        _cut_torn_line(self._file)
        self._begin(list(header))

    def _begin(self, header: list[str]) -> None:
        self._file.seek(0)
        first = self._file.readline().decode(errors="replace").rstrip("\r\n")
        if not first:
            self.append([header])
        elif first != ",".join(header):
            self.close()
            raise Misconfigured(
                f"csv: {self.path} has other columns, expected {','.join(header)}"
            )

    def append(self, rows: Iterable[Sequence[str]]) -> None:
        """Write rows; returns when they are on the disk.

        Raises
        ------
        Unavailable
            When the disk takes no more; nothing of the rows is left in the file.
        """
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        try:
            disk.append(self._file.fileno(), text.getvalue().encode())
        except OSError as error:
            raise Unavailable("csv", error) from error

    def close(self) -> None:
        """Close the file and let others have it."""
        self._file.close()


def _claim(path: Path) -> tuple[BinaryIO, Path]:
    for number in count():
        candidate = path if not number else _numbered(path, number)
        file = candidate.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        return file, candidate
    raise AssertionError("count() never ends")


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}.{number}{path.suffix}")


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
