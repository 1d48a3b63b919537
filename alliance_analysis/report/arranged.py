"""What a table is once it is formatted, and the room it takes on paper: pages and the Word file print the same."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TEXT, NUMBER, STATUS = "text", "number", "status"
NO_BREAK = "\u00a0"
# A4 with margins of an inch, in points
PORTRAIT, LANDSCAPE = 451.3, 697.9
TYPE_SIZES = (10.0, 9.0, 8.0, 7.0, 6.0)
_LAYOUTS = [(False, size) for size in TYPE_SIZES[:2]] + [(True, size) for size in TYPE_SIZES]
_SENTENCE = 12.0  # ems in which a sentence can be read, line by line
PADDING = 0.8  # ems between columns, half on each side


@dataclass(frozen=True)
class Column:
    """One column as a reader sees it.

    Attributes
    ----------
    heading : str
    kind : str
        "number" (aligned on the right), "text" or "status" (a word, coloured on a page).
    cells : tuple of str
        The formatted cells; a no-break space keeps together what may not be parted.
    """

    heading: str
    kind: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A formatted table.

    Attributes
    ----------
    number : int
        Within its report; 0 for none.
    caption : str
        What it shows.
    note : str or None
        A line under it.
    empty : str
        Said in place of the grid when there is no row.
    columns : tuple of Column
    """

    number: int
    caption: str
    note: str | None
    empty: str
    columns: tuple[Column, ...]

    @property
    def n_rows(self) -> int:
        return len(self.columns[0].cells) if self.columns else 0


def read_table(record: Mapping[str, Any]) -> Table:
    """Return a table from its record (`dataclasses.asdict`, through JSON).

    Examples
    --------
    >>> record = {"number": 1, "caption": "One column", "note": None, "empty": "none",
    ...     "columns": [{"heading": "A", "kind": "text", "cells": ["x"]}]}
    >>> read_table(record).columns
    (Column(heading='A', kind='text', cells=('x',)),)
    """
    columns = (Column(column["heading"], column["kind"], tuple(column["cells"])) for column in record["columns"])
    return Table(record["number"], record["caption"], record["note"], record["empty"], tuple(columns))


@dataclass(frozen=True)
class Layout:
    """How a table stands on paper.

    Attributes
    ----------
    landscape : bool
    size : float
        Of the type, in points.
    widths : tuple of float
        Of the columns, in points.
    """

    landscape: bool
    size: float
    widths: tuple[float, ...]


def choose_layout(table: Table) -> Layout:
    """Return the largest type, on an upright page where it can be, in which every column has the room it needs.

    A column needs its longest word, numbers all of theirs, sentences about 24 letters on a line. What is left of the
    page goes to the columns that have more to say; a table that fits nowhere is pressed into the last layout.

    Examples
    --------
    >>> table = Table(1, "c", None, "none", (Column("Term", TEXT, ("time",)), Column("r", NUMBER, ("0.25",))))
    >>> choose_layout(table)
    Layout(landscape=False, size=10.0, widths=(32.8, 27.0))
    """
    needed, wanted = [], []
    for column in table.columns:
        texts = [unparted(column, position) for position in range(table.n_rows)]
        words = max((text_width(word) for text in (column.heading, *texts) for word in text.split(" ")), default=0.0)
        whole = max(map(text_width, texts), default=0.0)
        needed.append(max(words, min(whole, _SENTENCE)))
        wanted.append(max(words, whole))
    for landscape, size in _LAYOUTS:
        room = (LANDSCAPE if landscape else PORTRAIT) / size - len(needed) * PADDING
        if sum(needed) <= room:
            break
    scale = min(1.0, room / sum(needed)) if needed else 1.0
    more = [want - need for need, want in zip(needed, wanted, strict=True)]
    share = min(1.0, max(0.0, room - sum(needed)) / sum(more)) if sum(more) else 0.0
    ems = [scale * need + share * extra for need, extra in zip(needed, more, strict=True)]
    return Layout(landscape, size, tuple(int(10 * size * (em + PADDING)) / 10 for em in ems))


def unparted(column: Column, position: int) -> str:
    """Return a cell as it stands on paper: a number and its interval are not parted at the end of a line."""
    text = column.cells[position]
    return text.replace(" ", NO_BREAK) if column.kind == NUMBER else text


def text_width(text: str) -> float:
    """Return about how wide a text is in a serif type, in units of the type's size.

    Examples
    --------
    >>> text_width("0.25"), text_width("WWW")
    (1.9, 2.7)
    """
    return round(sum(map(_letter_width, text)), 3)


def _letter_width(letter: str) -> float:
    if letter in "fijlrt.,:;'|!/()[] \u00a0":
        return 0.34
    if letter in "mwMW%@—∞":
        return 0.9
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    if letter.isupper():
        return 0.72
    return 0.6 if unicodedata.category(letter) == "Sm" else 0.52
