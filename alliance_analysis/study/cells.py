"""Turns one column as written into ids, numbers, words or dates, and reports each cell that cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from alliance_analysis.study.notes import Remark
from alliance_analysis.study.problems import count, examples, nearest, show

EMPTY = ("", "NA", "N/A", "#N/A", "NaN", "nan", "None", "<NA>", "NaT")
"""What pandas, R and Excel write for an empty cell; read as missing everywhere."""

_ALIKE = "Write them alike."
_CODE = "Correct it, or add it under `missing:` in study.yml if it means missing."
_LARGEST_WHOLE = 1_000_000
_NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?"
_COMMA = r"[+-]?(\d+,\d*|,\d+)"
_INFINITE = r"(?i)[+-]?(inf|infinity|∞)"
_ISO_DATE = r"(\d{4}-\d{2}-\d{2})([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?"
_GERMAN_DATE = r"\d{1,2}\.\d{1,2}\.\d{4}"


@dataclass(frozen=True)
class Column:
    """One column, read.

    Attributes
    ----------
    values : ndarray
        One typed value per row; NaN, "" or NaT where there is none.
    complaints : tuple of str
        What is wrong, one sentence each.
    notes : tuple of Remark
        What reading did, without values of single rows.
    """

    values: np.ndarray
    complaints: tuple[str, ...] = ()
    notes: tuple[Remark, ...] = ()


def texts(column: pd.Series) -> pd.Series:
    """Return every cell as stripped text; "" for empty ones, ``7`` for the number 7.0."""
    if pd.api.types.is_string_dtype(column) and not pd.api.types.is_object_dtype(column):
        written = column.fillna("").str.strip()
    else:
        written = pd.Series([_text(cell) for cell in column.astype(object)], index=column.index, dtype=str)
    return written.mask(written.isin(EMPTY), "").astype(str)


def _text(cell: Any) -> str:
    if cell is None or cell is pd.NaT or cell is pd.NA:
        return ""
    if isinstance(cell, float | np.floating):
        return "" if np.isnan(cell) else str(int(cell)) if float(cell).is_integer() else repr(float(cell))
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    return str(cell).strip()


def read_ids(column: pd.Series, rows: np.ndarray) -> Column:
    """Read ids as text; every row needs one."""
    written = texts(column)
    return Column(written.to_numpy(dtype=object), _report_empty(written, rows, "an id"))


def read_numbers(
    column: pd.Series, rows: np.ndarray, missing: Sequence[float | str] = (), *, decimal_comma: bool = False
) -> Column:
    """Read numbers; a text or an infinite value is reported and becomes NaN, so that the others can still be checked.

    Parameters
    ----------
    column : Series
        Cells as written.
    rows : ndarray of int
        Row in the user's file of each cell.
    missing : sequence of (float or str)
        Codes that stand for a missing value.
    decimal_comma : bool
        Whether ``3,5`` is 3.5. A column that has such cells must not have decimal points too.
    """
    written = texts(column)
    coded = written.isin([code for code in missing if isinstance(code, str)])
    commas = written.str.fullmatch(_COMMA) if decimal_comma else pd.Series(False, index=written.index)
    plain = written.str.fullmatch(_NUMBER)
    points = plain & written.str.contains(".", regex=False) & commas.any() & ~coded
    plain &= ~points
    infinite = written.str.fullmatch(_INFINITE)
    readable = written.where(plain | commas, "")
    values = pd.to_numeric(readable.str.replace(",", ".", regex=False), errors="coerce").to_numpy(
        dtype=float, copy=True
    )
    infinite |= np.isinf(values)
    coded |= np.isin(values, [code for code in missing if not isinstance(code, str)])
    codes = [show(code) for code in missing if (written == code if isinstance(code, str) else values == code).any()]
    values[(coded | infinite).to_numpy()] = np.nan
    words = (written != "") & ~coded & ~plain & ~commas & ~infinite & ~points
    complaints = (
        *_report(written, rows, words, ("not a number", "not numbers"), _CODE),
        *_report(written, rows, infinite & ~coded, ("infinite", "infinite"), "Correct it."),
        *_report_points(written, rows, points),
    )
    remarks = (Remark("comma", int(commas.sum())), Remark("code", int(coded.sum()), tuple(codes)))
    return Column(values, complaints, tuple(remark for remark in remarks if remark.number))


def _report_points(cells: pd.Series, rows: np.ndarray, wrong: pd.Series) -> tuple[str, ...]:
    """A point among commas may be a decimal point or separate thousands: the user has to say."""
    if not wrong.any():
        return ()
    values, places = cells[wrong].tolist(), rows[wrong.to_numpy()].tolist()
    others = "the other cells of this column a comma"
    if len(values) == 1:
        return (f"{examples(values, places)} has a decimal point, {others}. {_ALIKE}",)
    return (f"{len(values):,} cells have a decimal point, {others}; first {examples(values, places)}. {_ALIKE}",)


def _report(cells: pd.Series, rows: np.ndarray, wrong: pd.Series, is_are: tuple[str, str], fix: str) -> tuple[str, ...]:
    """Return at most one sentence: how many cells are wrong, the first ones with their rows, and what to do."""
    number = int(wrong.sum())
    if not number:
        return ()
    values, places = cells[wrong].tolist(), rows[wrong.to_numpy()].tolist()
    if number == 1:
        return (f"{show(values[0])} is {is_are[0]} (row {places[0]}). {fix}",)
    return (f"{number:,} cells are {is_are[1]}; first {examples(values, places)}. {fix}",)


def _report_empty(written: pd.Series, rows: np.ndarray, what: str) -> tuple[str, ...]:
    empty = (written == "").to_numpy()
    if not empty.any():
        return ()
    return (
        f"{count(int(empty.sum()), 'row')} without {what}; first row {rows[empty][0]}. Fill it in, or delete the row.",
    )


def read_whole(column: pd.Series, rows: np.ndarray, *, required: bool, decimal_comma: bool = False) -> Column:
    """Read whole numbers of 0 or more (session numbers, planned sessions) as floats."""
    read = read_numbers(column, rows, decimal_comma=decimal_comma)
    values = pd.Series(read.values)
    wrong = values.notna() & ((values < 0) | (values % 1 != 0) | (values > _LARGEST_WHOLE))
    fix = "Number the sessions 1, 2, 3 …, 0 for the intake." if required else "Correct it."
    complaints = (
        *(complaint.replace(_CODE, "Correct it.") for complaint in read.complaints),
        *(_report_empty(texts(column), rows, "a number") if required else ()),
        *_report(values, rows, wrong, ("not a whole number of 0 or more", "not whole numbers of 0 or more"), fix),
    )
    return Column(values.mask(wrong).to_numpy(), complaints, read.notes)


def read_words(
    column: pd.Series, rows: np.ndarray, missing: Sequence[float | str], allowed: Iterable[str] = ()
) -> Column:
    """Read a category as text (None where empty); with `allowed`, every other word is reported."""
    written = texts(column)
    coded = written.isin([_text(code) for code in missing])
    values = written.mask(coded, "")
    allowed = tuple(allowed)
    wrong = (values != "") & ~values.isin(allowed) if allowed else pd.Series(False, index=values.index)
    words = f"one of the allowed words {', '.join(allowed)}"
    hint = nearest(values[wrong].iloc[0], allowed) if wrong.any() else ""
    fix = f"Use {hint.removeprefix('; nearest: ')}." if hint else "Use one of them."
    complaints = _report(values, rows, wrong, (f"not {words}", f"not {words}"), fix)
    typed = values.to_numpy(dtype=object, copy=True)
    typed[typed == ""] = None
    codes = tuple(show(code) for code in missing if (written == _text(code)).any())
    return Column(typed, complaints, (Remark("code", int(coded.sum()), codes),) if coded.any() else ())


def read_dates(column: pd.Series, rows: np.ndarray) -> Column:
    """Read days: 2024-03-31, with or without a time, or 31.03.2024; other orders are ambiguous and reported."""
    written = texts(column)
    iso = written.str.fullmatch(_ISO_DATE)
    german = written.str.fullmatch(_GERMAN_DATE)
    values = pd.Series(pd.NaT, index=written.index, dtype="datetime64[us]")
    values[iso] = pd.to_datetime(written[iso].str.slice(0, 10), format="%Y-%m-%d", errors="coerce")
    values[german] = pd.to_datetime(written[german], format="%d.%m.%Y", errors="coerce")
    wrong = (written != "") & values.isna()
    fix = "Write it as 2024-03-31 or 31.03.2024."
    complaints = _report(written, rows, wrong, ("not a date", "not dates"), fix)
    return Column(values.to_numpy(), complaints, (Remark("date", int(german.sum())),) if german.any() else ())
