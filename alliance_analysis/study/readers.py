"""Reads a csv, Excel or parquet file into cells as they were written, with the row numbers of the user's own file."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alliance_analysis.errors import DataError
from alliance_analysis.study.problems import MAX_EXAMPLES, count, nearest

CSV, XLSX, PARQUET = (".csv", ".tsv", ".txt"), (".xlsx",), (".parquet",)
FORMATS = CSV + XLSX + PARQUET
_DELIMITERS = (",", ";", "\t")
_ZIP_MAGIC = b"PK\x03\x04"


@dataclass(frozen=True)
class Table:
    """One file as it was written.

    Attributes
    ----------
    name : str
        The file as the study file names it.
    frame : DataFrame
        One column per header, cells unchanged (text from csv, typed from xlsx and parquet).
    rows : ndarray of int
        Row of each line in the file as a spreadsheet counts it; the header is row 1.
    sha256 : dict
        File name -> fingerprint of its bytes.
    notes : tuple of str
        What reading did, one sentence each.
    decimal_comma : bool
        Whether ``3,5`` may stand for 3.5 (not in a file whose cells are separated by commas).
    """

    name: str
    frame: pd.DataFrame
    rows: np.ndarray
    sha256: dict[str, str]
    notes: tuple[str, ...] = ()
    decimal_comma: bool = False


def read_table(
    path: Path, name: str | None = None, *, sheet: str | None = None, header_row: tuple[int, ...] = (1,)
) -> Table:
    """Read one file of sessions or clients.

    Parameters
    ----------
    path : Path
        csv (comma, semicolon or tab), xlsx (first sheet) or parquet.
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
    if path.suffix.lower() not in FORMATS:
        raise DataError(
            f"{name}: files of this kind are not read; allowed are {', '.join(FORMATS)}. Save it as one of them."
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{name}: {_not_there(path, name, error)}") from error
    if not content.strip():
        raise DataError(f"{name}: the file is empty. Save the data again.")
    suffix = path.suffix.lower()
    if sheet is not None and suffix not in XLSX:
        raise DataError(f"{name}: only a workbook has sheets. Delete `sheet:`.")
    if suffix in XLSX:
        cells, header, notes, decimal_comma = _read_xlsx(name, content, sheet, header_row)
    elif suffix in CSV:
        cells, header, notes, decimal_comma = _read_csv(name, content, header_row)
    else:
        cells, header, notes, decimal_comma = _read_parquet(name, content)
    frame, rows, more = _tidy(name, cells, header, header_row[-1])
    sha256 = {name: hashlib.sha256(content).hexdigest()}
    return Table(name, frame, rows, sha256, (*notes, *more), decimal_comma)


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


def _tidy(
    name: str, cells: pd.DataFrame, header: list[str], header_row: int
) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    """Name the columns, number the rows and leave out rows and columns that are empty altogether."""
    _need_header(name, header)
    filled = cells.apply(_filled)
    keep_columns = [position for position, text in enumerate(header) if text or filled.iloc[:, position].any()]
    nameless = [position for position in keep_columns if not header[position]]
    if nameless:
        raise DataError(f"{name}: column {nameless[0] + 1} has cells but no name in row 1. Give every column a name.")
    names = [header[position] for position in keep_columns]
    repeated = sorted({text for text in names if names.count(text) > 1})
    if repeated:
        raise DataError(
            f"{name}: {count(len(repeated), 'column name')} repeated; first {repeated[0]!r}. Rename one of them."
        )
    keep_rows = filled.any(axis=1).to_numpy(dtype=bool)
    frame = cells.loc[keep_rows, cells.columns[keep_columns]].set_axis(names, axis=1).reset_index(drop=True)
    rows = np.flatnonzero(keep_rows) + header_row + 1
    blank = int(len(keep_rows) - keep_rows.sum())
    return frame, rows, [f"{name}: {count(blank, 'empty row')} left out."] if blank else []


def _need_header(name: str, header: list[str]) -> None:
    if not any(header):
        raise DataError(f"{name}: row 1 is empty; it must hold the names of the columns. Delete what is above them.")


def _filled(column: pd.Series) -> pd.Series:
    text = pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)
    return column.notna() & (column.astype(str).str.strip() != "") if text else column.notna()


def _read_csv(
    name: str, content: bytes, header_row: tuple[int, ...]
) -> tuple[pd.DataFrame, list[str], list[str], bool]:
    text, notes = _decode(name, content)
    text = "\n".join(text.split("\n")[header_row[0] - 1 :])
    first_line = re.sub(r'"[^"]*"', "", text.split("\n", 1)[0])
    _need_header(name, [text.split("\n", 1)[0].strip()])
    delimiter = max(_DELIMITERS, key=first_line.count)
    try:
        cells = pd.read_csv(
            io.StringIO(text), sep=delimiter, header=None, dtype=str, keep_default_na=False, skip_blank_lines=False
        )
    except pd.errors.ParserError as error:
        raise DataError(f"{name}: {_csv_sentence(str(error))}") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{name}: the file is empty. Save the data again.") from error
    _refuse_short_rows(name, text, delimiter)
    places = [row - header_row[0] for row in header_row]
    header = join_header([[str(cell).strip() for cell in cells.iloc[place]] for place in places if place < len(cells)])
    return cells.iloc[places[-1] + 1 :].reset_index(drop=True), header, notes, delimiter != ","


def _refuse_short_rows(name: str, text: str, delimiter: str) -> None:
    """A row that breaks off would pass for one with missing scores, because pandas fills it up."""
    try:
        header, *records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except csv.Error as error:
        raise DataError(f"{name}: {_csv_sentence(str(error))}") from error
    width = max((position for position, cell in enumerate(header, start=1) if cell.strip()), default=0)
    short = {
        row: len(cells)
        for row, cells in enumerate(records, start=2)
        if len(cells) < width and any(cell.strip() for cell in cells)  # rows without any content are left out later
    }
    if not short:
        return
    if len(short) == 1:
        what = "".join(f"row {row} has {count(cells, 'cell')}, the header has {width}" for row, cells in short.items())
    else:
        first = [f"row {row} ({count(cells, 'cell')})" for row, cells in short.items()][:MAX_EXAMPLES]
        what = f"{len(short):,} rows have fewer cells than the header, which has {width}; first {', '.join(first)}"
    raise DataError(f"{name}: {what}. Save the file again; an empty cell needs its separator too.")


def _decode(name: str, content: bytes) -> tuple[str, list[str]]:
    try:
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            text, notes = content.decode("utf-16"), [f"{name}: read with the encoding UTF-16."]
        else:
            text, notes = content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        try:
            text, notes = content.decode("cp1252"), [f"{name}: is not UTF-8; read with the encoding Windows-1252."]
        except UnicodeDecodeError as error:
            raise DataError(f"{name}: is not a text file. Save it as csv with the encoding UTF-8.") from error
    if "\x00" in text:
        raise DataError(f"{name}: is not a text file. Save it as csv with the encoding UTF-8.")
    return text, notes


def _csv_sentence(error: str) -> str:
    ragged = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", error)
    if ragged:
        expected, line, seen = ragged.groups()
        return (
            f"row {line} has {seen} cells, the header has {expected}. Put texts that contain the separator in quotes."
        )
    quote = re.search(r"EOF inside string starting at row (\d+)", error)
    if quote:
        return f"a quotation mark opened in row {int(quote.group(1)) + 1} is never closed. Close it."
    return "its cells do not form a table. Save it again as csv."


def join_header(rows: list[list[str]]) -> list[str]:
    """Return one name per column of several rows of names; an empty cell of an upper row continues the one before it.

    Examples
    --------
    >>> join_header([["ID", "WAI", ""], ["", "1", "2"]])
    ['ID', 'WAI_1', 'WAI_2']
    """
    upper, last = rows[:-1], rows[-1]
    names = [[cell] for cell in last]
    for row in reversed(upper):
        current = ""
        for place, cell in enumerate(row):
            current = cell or current
            names[place].insert(0, current)
    return ["_".join(part for part in each if part) for each in names]


def _read_xlsx(
    name: str, content: bytes, sheet: str | None, header_row: tuple[int, ...]
) -> tuple[pd.DataFrame, list[str], list[str], bool]:
    if not content.startswith(_ZIP_MAGIC):
        raise DataError(f"{name}: is not an xlsx file, or it is protected by a password. Save it as xlsx without one.")
    try:
        sheets = _sheet_names(content)
        if sheet is None or sheet in sheets:
            lines = _cells_of(content, sheet, data_only=True)
    except Exception as error:  # damaged bytes make zip, xml and openpyxl raise errors of many unrelated types
        raise DataError(f"{name}: cannot be read as xlsx. Open it in Excel and save it again.") from error
    if sheet is not None and sheet not in sheets:
        hint = nearest(sheet, sheets) or f"; it has {', '.join(sheets)}"
        raise DataError(f"{name}: there is no sheet {sheet!r}{hint}. Correct it under `sheet:`.")
    _refuse_unsaved_formulas(name, content, lines, sheet)
    cells, header = _rectangle(name, lines, header_row)
    notes = [f"{name}: the first of {len(sheets)} sheets was read."] if len(sheets) > 1 and sheet is None else []
    return cells, header, notes, False


def _sheet_names(content: bytes) -> list[str]:
    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True)
        names = [sheet.title for sheet in book.worksheets]
        book.close()
    return names


def list_sheets(path: Path) -> tuple[str, ...]:
    """Return the names of the sheets of a workbook; empty for other files and for one that cannot be read."""
    if path.suffix.lower() not in XLSX:
        return ()
    try:
        return tuple(_sheet_names(path.read_bytes()))
    except Exception:  # what is wrong with it, reading it says
        return ()


def _cells_of(content: bytes, sheet_name: str | None, *, data_only: bool) -> list[list[Any]]:
    """Return the cells of a sheet: values, or formulas."""
    import openpyxl

    with warnings.catch_warnings():
        # openpyxl warns of styles, validation rules and pictures that it does not read; none of them is data
        warnings.simplefilter("ignore", UserWarning)
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=data_only)
        sheet = book.worksheets[0] if sheet_name is None else book[sheet_name]
        sheet.reset_dimensions()
        lines = [list(line) for line in sheet.iter_rows(values_only=True)]
        book.close()
    return lines


def _rectangle(name: str, lines: list[list[Any]], header_row: tuple[int, ...]) -> tuple[pd.DataFrame, list[str]]:
    width = max((len(line) for line in lines), default=0)
    if not width:
        raise DataError(f"{name}: the first sheet is empty. Put the data there, names of the columns in row 1.")
    padded = [line + [None] * (width - len(line)) for line in lines]
    if len(padded) < header_row[-1]:
        raise DataError(f"{name}: has {count(len(padded), 'row')}, no row {header_row[-1]}. Correct `header_row:`.")
    header = join_header(
        [["" if cell is None else str(cell).strip() for cell in padded[row - 1]] for row in header_row]
    )
    return pd.DataFrame(padded[header_row[-1] :], columns=range(width), dtype=object), header


def _refuse_unsaved_formulas(name: str, content: bytes, lines: list[list[Any]], sheet: str | None) -> None:
    """A formula that Excel never computed has no value and would pass for a missing one."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheets = [member for member in archive.namelist() if member.startswith("xl/worksheets/")]
        if not any(b"<f>" in (data := archive.read(member)) or b"<f " in data for member in sheets):
            return
    written = _cells_of(content, sheet, data_only=False)
    rows = [
        number
        for number, (formulas, values) in enumerate(zip(written, lines, strict=True), start=1)
        for formula, value in zip(formulas, values, strict=False)
        if value is None and isinstance(formula, str) and formula.startswith("=")
    ]
    if rows:
        raise DataError(
            f"{name}: {count(len(rows), 'formula')} without a computed value; first in row {rows[0]}. "
            "Open the file in Excel and save it, or replace formulas by their values."
        )


def _read_parquet(name: str, content: bytes) -> tuple[pd.DataFrame, list[str], list[str], bool]:
    import pyarrow
    import pyarrow.parquet

    try:
        frame = pyarrow.parquet.read_table(io.BytesIO(content)).to_pandas()
    except Exception as error:  # damaged bytes make arrow raise errors of many unrelated types
        raise DataError(f"{name}: cannot be read as parquet. Write it again.") from error
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    header = [str(column).strip() for column in frame.columns]
    return frame.set_axis(range(frame.shape[1]), axis=1).reset_index(drop=True), header, [], False
