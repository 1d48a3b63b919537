"""How a fit coded its columns and numbered its groups: what it takes to code new rows alike, without a frame."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.formula import Formula, RandomTerm, evaluate_new_columns, remembering_columns

MAX_NAMED = 5  # names in one message


@dataclass(frozen=True)
class GroupKeys:
    """The levels of a grouping factor: per column its sorted labels and the sorted combinations with those before."""

    columns: tuple[str, ...]
    labels: tuple[pd.Index, ...]
    combinations: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Coding:
    """How the columns of a formula were coded.

    `levels` column -> levels of a factor, the reference level first; `reference` column -> values (n,) inside a
    function that remembers the data (scale, center, poly, bs, C); `numeric` names all other columns.
    """

    fixed: str
    random: tuple[RandomTerm, ...]
    columns: dict[str, tuple[str, ...]]
    levels: dict[str, tuple]
    reference: dict[str, np.ndarray]


def number_groups(group: tuple[str, ...], frame: pd.DataFrame) -> tuple[np.ndarray, GroupKeys]:
    """Number the levels of a grouping factor in the order of its labels; (n,) codes and what finds them again."""
    codes = np.zeros(len(frame), dtype=np.int64)
    labels: list[pd.Index] = []
    combinations: list[np.ndarray] = []
    for column in group:
        level, uniques = _factorise(_sortable(frame[column]))
        codes, used = (
            _factorise(pd.Series(codes * len(uniques) + level)) if labels else (level, np.arange(len(uniques)))
        )
        labels.append(pd.Index(uniques))
        combinations.append(used)
    return codes, GroupKeys(group, tuple(labels), tuple(combinations))


def find_groups(keys: GroupKeys, frame: pd.DataFrame) -> np.ndarray:
    """Number the groups (n,) of new rows as `number_groups` did; -1 for a group that was not there."""
    codes = np.zeros(len(frame), dtype=np.int64)
    known = np.ones(len(frame), dtype=bool)
    for column, labels, used in zip(keys.columns, keys.labels, keys.combinations, strict=True):
        level = _find_labels(labels, frame[column])
        raw = np.where(known & (level >= 0), codes * len(labels) + level, -1)
        codes = np.minimum(np.searchsorted(used, raw), len(used) - 1)
        known = used[codes] == raw
    return np.where(known, codes, -1)


def record_coding(formula: Formula, frame: pd.DataFrame) -> Coding:
    """Record how the columns of a formula are coded in the complete rows of a frame.

    Parameters
    ----------
    formula : Formula
    frame : pandas.DataFrame
        Numbers as float64, factors as text or categories; what formulae read.
    """
    expressions = (formula.fixed, *(term.expression for term in formula.random))
    columns = {text: tuple(name for name in frame.columns if name in _words(text)) for text in expressions}
    used = {name for names in columns.values() for name in names}
    remembered = {name for text in expressions for name in remembering_columns(text)}
    levels = {name: _levels(frame[name]) for name in used if not is_numeric_dtype(frame[name].dtype)}
    reference = {name: frame[name].to_numpy() for name in sorted(remembered & used - set(levels))}
    return Coding(formula.fixed, formula.random, columns, levels, reference)


def encode(coding: Coding, expression: str, width: int, new: pd.DataFrame, where: str) -> np.ndarray:
    """Evaluate an expression of the fit on new rows: (n_new, width), NaN in rows that lack a value.

    Raises
    ------
    ModelError
        For a missing column, a level of a factor that the fit does not know, or text where numbers were.
    """
    names = coding.columns[expression]
    check_columns(names, new, where)
    columns = {name: _like_the_fit(coding, name, new[name], where) for name in names}
    plain = pd.DataFrame(columns, index=pd.RangeIndex(len(new)))
    complete = ~plain.isna().any(axis=1).to_numpy()
    out = np.full((len(new), width), np.nan)
    if complete.any():
        usable = plain[complete].reset_index(drop=True)
        out[complete] = evaluate_new_columns(expression, _reference_frame(coding, names), usable)
    return out


def check_columns(names: tuple[str, ...], new: pd.DataFrame, where: str) -> None:
    """Raise ModelError for the first column that new rows do not have, with the nearest names."""
    for name in names:
        if name not in new.columns:
            near = difflib.get_close_matches(name, [str(column) for column in new.columns], n=3)
            hint = f"; nearest: {', '.join(near)}" if near else ""
            raise ModelError(f"{where}: '{name}' is not a column of the new rows{hint}. Add it.")


def _factorise(labels: pd.Series) -> tuple[np.ndarray, Any]:
    """Codes (n,) in the order of the sorted labels, and these; whole numbers in a narrow range need no hash table."""
    values = labels.to_numpy() if labels.dtype.kind in "iu" else np.empty(0, dtype=int)
    if len(values) == 0 or int(values.max()) - int(values.min()) > 4 * len(values) + 1_000:
        return pd.factorize(labels, sort=True)
    low = int(values.min())
    places = values - low
    there = np.zeros(int(places.max()) + 1, dtype=bool)
    there[places] = True
    codes = places.astype(np.int64, copy=False) if there.all() else (np.cumsum(there) - 1)[places]
    return codes, np.flatnonzero(there) + low


def _find_labels(labels: pd.Index, column: pd.Series) -> np.ndarray:
    if isinstance(labels.dtype, pd.CategoricalDtype):
        labels = labels.astype(labels.categories.dtype)
    if is_numeric_dtype(labels.dtype):
        return labels.get_indexer(pd.Index(pd.to_numeric(column.astype(object), errors="coerce")))
    return labels.astype(str).get_indexer(pd.Index(column.astype(str)))


def _words(expression: str) -> set[str]:
    return set(re.findall(r"[^\W\d]\w*", expression))


def _levels(column: pd.Series) -> tuple:
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered:
        return tuple(column.cat.categories)
    return tuple(sorted(column.unique().tolist()))


def _like_the_fit(coding: Coding, name: str, column: pd.Series, where: str) -> pd.Categorical | np.ndarray:
    if name not in coding.levels:
        try:
            return column.to_numpy(dtype=float, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise ModelError(f"{where}: '{name}' must hold numbers, as in the fit ({error}). Recode it.") from error
    levels = coding.levels[name]
    values = column.astype(object).where(column.notna(), None)
    unknown = sorted({str(value) for value in values if value is not None and value not in levels})
    if unknown:
        more = f" and {len(unknown) - MAX_NAMED} more" if len(unknown) > MAX_NAMED else ""
        known = ", ".join(map(str, levels))
        raise ModelError(
            f"{where}: {name} has levels the fit does not know ({', '.join(unknown[:MAX_NAMED])}{more}); "
            f"it knows {known}. Drop those rows."
        )
    return pd.Categorical(values, categories=list(levels), ordered=True)


def _reference_frame(coding: Coding, names: tuple[str, ...]) -> pd.DataFrame | None:
    """Rows from which formulae learns what it remembers; None when no function of the expression remembers anything."""
    if not any(name in coding.reference for name in names):
        return None
    n = len(next(iter(coding.reference.values())))
    columns: dict[str, np.ndarray | pd.Categorical] = {}
    for name in names:
        levels = coding.levels.get(name)
        if levels is None:
            columns[name] = coding.reference.get(name, np.ones(n))
        else:
            columns[name] = pd.Categorical.from_codes(np.arange(n) % len(levels), list(levels), ordered=True)
    return pd.DataFrame(columns)


def _sortable(labels: pd.Series) -> pd.Series:
    """Numbers and categories as they are, any other mixture as text: labels of one type have an order."""
    orderly = is_numeric_dtype(labels.dtype) or isinstance(labels.dtype, pd.CategoricalDtype)
    return labels if orderly else labels.astype(str)
