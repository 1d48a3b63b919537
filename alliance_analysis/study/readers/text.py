"""Reads text files: finds encoding and separator and keeps every cell as it was written, in bounded memory."""

from __future__ import annotations

import codecs
import csv
import gc
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alliance_analysis.errors import DataError
from alliance_analysis.study.problems import MAX_EXAMPLES, count
from alliance_analysis.study.readers.table import Cells, join_header, need_header

SEPARATORS = (";", "\t", "|", ",")  # where nothing tells them apart, a comma is a decimal one
LARGE = 16_000_000
"""Bytes from which columns become categories: the texts of millions of rows repeat themselves."""
MOST_CATEGORIES = 500_000
PIECE = 100_000
_BLOCK = 1 << 20
_HEAD_LINES = 50
_STATED = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_NOT_TEXT = "is not a text file. Save it as csv with the encoding UTF-8."


def read_text(name: str, path: Path, header_row: tuple[int, ...] = (1,)) -> Cells:
    """Read a csv, tsv or txt file.

    Parameters
    ----------
    name : str
        How messages call it.
    path : Path
        The file.
    header_row : tuple of int
        Rows of the names, counted from 1.

    Raises
    ------
    DataError
        When it is no text, or its cells do not form a table.
    """
    form, notes = _form(name, path)
    head = _first_lines(path, form.encoding, header_row[-1] + _HEAD_LINES)
    stated = _STATED.fullmatch(head[0]) if head else None
    before = bool(stated)  # Excel's own first line names the separator; it is a row of the file like any other
    rows = tuple(row + before for row in header_row)
    need_header(name, [head[rows[0] - 1].strip() if rows[0] <= len(head) else ""], rows[0])
    separator = stated[1] if stated else find_separator(head[rows[0] - 1 :])
    records = _records(name, path, form, separator)
    upper = list(islice(records, rows[-1]))
    if len(upper) < rows[-1]:
        raise DataError(f"{name}: has {count(len(upper), 'row')}, no row {rows[-1]}. Correct `header_row:`.")
    header = join_header([[cell.strip() for cell in upper[row - 1]] for row in rows])
    need_header(name, header, rows[0])
    stack = _Stack(name, header, rows[-1], large=path.stat().st_size > LARGE)
    with _without_collector():
        while piece := list(islice(records, PIECE)):
            stack.add(piece)
    stack.refuse_short_rows()
    return Cells(stack.frame(), header, rows[-1], notes, separator != ",")


def first_rows(name: str, path: Path, number: int) -> list[list[str]]:
    """Return the first rows of a file; its separator is that of its widest line."""
    form, _ = _form(name, path)
    head = _first_lines(path, form.encoding, number)
    if head and _STATED.fullmatch(head[0]):
        head = head[1:]
    separator = find_separator(head[max(range(len(head)), key=lambda at: _width(head[at])) :]) if head else ","
    return [[cell.strip() for cell in record] for record in csv.reader(head, delimiter=separator)]


def _width(line: str) -> int:
    return max(line.count(separator) for separator in SEPARATORS)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Millions of short-lived lists make Python look for cycles all the time, and there are none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass(frozen=True)
class _Form:
    """How the bytes of a file become text, and whether its quotation marks come in pairs."""

    encoding: str
    odd_quotes: bool


def _form(name: str, path: Path) -> tuple[_Form, list[str]]:
    """Return the encoding in which the whole file can be read, with a note where it is not UTF-8."""
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        tried = {"utf-16": [f"{name}: read with the encoding UTF-16."]}
    else:
        tried = {
            "utf-8-sig": [],
            "cp1252": [f"{name}: is not UTF-8; read with the encoding Windows-1252."],
        }
    for encoding, notes in tried.items():
        quotes = _quotes(path, encoding)
        if quotes is not None:
            return _Form(encoding, quotes % 2 == 1), notes
    raise DataError(f"{name}: {_NOT_TEXT}")


def _quotes(path: Path, encoding: str) -> int | None:
    """Return how many quotation marks a file has; None when it is no text in this encoding."""
    number = 0
    try:
        with path.open(encoding=encoding, newline="") as file:
            while block := file.read(_BLOCK):
                if "\x00" in block:
                    return None
                number += block.count('"')
    except UnicodeError:
        return None
    return number


def _first_lines(path: Path, encoding: str, number: int) -> list[str]:
    with path.open(encoding=encoding) as file:
        return [line.rstrip("\n") for line in islice((line[:_BLOCK] for line in file), number)]


def find_separator(lines: Sequence[str]) -> str:
    """Return the separator of the header; where several may be it, the one that the lines below repeat most evenly.

    Examples
    --------
    >>> find_separator(["client;score, total", "1;3,5", "2;4,0"])
    ';'
    """
    header, *others = ([re.sub(r'"[^"]*"', "", line) for line in lines]) or [""]

    def rank(separator: str) -> tuple[float, int]:
        wanted = header.count(separator)
        filled = [line for line in others if line.strip()]
        alike = sum(line.count(separator) == wanted for line in filled) / len(filled) if filled and wanted else 0.0
        return (alike if wanted else -1.0), wanted

    return max(SEPARATORS, key=rank)


def _records(name: str, path: Path, form: _Form, separator: str) -> Iterator[list[str]]:
    """Yield the rows of cells; a quotation mark that is never closed would swallow the rest of the file."""
    number = 0
    with path.open(encoding=form.encoding, newline="") as file:
        try:
            for record in csv.reader(file, delimiter=separator):
                number += 1
                yield record
        except csv.Error as error:
            text = f"row {number + 1} cannot be read ({error}). Save the file again as csv."
            raise DataError(f"{name}: {text}") from error
    if form.odd_quotes and _is_open(path, form.encoding, separator):
        raise DataError(f"{name}: a quotation mark opened in row {number} is never closed. Close it.")


def _is_open(path: Path, encoding: str, separator: str) -> bool:
    """Say whether the file ends within quotation marks; a stray mark within a text is none that opens."""
    with path.open(encoding=encoding, newline="") as file:
        try:
            for _ in csv.reader(file, delimiter=separator, strict=True):
                pass
        except csv.Error as error:
            return "unexpected end" in str(error)
    return False


class _Stack:
    """Rows of cells piled up into columns."""

    def __init__(self, name: str, header: Sequence[str], before: int, *, large: bool) -> None:
        self._name = name
        self._before = before
        self._width = len(header)
        self._named = max((place for place, text in enumerate(header, start=1) if text), default=0)
        self._columns = [_Column(large=large) for _ in header]
        self._seen = 0
        self._short: dict[int, int] = {}
        self._n_short = 0

    def add(self, records: list[list[str]]) -> None:
        """Add rows; a longer one than the header is refused."""
        width = self._width
        if any(number != width for number in set(map(len, records))):
            for at, cells in enumerate(records):
                if len(cells) != width:
                    records[at] = self._fit(cells, self._before + self._seen + at + 1)
        for column, values in zip(self._columns, zip(*records, strict=True), strict=True):
            column.add(values)
        self._seen += len(records)

    def _fit(self, cells: list[str], row: int) -> list[str]:
        if len(cells) > self._width and any(cell.strip() for cell in cells[self._width :]):
            text = f"row {row} has {len(cells)} cells, the header has {self._width}. "
            raise DataError(f"{self._name}: {text}Put texts that contain the separator in quotes.")
        if len(cells) < self._named and any(cell.strip() for cell in cells):
            self._n_short += 1
            if len(self._short) < MAX_EXAMPLES:
                self._short[row] = len(cells)
        return (cells + [""] * self._width)[: self._width]

    def refuse_short_rows(self) -> None:
        """A row that breaks off would pass for one with missing scores."""
        if not self._short:
            return
        shown = [f"row {row} ({count(cells, 'cell')})" for row, cells in self._short.items()]
        what = f"{self._n_short:,} rows have fewer cells than the header, which has {self._named}"
        what += f"; first {', '.join(shown)}"
        if self._n_short == 1:
            ((row, cells),) = self._short.items()
            what = f"row {row} has {count(cells, 'cell')}, the header has {self._named}"
        raise DataError(f"{self._name}: {what}. Save the file again; an empty cell needs its separator too.")

    def frame(self) -> pd.DataFrame:
        """Return the columns, numbered."""
        return pd.DataFrame({place: column.values() for place, column in enumerate(self._columns)}, copy=False)


class _Column:
    """One column: texts of a small file, categories of a large one, texts again where hardly any repeats."""

    def __init__(self, *, large: bool) -> None:
        self._codes: dict[str, int] | None = {} if large else None
        self._pieces: list[Any] = []

    def add(self, cells: Sequence[str]) -> None:
        known = self._codes
        if known is None:
            self._pieces.append(cells)
            return
        codes, found = pd.factorize(np.array(cells, dtype=object))
        places = np.array([known.setdefault(cell, len(known)) for cell in found], dtype=np.int32)
        self._pieces.append(places[codes])
        if len(known) > MOST_CATEGORIES:
            texts = np.array(list(known), dtype=object)
            self._pieces = [pd.Series(texts[piece], dtype="str") for piece in self._pieces]
            self._codes = None

    def values(self) -> Any:
        if self._codes is None:
            if any(isinstance(piece, pd.Series) for piece in self._pieces):
                return pd.concat([pd.Series(piece, dtype="str") for piece in self._pieces], ignore_index=True)
            return pd.Series([cell for piece in self._pieces for cell in piece], dtype=object)
        codes = np.concatenate(self._pieces) if self._pieces else np.empty(0, dtype=np.int32)
        self._pieces = []
        return pd.Categorical.from_codes(codes, categories=pd.Index(list(self._codes), dtype=object))
