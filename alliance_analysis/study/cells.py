"""Turns one column as written into ids, numbers, words or dates, and reports each cell that cannot be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
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
_ANSWER = "Correct it, or add it with its number under `answers:`; under `missing:` if it means missing."
_LARGEST_WHOLE = 1_000_000
_NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?"
_COMMA = r"[+-]?(\d+,\d*|,\d+)"
_INFINITE = r"(?i)[+-]?(inf|infinity|∞)"
_ZONE = r"(?: ?(?:Z|UTC|GMT)?(?:[+-]\d{1,2}(?::?\d{2})?)?)?"
_TIME = rf"(?:[T ]\d{{1,2}}:\d{{2}}(?::\d{{2}}(?:\.\d+)?)?(?: ?[AaPp][Mm])?{_ZONE})?"
_YEAR_FIRST = rf"^(\d{{4}})(?P<mark>[-/])(\d{{1,2}})(?P=mark)(\d{{1,2}}){_TIME}$"
_GERMAN_DATE = rf"^(\d{{1,2}}\.\d{{1,2}}\.\d{{4}}){_TIME}$"
_SLASH_DATE = rf"^(\d{{1,2}})/(\d{{1,2}})/(\d{{4}}){_TIME}$"
_REWRITE = "Write the dates as 2024-03-31."
_FEW = 1000
_MOST_SHOWN = 10_000


@dataclass(frozen=True)
class Column:
    """One column, read.

    Attributes
    ----------
    values : ndarray or Categorical
        One typed value per row; NaN, "" or NaT where there is none. Ids of a large file are categories.
    complaints : tuple of str
        What is wrong, one sentence each.
    notes : tuple of Remark
        What reading did, without values of single rows.
    """

    values: Any
    complaints: tuple[str, ...] = ()
    notes: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class Distinct:
    """A column as its different texts: millions of cells repeat a few of them, and each is looked at once.

    Attributes
    ----------
    texts : Series of str
        Every different cell as stripped text; "" for empty ones.
    codes : ndarray of int
        Which of them each row holds.
    """

    texts: pd.Series
    codes: np.ndarray

    def spread(self, values: pd.Series | np.ndarray) -> np.ndarray:
        """Return one value per row of one value per different text."""
        return np.asarray(values)[self.codes]

    def number(self, chosen: pd.Series) -> int:
        """Return how many rows hold one of the chosen texts."""
        return int(self.spread(chosen).sum()) if chosen.any() else 0


def distinct(column: pd.Series) -> Distinct:
    """Return the different texts of a column and which of them each row holds."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        values, codes = pd.Series(column.cat.categories), column.cat.codes.to_numpy()
        if (codes < 0).any():
            values = pd.concat([values, pd.Series([None], dtype=object)], ignore_index=True)
            codes = np.where(codes < 0, len(values) - 1, codes)
        return Distinct(_texts(values), codes)
    try:
        codes, found = pd.factorize(column, use_na_sentinel=False)
    except TypeError:  # a cell that cannot be compared stands for itself
        codes, found = np.arange(len(column)), column.to_numpy()
    return Distinct(_texts(pd.Series(found)), codes)


def texts(column: pd.Series) -> pd.Series:
    """Return every cell as stripped text; "" for empty ones, ``7`` for the number 7.0."""
    if len(column) < _FEW:
        return _texts(column)
    each = distinct(column)
    return pd.Series(each.texts.array.take(each.codes), index=column.index, name=column.name)


def _texts(column: pd.Series) -> pd.Series:
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


def is_date(text: str) -> bool:
    """Return whether a cell is written in one of the ways in which dates are read.

    Examples
    --------
    >>> is_date("31.03.2024 14:05"), is_date("2024/03/31 2:05:00 PM GMT+2"), is_date("31.03.24")
    (True, True, False)
    """
    return any(re.match(form, text) for form in (_YEAR_FIRST, _GERMAN_DATE, _SLASH_DATE))


def read_ids(column: pd.Series, rows: np.ndarray) -> Column:
    """Read ids as text; every row needs one."""
    each = distinct(column)
    empty = _report_empty(each, rows, "an id")
    if isinstance(column.dtype, pd.CategoricalDtype) and each.texts.is_unique:
        return Column(pd.Categorical.from_codes(each.codes, categories=pd.Index(each.texts, dtype=object)), empty)
    return Column(each.texts.to_numpy(dtype=object)[each.codes], empty)


def read_numbers(
    column: pd.Series,
    rows: np.ndarray,
    missing: Sequence[float | str] = (),
    answers: Mapping[str, float] | None = None,
    *,
    decimal_comma: bool = False,
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
    answers : mapping of str to float, optional
        Words that stand for numbers.
    decimal_comma : bool
        Whether ``3,5`` is 3.5. A column that has such cells must not have decimal points too.
    """
    if pd.api.types.is_float_dtype(column) and isinstance(column.dtype, np.dtype) and not missing and not answers:
        found = column.to_numpy(dtype=float)
        if not np.isinf(found).any():
            return Column(found)
    each = distinct(column)
    written = each.texts
    coded = written.isin([code for code in missing if isinstance(code, str)])
    commas = written.str.fullmatch(_COMMA) if decimal_comma else pd.Series(False, index=written.index)
    said = written.isin(list(answers or {})) & ~coded
    plain = written.str.fullmatch(_NUMBER) & ~said
    points = plain & written.str.contains(".", regex=False) & commas.any() & ~coded
    plain &= ~points
    infinite = written.str.fullmatch(_INFINITE)
    readable = written.where(plain | commas, "")
    values = pd.to_numeric(readable.str.replace(",", ".", regex=False), errors="coerce").to_numpy(
        dtype=float, copy=True
    )
    values[said.to_numpy()] = written[said].map(answers or {}).to_numpy(dtype=float)
    infinite |= np.isinf(values)
    coded |= np.isin(values, [code for code in missing if not isinstance(code, str)])
    codes = [show(code) for code in missing if (written == code if isinstance(code, str) else values == code).any()]
    values[(coded | infinite).to_numpy()] = np.nan
    words = (written != "") & ~coded & ~said & ~plain & ~commas & ~infinite & ~points
    complaints = (
        *_report(each, rows, words, ("not a number", "not numbers"), _ANSWER if answers else _CODE),
        *_report(each, rows, infinite & ~coded, ("infinite", "infinite"), "Correct it."),
        *_report_points(each, rows, points),
    )
    remarks = (
        Remark("answer", each.number(said)),
        Remark("comma", each.number(commas)),
        Remark("code", each.number(coded), tuple(codes)),
    )
    return Column(each.spread(values), complaints, tuple(remark for remark in remarks if remark.number))


def _cells(each: Distinct, rows: np.ndarray, wrong: pd.Series) -> tuple[int, list[str], list[int]]:
    """Return how many cells are wrong, and the first of them with their rows."""
    if not wrong.any():
        return 0, [], []
    places = np.flatnonzero(each.spread(wrong))
    shown = places[:_MOST_SHOWN]
    return len(places), each.texts.to_numpy()[each.codes[shown]].tolist(), rows[shown].tolist()


def _report_points(each: Distinct, rows: np.ndarray, wrong: pd.Series) -> tuple[str, ...]:
    """A point among commas may be a decimal point or separate thousands: the user has to say."""
    number, values, places = _cells(each, rows, wrong)
    if not number:
        return ()
    others = "the other cells of this column a comma"
    if number == 1:
        return (f"{examples(values, places)} has a decimal point, {others}. {_ALIKE}",)
    return (f"{number:,} cells have a decimal point, {others}; first {examples(values, places)}. {_ALIKE}",)


def _report(each: Distinct, rows: np.ndarray, wrong: pd.Series, is_are: tuple[str, str], fix: str) -> tuple[str, ...]:
    """Return at most one sentence: how many cells are wrong, the first ones with their rows, and what to do."""
    number, values, places = _cells(each, rows, wrong)
    if not number:
        return ()
    if number == 1:
        return (f"{show(values[0])} is {is_are[0]} (row {places[0]}). {fix}",)
    return (f"{number:,} cells are {is_are[1]}; first {examples(values, places)}. {fix}",)


def _report_empty(each: Distinct, rows: np.ndarray, what: str) -> tuple[str, ...]:
    number, _, places = _cells(each, rows, each.texts == "")
    if not number:
        return ()
    return (f"{count(number, 'row')} without {what}; first row {places[0]}. Fill it in, or delete the row.",)


def read_whole(column: pd.Series, rows: np.ndarray, *, required: bool, decimal_comma: bool = False) -> Column:
    """Read whole numbers of 0 or more (session numbers, planned sessions) as floats."""
    each = distinct(column)
    known = np.arange(len(each.texts))
    read = read_numbers(each.texts, known, decimal_comma=decimal_comma)
    values = pd.Series(read.values)
    wrong = values.notna() & ((values < 0) | (values % 1 != 0) | (values > _LARGEST_WHOLE))
    fix = "Number the sessions 1, 2, 3 …, 0 for the intake." if required else "Correct it."
    of_column = read_numbers(column, rows, decimal_comma=decimal_comma)
    complaints = (
        *(complaint.replace(_CODE, "Correct it.") for complaint in of_column.complaints),
        *(_report_empty(each, rows, "a number") if required else ()),
        *_report(
            Distinct(values, each.codes),
            rows,
            wrong,
            ("not a whole number of 0 or more", "not whole numbers of 0 or more"),
            fix,
        ),
    )
    return Column(each.spread(values.mask(wrong)), complaints, of_column.notes)


def read_words(
    column: pd.Series, rows: np.ndarray, missing: Sequence[float | str], allowed: Iterable[str] = ()
) -> Column:
    """Read a category as text (None where empty); with `allowed`, every other word is reported."""
    each = distinct(column)
    written = each.texts
    coded = written.isin([_text(code) for code in missing])
    values = written.mask(coded, "")
    allowed = tuple(allowed)
    wrong = (values != "") & ~values.isin(allowed) if allowed else pd.Series(False, index=values.index)
    words = f"one of the allowed words {', '.join(allowed)}"
    hint = nearest(values[wrong].iloc[0], allowed) if wrong.any() else ""
    fix = f"Use {hint.removeprefix('; nearest: ')}." if hint else "Use one of them."
    complaints = _report(each, rows, wrong, (f"not {words}", f"not {words}"), fix)
    typed = values.to_numpy(dtype=object, copy=True)
    typed[typed == ""] = None
    codes = tuple(show(code) for code in missing if (written == _text(code)).any())
    remark = (Remark("code", each.number(coded), codes),) if coded.any() else ()
    return Column(each.spread(typed), complaints, remark)


def read_dates(column: pd.Series, rows: np.ndarray) -> Column:
    """Read days: 2024-03-31, 2024/03/31, 31.03.2024, or 31/03/2024 where the column shows the order; a time may follow.

    With slashes the whole column decides: 25/03/2024 can only be day first, 03/25/2024 only month first. A column in
    which no date shows it is reported, because guessing would move sessions by months.
    """
    each = distinct(column)
    written = each.texts
    parts = written.str.extract(_YEAR_FIRST)
    iso = parts[0].notna()
    points = written.str.extract(_GERMAN_DATE)[0]
    german = points.notna()
    slashes = written.str.extract(_SLASH_DATE)
    values = pd.Series(pd.NaT, index=written.index, dtype="datetime64[us]")
    year_first = parts[0].str.cat([parts[2], parts[3]], sep="-")
    values[iso] = pd.to_datetime(year_first[iso], format="%Y-%m-%d", errors="coerce")
    values[german] = pd.to_datetime(points[german], format="%d.%m.%Y", errors="coerce")
    slashed = slashes[0].notna()
    order = _slash_order(slashes[slashed])
    if order in ("%d/%m/%Y", "%m/%d/%Y"):
        joined = slashes[0].str.cat([slashes[1], slashes[2]], sep="/")
        values[slashed] = pd.to_datetime(joined[slashed], format=order, errors="coerce")
    open_dates = slashed & values.isna()
    wrong = (written != "") & values.isna() & ~open_dates
    complaints = (
        *_report(each, rows, wrong, ("not a date", "not dates"), "Write it as 2024-03-31 or 31.03.2024."),
        *_report(each, rows, open_dates, (f"a date whose order {order}", f"dates whose order {order}"), _REWRITE),
    )
    remarks = [Remark("date", each.number(german))] if german.any() else []
    if slashed.any() and not open_dates.any():
        remarks.append(Remark("slash", each.number(slashed), ("day" if order.startswith("%d") else "month",)))
    return Column(each.spread(values), complaints, tuple(remarks))


def _slash_order(parts: pd.DataFrame) -> str:
    """Return the format all dates with slashes of a column have, or what keeps it from being known."""
    if parts.empty:
        return ""
    first, second = (parts[place].astype(int).max() for place in (0, 1))
    if first > 12 and second > 12:
        return "differs within the column"
    if first <= 12 and second <= 12:
        return "nothing in the column shows"
    return "%d/%m/%Y" if first > 12 else "%m/%d/%Y"
