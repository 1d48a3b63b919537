"""Turns frames into formatted tables, and those into HTML; numbers are rounded here, as text, and nowhere before."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from html import escape
from numbers import Integral, Real
from typing import Any

import pandas as pd

from alliance_analysis.report.arranged import NO_BREAK, NUMBER, STATUS, TEXT, Column, Table
from alliance_analysis.report.formats import (
    MISSING,
    as_float,
    column_places,
    format_count,
    format_fixed,
    format_interval,
    format_p,
    format_percent,
    format_value,
)
from alliance_analysis.wording import spoken

_HEADINGS = {
    "std_error": "SE",
    "df": "df",
    "p_value": "p",
    "log_lik": "Log likelihood",
    "aic": "AIC",
    "aicc": "AICc",
    "bic": "BIC",
    "icc": "ICC",
    "mc_error": "MC error",
    "sd": "SD",
    "se": "SE",
    "conf_low": "Lower limit",
    "conf_high": "Upper limit",
    "std_dev": "SD",
    "std": "SD",
}
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]+")  # a snake_case column becomes words; any other name stays as it is
_SHARE = "_share"  # columns of this ending hold shares from 0 to 1 and are printed as percent
_SHORT = 20  # characters that stay on one line
_DROPPED_WHEN_BLANK = ("note", "what_to_do")
_CODED = ("term", "metric", "measure", "check")  # columns whose cells are names of the code, and printed as words
_STATUS_WORDS = frozenset({"green", "amber", "red"})


def arrange_table(
    frame: pd.DataFrame,
    *,
    caption: str,
    number: int = 0,
    note: str | None = None,
    digits: int | Mapping[str, int] = 2,
    conf_level: float = 0.95,
    empty: str = "none",
) -> Table:
    """Return a frame as a formatted table; its numbers are rounded here and nowhere before.

    `conf_low` and `conf_high` become one interval column; `p_value` is printed as APA does; `share` and `*_share` (0 to
    1) become percent; a column `note` or `what_to_do` without any text is left out. A named index is shown as columns.
    Within a column every real number has the same decimals (`column_places`).

    Parameters
    ----------
    frame : pandas.DataFrame
        One column or more.
    caption : str
        What the table shows.
    number : int
        Its number in the report; 0 for none.
    note : str, optional
        A line under the table.
    digits : int or mapping of column name to int
        Decimals of the real numbers.
    conf_level : float
        Names the interval column.
    empty : str
        Said in place of the grid of a frame without rows.

    Returns
    -------
    Table

    Examples
    --------
    >>> arrange_table(pd.DataFrame({"term": ["x"], "r": [0.5]}), caption="Two columns").columns[1]
    Column(heading='r', kind='number', cells=('0.50',))
    """
    columns = _columns(with_index(frame), digits, conf_level)
    return Table(number, caption, note, empty, tuple(columns))


def table_html(frame: pd.DataFrame, **options: Any) -> str:
    """Return a frame as an HTML table in one step; `options` are those of `arrange_table`.

    Examples
    --------
    >>> '<td class="num">0.50</td>' in table_html(pd.DataFrame({"a": ["x"], "b": [0.5]}), caption="Two columns")
    True
    """
    return render_html(arrange_table(frame, **options))


def render_html(table: Table) -> str:
    """Return a formatted table as accessible HTML: everything escaped, the first column heads its row.

    Returns
    -------
    str
        One `<figure class="table">` with a box that scrolls on its own.
    """
    label = f"Table {table.number}" if table.number else ""
    name = f"<b>{escape(label)}.</b> " if label else ""
    foot = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    if not table.n_rows:
        said = f'<p class="empty">{escape(table.empty)}</p>'
        return f'<figure class="table"><figcaption>{name}{escape(table.caption)}</figcaption>{said}{foot}</figure>'
    head = "".join(f'<th scope="col"{_class(column)}>{escape(column.heading)}</th>' for column in table.columns)
    rows = "".join(f"<tr>{_row(table, position)}</tr>" for position in range(table.n_rows))
    kind = "table wide" if ' class="long"' in rows else "table"
    title = escape(f"{label}: {table.caption}" if label else table.caption)
    return (
        f'<figure class="{kind}"><div class="box" role="region" tabindex="0" aria-label="{title}">'
        f"<table><caption><span>{name}{escape(table.caption)}</span></caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>{foot}</figure>"
    )


def with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with its index as columns; an index that only counts the rows is left out."""
    unnamed = isinstance(frame.index, pd.RangeIndex) or (frame.index.names == [None] and frame.index.dtype.kind in "iu")
    return frame if unnamed else frame.reset_index(names=[name or "" for name in frame.index.names])


def _columns(frame: pd.DataFrame, digits: int | Mapping[str, int], conf_level: float) -> list[Column]:
    names = [str(name) for name in frame.columns]
    columns: list[Column] = []
    for position, name in enumerate(names):
        values = frame.iloc[:, position]
        places = digits.get(name, 2) if isinstance(digits, Mapping) else digits
        blank = name in _DROPPED_WHEN_BLANK and not (values.astype(str) != "").any()
        if blank or (name == "conf_high" and "conf_low" in names):
            continue
        if name == "conf_low" and "conf_high" in names:
            heading = f"{format_percent(conf_level, 0 if round(100 * conf_level, 6) % 1 == 0 else 1)} CI"
            cells = interval_cells(values, frame.iloc[:, names.index("conf_high")], places)
            columns.append(Column(heading, NUMBER, tuple(cells)))
            continue
        kind = STATUS if name == STATUS else NUMBER if _is_numeric(values) else TEXT
        columns.append(Column(_heading(name), kind, tuple(_cells(name, values, places))))
    return columns


def interval_cells(low: pd.Series, high: pd.Series, digits: int = 2) -> list[str]:
    """Return intervals as the cells of one column: every limit with the same decimals."""
    places = column_places([*low, *high], digits)
    return [format_interval(*limits, places) for limits in zip(low, high, strict=True)]


def number_cells(values: pd.Series, digits: int = 2) -> list[str]:
    """Return real numbers as the cells of one column: all with the same decimals."""
    places = column_places(values, digits)
    return [format_fixed(value, places) for value in values]


def _heading(name: str) -> str:
    if name in _HEADINGS or not _PLAIN_NAME.fullmatch(name):
        return _HEADINGS.get(name, name)
    return name.removeprefix("n_").removesuffix(_SHARE).replace("_", " ").capitalize()


def _is_share(name: str) -> bool:
    return name == "share" or name.endswith(_SHARE)


def _is_numeric(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _cells(name: str, values: pd.Series, digits: int) -> list[str]:
    if name == STATUS:
        return [str(value) for value in values]
    if name in _CODED:
        return [_text(spoken(value) if isinstance(value, str) else value, format_value) for value in values]
    numbers = [as_float(value) for value in values if isinstance(value, Real)]
    formatter = _formatter(name, column_places(numbers, 1 if name == "df" else digits))
    if _is_numeric(values) and not (values.dropna() % 1 != 0).any() and not _is_share(name) and name != "p_value":
        formatter = format_count if not values.isin([math.inf, -math.inf]).any() else formatter
    return [_text(value, formatter) for value in values]


def _formatter(name: str, digits: int) -> Callable[[Any], str]:
    if name in ("p", "p_value"):
        return format_p
    if _is_share(name):
        return format_percent
    if name == "n" or name.startswith("n_"):
        return format_count
    return lambda value: format_fixed(value, digits)


def _text(value: Any, formatter: Callable[[Any], str]) -> str:
    if type(value).__name__ in ("bool", "bool_"):
        return format_value(value)
    if isinstance(value, Integral):
        return format_count(int(value))
    if isinstance(value, Real):
        return formatter(value)
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return MISSING
    text = str(value)
    # an estimate and its interval may stand on two lines, the interval on one
    return text.replace(" ", NO_BREAK).replace(f"{NO_BREAK}[", " [") if len(text) <= _SHORT else text


def _row(table: Table, position: int) -> str:
    first, *others = [(column, column.cells[position]) for column in table.columns]
    head = f'<th scope="row"{_class(*first)}>{_cell(*first)}</th>'
    return head + "".join(f"<td{_class(column, text)}>{_cell(column, text)}</td>" for column, text in others)


def _cell(column: Column, text: str) -> str:
    html = escape(text).replace(NO_BREAK, "&nbsp;")
    if column.kind != STATUS:
        return html
    colour = f" {text}" if text in _STATUS_WORDS else ""
    return f'<span class="status{colour}">{html}</span>'


def _class(column: Column, text: str = "") -> str:
    if column.kind == NUMBER:
        return ' class="num"'
    # a column of sentences keeps a readable width where the table is wider than the page and scrolls
    is_sentence = column.kind == TEXT and len(text) > _SHORT and " " in text and NO_BREAK not in text
    return ' class="long"' if is_sentence else ""
