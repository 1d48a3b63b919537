"""What one column of a file looks like: how full, how many values, numbers, dates or words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_analysis.draft.words import ROW_NUMBERS, tokens
from alliance_analysis.study.cells import is_date, texts
from alliance_analysis.study.readers import Table

SEEN_ROWS = 50_000
"""Rows that decide what kind of values a column has; ids are counted over all rows."""
_KEPT = 200
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_MOSTLY = 0.9


@dataclass(frozen=True)
class Answers:
    """Words of answers with their numbers.

    Attributes
    ----------
    numbers : tuple of (str, int)
        Each word with its number, from the lowest.
    how : str
        "said" by the words themselves, "code" with a number, "order" of everyday language, "told" by the user, "open":
        nobody knows.
    """

    numbers: tuple[tuple[str, int], ...]
    how: str


@dataclass(frozen=True)
class Profile:
    """One column, described.

    Attributes
    ----------
    name : str
        The column.
    label : str
        What a statistics program or survey tool says of it; "" when nothing.
    value_labels : dict
        Value as text -> its label.
    rows, filled, distinct : int
        Rows of the file, cells that are not empty, different values.
    values : tuple of str
        The most frequent values, as text.
    numbers : ndarray
        Different numbers, sorted.
    weights : ndarray
        How often each of them stands.
    numeric : bool
        Nearly every filled cell is a number.
    dates : bool
        Every filled cell is a date.
    strays : int
        Cells of a numeric column that are words.
    answers : Answers or None
        Words of the file for which the numbers stand.
    """

    name: str
    label: str
    value_labels: dict[str, str]
    rows: int
    filled: int
    distinct: int
    values: tuple[str, ...]
    numbers: np.ndarray
    weights: np.ndarray
    numeric: bool
    dates: bool
    strays: int = 0
    answers: Answers | None = None

    @property
    def row_number(self) -> bool:
        """Whether it is a program's name or number of each row."""
        return "".join(tokens(self.name)) in ROW_NUMBERS and self.distinct == self.rows

    @property
    def whole(self) -> bool:
        """Whether all numbers are whole."""
        return self.numeric and bool(np.all(self.numbers % 1 == 0))

    @property
    def low(self) -> float:
        """The lowest number; NaN without numbers."""
        return float(self.numbers[0]) if len(self.numbers) else float("nan")

    @property
    def high(self) -> float:
        """The highest number; NaN without numbers."""
        return float(self.numbers[-1]) if len(self.numbers) else float("nan")

    @property
    def words(self) -> bool:
        """Whether the column holds words."""
        return self.filled > 0 and not self.numeric and not self.dates


def describe_column(
    name: str, column: pd.Series, label: str = "", value_labels: dict[str, str] | None = None
) -> Profile:
    """Describe one column; a column of numbers that carry labels is described by both."""
    seen = column.iloc[:SEEN_ROWS]
    codes, found = pd.factorize(texts(seen).to_numpy(dtype=object))
    counts = np.bincount(codes, minlength=len(found))
    filled_values = [position for position, value in enumerate(found) if value]
    filled = int(counts[filled_values].sum()) if filled_values else 0
    order = sorted(filled_values, key=lambda position: -counts[position])
    numbers, weights, strays = _numbers([(str(found[position]), int(counts[position])) for position in filled_values])
    numeric = filled > 0 and weights.sum() >= _MOSTLY * filled
    dates = not numeric and filled > 0 and all(is_date(str(found[position])) for position in order[:_KEPT])
    return Profile(
        name,
        " ".join(label.split()),
        value_labels or {},
        len(seen),
        filled,
        len(filled_values),
        tuple(str(found[position]) for position in order[:_KEPT]),
        numbers if numeric else np.empty(0),
        weights if numeric else np.empty(0),
        numeric,
        dates,
        strays if numeric else 0,
    )


def _numbers(values: Iterable[tuple[str, int]]) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the different numbers, how often each stands, and how many cells are none."""
    weights: dict[float, int] = {}
    strays = 0
    for text, count in values:
        number = float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else float("nan")
        if np.isfinite(number):
            weights[number] = weights.get(number, 0) + count
        else:
            strays += count
    ordered = sorted(weights)
    return np.array(ordered, dtype=float), np.array([weights[number] for number in ordered], dtype=float), strays


def describe_table(table: Table) -> tuple[Profile, ...]:
    """Describe every column of a file, with its labels where the file has some."""
    labels: dict[str, str] = getattr(table, "labels", {})
    value_labels: dict[str, dict[object, str]] = getattr(table, "value_labels", {})
    return tuple(
        describe_column(
            str(name),
            table.frame[name],
            labels.get(str(name), ""),
            {_as_text(value): text for value, text in value_labels.get(str(name), {}).items()},
        )
        for name in table.frame
    )


def _as_text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
