"""Files are read as they were written, with the user's own row numbers, or refused in one sentence."""

from __future__ import annotations

import hashlib
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from alliance_analysis.errors import DataError
from alliance_analysis.study.readers import read_table


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    content = '"a,b;c",d\n1,2\n'.replace('",d', f'"{delimiter}d').replace("1,2", f"1{delimiter}2")
    table = read_table(written(tmp_path, "x.csv", content.encode()))
    assert table.frame.to_dict("list") == {"a,b;c": ["1"], "d": ["2"]}
    assert table.decimal_comma == (delimiter != ",")


@pytest.mark.parametrize(
    ("content", "notes"),
    [
        ("name\nÄrger\n".encode("utf-8-sig"), ()),
        ("name\nÄrger\n".encode("utf-16"), ("x.csv: read with the encoding UTF-16.",)),
        ("name\nÄrger\n".encode("cp1252"), ("x.csv: is not UTF-8; read with the encoding Windows-1252.",)),
    ],
    ids=["utf-8 with mark", "utf-16", "cp1252"],
)
def test_the_encoding_is_found_and_noted(tmp_path: Path, content: bytes, notes: tuple[str, ...]) -> None:
    table = read_table(written(tmp_path, "x.csv", content))
    assert table.frame["name"].tolist() == ["Ärger"]
    assert table.notes == notes


def test_rows_are_counted_as_a_spreadsheet_does(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "x.csv", b'a,b\n1,2\n\n,\n"two\nlines",4\n5,6\n'))
    assert table.rows.tolist() == [2, 5, 6]
    assert table.notes == ("x.csv: 2 empty rows left out.",)


def test_cells_stay_as_written(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "x.csv", b"id,score\n007,1.50\nNA,\n"))
    assert table.frame.to_dict("list") == {"id": ["007", "NA"], "score": ["1.50", ""]}
    assert table.sha256 == {"x.csv": hashlib.sha256(b"id,score\n007,1.50\nNA,\n").hexdigest()}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "x.rds",
            b"",
            "x.rds: files of this kind are not read; allowed are .csv, .tsv, .txt, .xlsx, .xlsm, .sav, .zsav, .dta, "
            ".parquet. Save it as one of them.",
        ),
        ("x.csv", b" \n", "x.csv: the file is empty. Save the data again."),
        ("x.csv", b"a\x00b\n", "x.csv: is not a text file. Save it as csv with the encoding UTF-8."),
        ("x.csv", b"a,\x81\n", "x.csv: is not a text file. Save it as csv with the encoding UTF-8."),
        (
            "x.csv",
            b"a,b\n1,2,3\n",
            "x.csv: row 2 has 3 cells, the header has 2. Put texts that contain the separator in quotes.",
        ),
        (
            "x.csv",
            b"a,b,c\n1,2,3\n1,2\n",
            "x.csv: row 3 has 2 cells, the header has 3. Save the file again; an empty cell needs its separator too.",
        ),
        (
            "x.csv",
            b"a,b,c\n" + b"1,2\n1\n1,,\n\n" * 3,
            "x.csv: 6 rows have fewer cells than the header, which has 3; first row 2 (2 cells), row 3 (1 cell), "
            "row 6 (2 cells), row 7 (1 cell), row 10 (2 cells). "
            "Save the file again; an empty cell needs its separator too.",
        ),
        (
            "x.csv",
            b"\na,b\n1,2\n",
            "x.csv: row 1 is empty; it must hold the names of the columns. Delete what is above them.",
        ),
        (
            "x.csv",
            b",,\na,b,c\n1,2,3\n",
            "x.csv: row 1 is empty; it must hold the names of the columns. Delete what is above them.",
        ),
        ("x.csv", b'a,b\n1,"2\n', "x.csv: a quotation mark opened in row 2 is never closed. Close it."),
        ("x.csv", b"a,a\n1,2\n", "x.csv: 1 column name repeated; first 'a'. Rename one of them."),
        ("x.csv", b"a,\n1,2\n", "x.csv: column 2 has cells but no name in row 1. Give every column a name."),
        ("x.xlsx", b"PK\x03\x04 broken", "x.xlsx: cannot be read as xlsx. Open it in Excel and save it again."),
        (
            "x.xlsx",
            b"\xd0\xcf\x11\xe0",
            "x.xlsx: is not an xlsx file, or it is protected by a password. Save it as xlsx without one.",
        ),
        ("x.parquet", b"PAR1 broken", "x.parquet: cannot be read as parquet. Write it again."),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    with pytest.raises(DataError) as raised:
        read_table(written(tmp_path, name, content))
    assert str(raised.value) == sentence


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    written(tmp_path, "sessions.xlsx", b"x")
    with pytest.raises(DataError) as raised:
        read_table(tmp_path / "session.xlsx")
    assert str(raised.value) == (
        "session.xlsx: there is no such file beside the study file; nearest: sessions.xlsx. Correct the name in "
        "study.yml."
    )


def test_a_separator_at_the_end_of_the_header_asks_for_no_cell(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "x.csv", b"a,b,\n1,2\n3,4,\n"))
    assert table.frame.to_dict("list") == {"a": ["1", "3"], "b": ["2", "4"]}


def test_a_missing_file_in_another_folder_is_named_with_the_place_looked_at(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        read_table(tmp_path / "raw" / "session.csv", "raw/session.csv")
    assert str(raised.value) == (
        f"raw/session.csv: there is no such file at {tmp_path / 'raw' / 'session.csv'}. Correct the name in study.yml."
    )


def test_an_empty_first_row_of_a_sheet_is_named(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active["A2"], book.active["B2"], book.active["A3"], book.active["B3"] = "client", "score", 7, 1
    book.save(tmp_path / "x.xlsx")
    with pytest.raises(DataError) as raised:
        read_table(tmp_path / "x.xlsx")
    assert str(raised.value) == (
        "x.xlsx: row 1 is empty; it must hold the names of the columns. Delete what is above them."
    )


def test_only_the_first_sheet_is_read_and_that_is_noted(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["client", "score"])
    book.active.append([7, 1.5])
    book.create_sheet("more")
    book.save(tmp_path / "x.xlsx")
    table = read_table(tmp_path / "x.xlsx")
    assert table.frame.to_dict("list") == {"client": [7], "score": [1.5]}
    assert table.notes == ("x.xlsx: the first of 2 sheets was read.",)


def test_a_formula_without_value_does_not_pass_for_a_missing_cell(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["client", "score"])
    book.active.append(["c1", "=1+1"])
    book.save(tmp_path / "x.xlsx")
    with pytest.raises(DataError) as raised:
        read_table(tmp_path / "x.xlsx")
    assert str(raised.value) == (
        "x.xlsx: 1 formula without a computed value; first in row 2. "
        "Open the file in Excel and save it, or replace formulas by their values."
    )


def test_parquet_keeps_an_index_with_names(tmp_path: Path) -> None:
    frame = pd.DataFrame({"score": [1.0, None]}, index=pd.Index(["a", "b"], name="client"))
    frame.to_parquet(tmp_path / "x.parquet")
    table = read_table(tmp_path / "x.parquet")
    assert list(table.frame) == ["client", "score"]
    assert table.rows.tolist() == [2, 3]
