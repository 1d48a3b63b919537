"""Reads workbooks: one sheet of values, never a formula, and never more memory than a table of a study can need."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd

from alliance_analysis.errors import DataError
from alliance_analysis.study.problems import count, nearest
from alliance_analysis.study.readers.table import Cells, join_header

MOST_BYTES = 1_500_000_000
MOST_CELLS = 60_000_000
_RATIO = 400
_PIECE = 1 << 20
_MAGIC = b"PK\x03\x04"
_DAMAGED = "cannot be read as xlsx. Open it in Excel and save it again."


def list_sheets(path: Path) -> tuple[str, ...]:
    """Return the names of the sheets of a workbook.

    Raises
    ------
    DataError
        When it cannot be read.
    """
    with _open(path.name, path) as book:
        return tuple(sheet.title for sheet in book.worksheets)


def read_workbook(name: str, path: Path, sheet: str | None, header_row: tuple[int, ...]) -> Cells:
    """Read one sheet of a workbook; the first when none is named.

    Raises
    ------
    DataError
        When it is damaged, protected, too large to be a study, has no such sheet, or has formulas without values.
    """
    rows, sheets, title = _values(name, path, sheet)
    width = max((len(row) for _, row in rows), default=0)
    if not width:
        where = "the first sheet" if sheet is None else f"the sheet {sheet!r}"
        raise DataError(f"{name}: {where} is empty. Put the data there, names of the columns in row 1.")
    if len(rows) * width > MOST_CELLS:
        text = f"has {len(rows):,} rows and {width:,} columns, more than {MOST_CELLS:,} cells. Save it as csv."
        raise DataError(f"{name}: {text}")
    _refuse_open_formulas(name, path, title, rows)
    by_row = dict(rows)
    if max(by_row) < header_row[-1]:
        raise DataError(f"{name}: has no row {header_row[-1]}. Correct `header_row:`.")
    header = join_header([[_name(cell) for cell in by_row.get(row, [])] + [""] * width for row in header_row])[:width]
    below = [(row, cells + [None] * (width - len(cells))) for row, cells in rows if row > header_row[-1]]
    frame = pd.DataFrame([cells for _, cells in below], columns=range(width), dtype=object)
    notes = [f"{name}: the first of {len(sheets)} sheets was read."] if len(sheets) > 1 and sheet is None else []
    return Cells(frame, header, header_row[-1], notes, numbers=np.array([row for row, _ in below], dtype=np.int64))


def first_rows(name: str, path: Path, sheet: str | None, number: int) -> list[list[str]]:
    """Return the first rows of a sheet as texts; a row without cells is an empty list."""
    with _open(name, path) as book:
        chosen = book[sheet] if sheet else book.worksheets[0]
        found = dict(islice(_rows(name, chosen), number))
    return [[_name(cell) for cell in found.get(row, [])] for row in range(1, min(max(found, default=0), number) + 1)]


def _name(cell: Any) -> str:
    return "" if cell is None else " ".join(str(cell).split())


def _open(name: str, path: Path, *, values: bool = True) -> Any:
    _refuse_bombs(name, path)
    try:
        with warnings.catch_warnings():
            # openpyxl warns of styles, validation rules and pictures that it does not read; none of them is data
            warnings.simplefilter("ignore")
            return _closing(openpyxl.load_workbook(path, read_only=True, data_only=values))
    except Exception as error:  # damaged bytes make zip, xml and openpyxl raise errors of many unrelated types
        raise DataError(f"{name}: {_DAMAGED}") from error


class _closing:  # noqa: N801  (used as contextlib.closing is, which a read-only workbook does not fit)
    def __init__(self, book: Any) -> None:
        self._book = book

    def __enter__(self) -> Any:
        return self._book

    def __exit__(self, *_: object) -> None:
        self._book.close()


def _refuse_bombs(name: str, path: Path) -> None:
    """Refuse what unpacks to far more than it is, and xml that defines words of its own, before memory is spent."""
    with path.open("rb") as file:
        if not file.read(4).startswith(_MAGIC):
            text = "is not an xlsx file, or it is protected by a password. Save it as xlsx without one."
            raise DataError(f"{name}: {text}")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
            packed = sum(member.compress_size for member in members)
            odd = [one for one in members if one.filename.endswith(".xml") and b"<!" in archive.open(one).read(2000)]
    except Exception as error:  # a damaged archive raises errors of many unrelated types
        raise DataError(f"{name}: {_DAMAGED}") from error
    if size > MOST_BYTES or (size > 50_000_000 and size > _RATIO * max(packed, 1)):
        text = f"unpacks to {size / 1e6:,.0f} MB, {size / max(packed, 1):,.0f} times its size. Save the sheet as csv."
        raise DataError(f"{name}: {text}")
    if odd:
        raise DataError(f"{name}: holds definitions that no spreadsheet program writes. Save it again in Excel.")


def _values(name: str, path: Path, sheet: str | None) -> tuple[list[tuple[int, list[Any]]], list[str], str]:
    """Return the rows that have cells with their numbers, the names of all sheets, and the one that was read."""
    with _open(name, path) as book:
        sheets = [one.title for one in book.worksheets]
        if sheet is not None and sheet not in sheets:
            hint = nearest(sheet, sheets) or f"; it has {', '.join(sheets)}"
            raise DataError(f"{name}: there is no sheet {sheet!r}{hint}. Correct it under `sheet:`.")
        title = sheet or (sheets[0] if sheets else "")
        if not title:
            raise DataError(f"{name}: has no sheet with cells. Save the data again.")
        try:
            return list(_rows(name, book[title])), sheets, title
        except DataError:
            raise
        except Exception as error:  # damaged bytes make zip, xml and openpyxl raise errors of many unrelated types
            raise DataError(f"{name}: {_DAMAGED}") from error


def _rows(name: str, sheet: Any) -> Iterator[tuple[int, list[Any]]]:
    """Yield the rows that have cells, shortened to the last one; a sheet may claim a million empty rows."""
    sheet.reset_dimensions()
    cells = 0
    for number, line in enumerate(sheet.iter_rows(values_only=True), start=1):
        values = list(line)
        while values and values[-1] is None:
            values.pop()
        cells += len(values)
        if cells > MOST_CELLS:
            raise DataError(f"{name}: has more than {MOST_CELLS:,} cells. Save the sheet as csv.")
        if values:
            yield number, values


def _refuse_open_formulas(name: str, path: Path, title: str, rows: list[tuple[int, list[Any]]]) -> None:
    """A formula that Excel never computed has no value and would pass for a missing one."""
    if not _has_formulas(path):
        return
    values = dict(rows)
    with _open(name, path, values=False) as book:
        written = list(_rows(name, book[title]))
    open_rows = [
        number
        for number, cells in written
        for place, formula in enumerate(cells)
        if isinstance(formula, str)
        and formula.startswith("=")
        and (place >= len(values.get(number, [])) or values[number][place] is None)
    ]
    if open_rows:
        raise DataError(
            f"{name}: {count(len(open_rows), 'formula')} without a computed value; first in row {open_rows[0]}. "
            "Open the file in Excel and save it, or replace formulas by their values."
        )


def _has_formulas(path: Path) -> bool:
    mark = re.compile(rb"<f[ >/]")
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if member.startswith("xl/worksheets/"):
                with archive.open(member) as file:
                    end = b""
                    while block := file.read(_PIECE):
                        if mark.search(end + block):
                            return True
                        end = block[-3:]
    return False
