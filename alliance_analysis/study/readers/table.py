"""What a reader hands on: a file as it was written, with the row numbers of the user's own file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from alliance_analysis.errors import DataError
from alliance_analysis.study.problems import count

Kind = Literal["plain", "qualtrics", "surveymonkey", "redcap", "spss", "stata"]
ROW_NAMES = "row_names"
"""Name for the first column of a file in which it alone has none: R and pandas write the names of rows there."""


@dataclass(frozen=True)
class Table:
    """One file as it was written.

    Attributes
    ----------
    name : str
        The file as the study file names it.
    frame : DataFrame
        One column per header, cells unchanged: text from csv (of a large file as categories), typed from other formats.
    rows : ndarray of int
        Row of each line in the file as a spreadsheet counts it; the header is row 1.
    sha256 : dict
        File name -> fingerprint of its bytes.
    notes : tuple of str
        What reading did, one sentence each.
    decimal_comma : bool
        Whether ``3,5`` may stand for 3.5 (not in a file whose cells are separated by commas).
    labels : dict
        Column -> what the program that wrote the file says of it.
    value_labels : dict
        Column -> value -> its label; the frame holds the values.
    kind : str
        "plain", or the program whose way of writing was recognised.
    """

    name: str
    frame: pd.DataFrame
    rows: np.ndarray
    sha256: dict[str, str]
    notes: tuple[str, ...] = ()
    decimal_comma: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    value_labels: dict[str, dict[object, str]] = field(default_factory=dict)
    kind: Kind = "plain"


@dataclass(frozen=True)
class Cells:
    """The cells of a file before its columns have names.

    Attributes
    ----------
    frame : DataFrame
        Cells; columns are numbered.
    header : list of str
        One name per column.
    before : int
        Row of the last name; the first row of cells is the next.
    notes : list of str
        What reading did.
    decimal_comma : bool
        As in `Table`.
    labels, value_labels : dict
        As in `Table`, by the number of the column.
    kind : str
        As in `Table`.
    numbers : ndarray of int or None
        Row of each line, where rows without cells are left out already; None: the rows follow each other.
    """

    frame: pd.DataFrame
    header: list[str]
    before: int
    notes: list[str] = field(default_factory=list)
    decimal_comma: bool = False
    labels: dict[int, str] = field(default_factory=dict)
    value_labels: dict[int, dict[object, str]] = field(default_factory=dict)
    kind: Kind = "plain"
    numbers: np.ndarray | None = None


def name_columns(name: str, cells: Cells, sha256: str) -> Table:
    """Name the columns, number the rows and leave out rows and columns that are empty altogether.

    Raises
    ------
    DataError
        When a column has cells and no name, or two have the same.
    """
    need_header(name, cells.header)
    filled = [_filled(cells.frame.iloc[:, position]) for position in range(cells.frame.shape[1])]
    kept = [position for position, text in enumerate(cells.header) if text or filled[position].any()]
    header, notes = list(cells.header), list(cells.notes)
    nameless = [position for position in kept if not header[position]]
    if nameless == [0] and len(kept) > 1 and ROW_NAMES not in header:
        header[0], nameless = ROW_NAMES, []
        notes.append(f"{name}: the first column has no name; R and pandas write row names so: read as {ROW_NAMES!r}.")
    if nameless:
        row = cells.before
        raise DataError(
            f"{name}: column {nameless[0] + 1} has cells but no name in row {row}. Give every column a name."
        )
    names = [header[position] for position in kept]
    repeated = sorted(text for text, times in Counter(names).items() if times > 1)
    if repeated:
        raise DataError(
            f"{name}: {count(len(repeated), 'column name')} repeated; first {repeated[0]!r}. Rename one of them."
        )
    some = np.zeros(len(cells.frame), dtype=bool)
    for position in kept:
        some |= filled[position]
    frame = cells.frame.iloc[:, kept].set_axis(names, axis=1)
    frame = (frame if some.all() else frame.loc[some]).reset_index(drop=True)
    follow = np.arange(len(some)) + cells.before + 1
    rows = (follow if cells.numbers is None else cells.numbers)[some]
    blank = (
        (int(rows[-1]) if cells.numbers is not None and len(rows) else cells.before + len(some))
        - cells.before
        - len(rows)
    )
    notes += [f"{name}: {count(blank, 'empty row')} left out."] if blank else []
    return Table(
        name,
        frame,
        rows,
        {name: sha256},
        tuple(notes),
        cells.decimal_comma,
        {header[position]: text for position, text in cells.labels.items() if position in kept},
        {header[position]: values for position, values in cells.value_labels.items() if position in kept},
        cells.kind,
    )


def need_header(name: str, header: Sequence[str], row: int = 1) -> None:
    """Refuse a file whose row of names is empty."""
    if not any(header):
        raise DataError(
            f"{name}: row {row} is empty; it must hold the names of the columns. Delete what is above them."
        )


def join_header(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one name per column of several rows of names; an empty cell of an upper row continues the one before it.

    Examples
    --------
    >>> join_header([["ID", "WAI", ""], ["", "1", "2"]])
    ['ID', 'WAI_1', 'WAI_2']
    """
    width = max(map(len, rows))
    names: list[list[str]] = [[] for _ in range(width)]
    for level, row in enumerate(rows):
        current = ""
        for place in range(width):
            cell = row[place] if place < len(row) else ""
            current = (cell or current) if level < len(rows) - 1 else cell
            if current:
                names[place].append(current)
    return ["_".join(each) for each in names]


def _filled(column: pd.Series) -> np.ndarray:
    if isinstance(column.dtype, pd.CategoricalDtype):
        written = column.cat.categories.astype(str).str.strip() != ""
        return np.append(np.asarray(written, dtype=bool), False)[column.cat.codes.to_numpy()]
    if pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column):
        return (column.notna() & (column.astype(str).str.strip() != "")).to_numpy(dtype=bool)
    return column.notna().to_numpy(dtype=bool)
