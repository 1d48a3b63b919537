"""Reads a file of any supported format into cells as they were written, with the row numbers of the user's own file."""

from __future__ import annotations

import hashlib
from pathlib import Path

from alliance_analysis.errors import DataError
from alliance_analysis.study.problems import nearest
from alliance_analysis.study.readers import columnar, statistics, text, workbook
from alliance_analysis.study.readers.survey import unfold_survey
from alliance_analysis.study.readers.table import Cells, Table, name_columns

__all__ = ["FORMATS", "Table", "list_sheets", "peek_rows", "read_table"]

TEXT, WORKBOOK, COLUMNAR = (".csv", ".tsv", ".txt"), (".xlsx", ".xlsm"), (".parquet",)
STATISTICS = statistics.SPSS + statistics.STATA
FORMATS = TEXT + WORKBOOK + STATISTICS + COLUMNAR


def read_table(
    path: Path, name: str | None = None, *, sheet: str | None = None, header_row: tuple[int, ...] = (1,)
) -> Table:
    """Read one file of sessions or clients.

    Parameters
    ----------
    path : Path
        csv, tsv or txt; xlsx; sav, zsav or dta; parquet.
    name : str, optional
        How messages call it; default: the file name without folders.
    sheet : str, optional
        Sheet of a workbook; default: the first.
    header_row : tuple of int
        Rows that hold the names, counted from 1; several are joined by "_". Rows above them are left out.

    Raises
    ------
    DataError
        When the file is not there, of another kind, empty, or its cells do not form a table.
    """
    name = name or path.name
    suffix = path.suffix.lower()
    _check(path, name, suffix)
    if sheet is not None and suffix not in WORKBOOK:
        raise DataError(f"{name}: only a workbook has sheets. Delete `sheet:`.")
    if header_row != (1,) and suffix not in TEXT + WORKBOOK:
        raise DataError(f"{name}: this format keeps the names itself. Delete `header_row:`.")
    cells = _cells(path, name, suffix, sheet, header_row)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return name_columns(name, cells, sha256)


def _cells(path: Path, name: str, suffix: str, sheet: str | None, header_row: tuple[int, ...]) -> Cells:
    if suffix in TEXT:
        return unfold_survey(name, text.read_text(name, path, header_row))
    if suffix in WORKBOOK:
        return unfold_survey(name, workbook.read_workbook(name, path, sheet, header_row))
    return statistics.read_statistics(name, path) if suffix in STATISTICS else columnar.read_parquet(name, path)


def list_sheets(path: Path) -> tuple[str, ...]:
    """Return the names of the sheets of a workbook; empty for files of other kinds.

    Raises
    ------
    DataError
        When a workbook cannot be read.
    """
    return workbook.list_sheets(path) if path.suffix.lower() in WORKBOOK else ()


def peek_rows(path: Path, sheet: str | None = None, number: int = 15) -> list[list[str]]:
    """Return the first rows of a text file or a sheet as texts, to see where its names stand; empty for other formats.

    Raises
    ------
    DataError
        When the file cannot be read.
    """
    suffix = path.suffix.lower()
    _check(path, path.name, suffix)
    if suffix in TEXT:
        return text.first_rows(path.name, path, number)
    return workbook.first_rows(path.name, path, sheet, number) if suffix in WORKBOOK else []


def _check(path: Path, name: str, suffix: str) -> None:
    """Refuse what is no file of a known kind with cells in it."""
    if suffix not in FORMATS:
        raise DataError(
            f"{name}: files of this kind are not read; allowed are {', '.join(FORMATS)}. Save it as one of them."
        )
    try:
        with path.open("rb") as file:
            blank = not any(block.strip() for block in iter(lambda: file.read(1 << 20), b""))
    except OSError as error:
        raise DataError(f"{name}: {_not_there(path, name, error)}") from error
    if blank:
        raise DataError(f"{name}: the file is empty. Save the data again.")


def _not_there(path: Path, name: str, error: OSError) -> str:
    if path.exists():
        return f"cannot be read ({error.strerror}). Close it in other programs and check its permissions."
    siblings = (
        []
        if not path.parent.is_dir()
        else sorted(one.name for one in path.parent.iterdir() if one.suffix.lower() in FORMATS)
    )
    where = "beside the study file" if name == path.name else f"at {path.resolve()}"
    return f"there is no such file {where}{nearest(path.name, siblings)}. Correct the name in study.yml."
