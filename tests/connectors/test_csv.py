"""CSV files: whole rows, one writer, safe cells."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from connectors.csv import CsvFile, neutralised
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
