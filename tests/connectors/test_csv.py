"""CSV files: whole rows, one writer, safe cells."""

from __future__ import annotations

import csv
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.csv import CsvFile, Rotation, neutralised
from connectors.errors import Misconfigured, Unavailable

HEADER = ["id", "text"]


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def write(path: Path, *written: list[str]) -> None:
    file = CsvFile(path, HEADER)
    file.append(written)
    file.close()


def test_the_header_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.csv"
    write(path, ["1", "a"])
    write(path, ["2", "b"])
    assert rows(path) == [HEADER, ["1", "a"], ["2", "b"]]


def test_cells_with_commas_quotes_and_line_ends_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    odd = ["1", 'a,"b"\nc\r\nd']
    write(path, odd)
    write(path, ["2", "e"])
    assert rows(path) == [HEADER, odd, ["2", "e"]]


@pytest.mark.parametrize("cell", ["a\rb", "x\r=1+1", "\r", 'a"\r'])
def test_a_carriage_return_ends_no_row_and_starts_no_formula(
    tmp_path: Path, cell: str
) -> None:
    path = tmp_path / "a.csv"
    write(path, ["1", cell], ["2", "e"])
    assert rows(path) == [HEADER, ["1", cell], ["2", "e"]]
    assert path.read_bytes().count(b"\n") == 3


@pytest.mark.parametrize("torn", ["3", "3,c", '3,"c\nd', '3,"c\n"'])
def test_a_last_row_that_a_crash_tore_is_cut_away(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "a.csv"
    write(path, ["1", "a\nb"], ["2", "b"])
    with path.open("a", newline="") as file:
        file.write(torn)
    write(path, ["4", "d"])
    assert rows(path) == [HEADER, ["1", "a\nb"], ["2", "b"], ["4", "d"]]


def test_a_torn_header_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,te")
    write(path, ["1", "a"])
    assert rows(path) == [HEADER, ["1", "a"]]


def test_each_further_writer_has_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    files = [CsvFile(path, HEADER) for _ in range(3)]
    assert [file.path.name for file in files] == ["a.csv", "a.1.csv", "a.2.csv"]
    files[0].close()
    again = CsvFile(path, HEADER)
    assert again.path.name == "a.csv"
    for file in (*files[1:], again):
        file.close()


def test_a_file_with_other_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("other,columns\n1,2\n")
    with pytest.raises(Misconfigured, match="other columns"):
        CsvFile(path, HEADER)
    assert path.read_text() == "other,columns\n1,2\n"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="cannot write"):
        CsvFile(tmp_path / "file" / "a.csv", HEADER)


def test_a_full_disk_leaves_whole_rows_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    file = CsvFile(path, HEADER)
    file.append([["1", "a"]])
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) <= 3:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:3])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Unavailable, match="csv is unavailable: .*No space left"):
        file.append([["2", "b" * 100]])
    monkeypatch.undo()
    file.append([["3", "c"]])
    file.close()
    assert rows(path) == [HEADER, ["1", "a"], ["3", "c"]]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "'"])
def test_a_cell_that_a_spreadsheet_would_run_is_neutralised(start: str) -> None:
    cell = f"{start}1+1"
    assert neutralised(cell) == f"'{cell}"
    assert neutralised(cell)[1:] == cell


@pytest.mark.parametrize("cell", ["", "a", "1", "a=b", "हिन्दी"])
def test_any_other_cell_stays_as_it_is(cell: str) -> None:
    assert neutralised(cell) == cell


MOMENT = datetime(2026, 2, 23, 9, 30, tzinfo=UTC)


def test_a_file_that_would_grow_too_large_is_put_aside_with_the_time(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.csv"
    file = CsvFile(path, HEADER, Rotation(bytes=30), now=lambda: MOMENT)
    for number in range(7):
        file.append([[str(number), "x" * 8]])
    file.close()
    names = sorted(one.name for one in tmp_path.iterdir())
    aside = [f"a.20260223T093000Z{more}.csv" for more in ("", ".1", ".2")]
    assert names == sorted(["a.csv", *aside])
    written = [row for name in names for row in rows(tmp_path / name)]
    assert written.count(HEADER) == 4
    assert sorted(row[0] for row in written if row != HEADER) == list("0123456")
    assert all((tmp_path / name).stat().st_size <= 30 for name in names)


def test_rows_larger_than_the_limit_have_a_file_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    file = CsvFile(path, HEADER, Rotation(bytes=10), now=lambda: MOMENT)
    file.append([["1", "x" * 100]])
    file.append([["2", "y" * 100]])
    file.close()
    assert rows(path) == [HEADER, ["2", "y" * 100]]
    assert rows(tmp_path / "a.20260223T093000Z.csv") == [HEADER, ["1", "x" * 100]]


def test_a_file_of_another_day_is_put_aside_also_one_found_at_the_start(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.csv"
    write(path, ["1", "a"])
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    file = CsvFile(path, HEADER, Rotation(daily=True), now=lambda: tomorrow)
    file.append([["2", "b"]])
    file.close()
    assert rows(path) == [HEADER, ["2", "b"]]
    assert rows(tmp_path / f"a.{tomorrow:%Y%m%dT%H%M%SZ}.csv") == [HEADER, ["1", "a"]]


def test_a_file_with_no_row_is_never_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write(path)
    later = datetime.now(UTC) + timedelta(days=3)
    file = CsvFile(path, HEADER, Rotation(bytes=1, daily=True), now=lambda: later)
    file.append([["1", "a"]])
    file.close()
    assert [one.name for one in tmp_path.iterdir()] == ["a.csv"]


def test_a_disk_that_is_full_at_a_rotation_loses_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    file = CsvFile(path, HEADER, Rotation(bytes=30), now=lambda: MOMENT)
    file.append([["1", "x" * 20]])

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Unavailable, match="No space left"):
        file.append([["2", "y"]])
    monkeypatch.undo()
    file.append([["2", "y"]])
    file.close()
    written = [row for one in tmp_path.iterdir() for row in rows(one)]
    assert sorted(row for row in written if row != HEADER) == [
        ["1", "x" * 20],
        ["2", "y"],
    ]


def test_a_file_that_is_put_aside_is_taken_by_no_other_process(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    first = CsvFile(path, HEADER, Rotation(bytes=30), now=lambda: MOMENT)
    second = CsvFile(path, HEADER, Rotation(bytes=30), now=lambda: MOMENT)
    for number in range(4):
        first.append([[f"f{number}", "x" * 20]])
        second.append([[f"s{number}", "x" * 20]])
    first.close()
    second.close()
    written = [row[0] for one in tmp_path.iterdir() for row in rows(one)]
    assert sorted(w for w in written if w != "id") == [
        f"{who}{number}" for who in "fs" for number in range(4)
    ]
