"""Turns frames into escaped, accessible tables; numbers are rounded here, as text, and nowhere before."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from html import escape
from numbers import Integral, Real
from typing import Any

import pandas as pd

from alliance_analysis.report.formats import (
    MISSING,
    format_count,
    format_interval,
    format_number,
    format_p,
    format_percent,
    format_value,
)

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
_STATUS_WORDS = frozenset({"green", "amber", "red"})


def table_html(
    frame: pd.DataFrame,
    *,
    caption: str,
    label: str = "",
    note: str | None = None,
    digits: int | Mapping[str, int] = 2,
    conf_level: float = 0.95,
) -> str:
    """Return a frame as an accessible HTML table: everything escaped, rounded here and nowhere before.

    `conf_low` and `conf_high` become one interval column; `p_value` is printed as APA does; `share` and `*_share` (0 to
    1) become percent; a column `note` without any note is left out; the first column heads its row. A named index is
    shown as columns.

    Parameters
    ----------
    frame : pandas.DataFrame
    caption : str
        What the table shows.
    label : str
        Its number, such as "Table 2"; empty for none.
    note : str, optional
        A line under the table.
    digits : int or mapping of column name to int
        Decimals of the real numbers.
    conf_level : float
        Names the interval column.

    Returns
    -------
    str
        One `<figure class="table">` with a box that scrolls on its own.

    Examples
    --------
    >>> "<td class=\\"num\\">0.50</td>" in table_html(pd.DataFrame({"a": ["x"], "b": [0.5]}), caption="Two columns")
    True
    """
    shown = _with_index(frame)
    columns = _columns(shown, digits, conf_level)
    name = f"<b>{escape(label)}.</b> " if label else ""
    head = "".join(_th(heading, numeric) for heading, numeric, _ in columns)
    rows = "".join(
        f"<tr>{_row([(cells[i], numeric) for _, numeric, cells in columns])}</tr>" for i in range(len(shown))
    )
    foot = f'<p class="note">{escape(note)}</p>' if note else ""
    title = escape(f"{label}: {caption}" if label else caption)
    return (
        f'<figure class="table"><div class="box" role="region" tabindex="0" aria-label="{title}">'
        f"<table><caption><span>{name}{escape(caption)}</span></caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>{foot}</figure>"
    )


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    unnamed = isinstance(frame.index, pd.RangeIndex) or (frame.index.names == [None] and frame.index.dtype.kind in "iu")
    return frame if unnamed else frame.reset_index(names=[name or "" for name in frame.index.names])


_Column = tuple[str, bool, list[str]]  # heading, numeric?, the cells as HTML


def _columns(frame: pd.DataFrame, digits: int | Mapping[str, int], conf_level: float) -> list[_Column]:
    names = [str(name) for name in frame.columns]
    columns: list[_Column] = []
    for position, name in enumerate(names):
        values = frame.iloc[:, position]
        places = digits.get(name, 2) if isinstance(digits, Mapping) else digits
        if (name == "conf_high" and "conf_low" in names) or (name == "note" and not (values.astype(str) != "").any()):
            continue
        if name == "conf_low" and "conf_high" in names:
            pairs = zip(values, frame.iloc[:, names.index("conf_high")], strict=True)
            heading = f"{format_percent(conf_level, 0 if round(100 * conf_level, 6) % 1 == 0 else 1)} CI"
            columns.append((heading, True, [format_interval(low, high, places) for low, high in pairs]))
            continue
        columns.append((_heading(name), _is_numeric(values), _cells(name, values, places)))
    return columns


def _heading(name: str) -> str:
    if name in _HEADINGS or not _PLAIN_NAME.fullmatch(name):
        return _HEADINGS.get(name, name)
    return name.removeprefix("n_").removesuffix(_SHARE).replace("_", " ").capitalize()


def _is_share(name: str) -> bool:
    return name == "share" or name.endswith(_SHARE)


def _is_numeric(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _cells(name: str, values: pd.Series, digits: int) -> list[str]:
    if name == "status":
        return [_status(value) for value in values]
    formatter = _formatter(name, digits)
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
    return lambda value: format_number(value, 1 if name == "df" else digits)


def _text(value: Any, formatter: Callable[[Any], str]) -> str:
    if type(value).__name__ in ("bool", "bool_"):
        return format_value(value)
    if isinstance(value, Integral):
        return format_count(int(value))
    if isinstance(value, Real):
        return formatter(value)
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return MISSING
    text = escape(str(value))
    return text.replace(" ", "&nbsp;") if len(str(value)) <= _SHORT else text


def _status(value: Any) -> str:
    word = str(value)
    colour = f" {word}" if word in _STATUS_WORDS else ""
    return f'<span class="status{colour}">{escape(word)}</span>'


def _th(heading: str, numeric: bool) -> str:
    return f'<th scope="col"{_class(numeric)}>{escape(heading)}</th>'


def _row(cells: list[tuple[str, bool]]) -> str:
    (first, numeric), rest = cells[0], cells[1:]
    head = f'<th scope="row"{_class(numeric, first)}>{first}</th>'
    return head + "".join(f"<td{_class(is_number, text)}>{text}</td>" for text, is_number in rest)


def _class(numeric: bool, text: str = "") -> str:
    if numeric:
        return ' class="num"'
    # a column of sentences keeps a readable width where the table is wider than the page and scrolls
    return ' class="long"' if len(text) > _SHORT and not text.startswith("<span") and " " in text else ""
