"""Turns a formula and a frame into the matrices of a mixed model, and accounts for every row lost on the way."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype, is_bool_dtype, is_numeric_dtype

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.coding import Coding, GroupKeys, number_groups, record_coding
from alliance_analysis.mixed.formula import INTERCEPT, Formula, RandomTerm, evaluate_columns, plain_names

NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal")  # what infer_dtype calls numbers
EARLY = 20_000  # rows looked at before all of them


@dataclass(frozen=True)
class RandomBlock:
    """One random term with its own covariance matrix: columns Z (n, q), and the level of its group in every row.

    `term` is its position in the formula (the columns of `||` share one), `column` that of Z's first in the term;
    `keys` find the level of new rows.
    """

    group: str
    names: tuple[str, ...]
    Z: np.ndarray
    codes: np.ndarray
    n_levels: int
    term: int = 0
    column: int = 0
    keys: GroupKeys | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Design:
    """The matrices of a mixed model.

    `y` (n,), `X` (n, p) with `terms` as column names, `random` terms, `rows` (n,) the positions in the caller's frame,
    `dropped_by` the rows without a value per variable (one row may count for several variables), `coding` what it takes
    to evaluate the formula on new rows.
    """

    response: str
    y: np.ndarray
    X: np.ndarray
    terms: tuple[str, ...]
    random: tuple[RandomBlock, ...]
    rows: np.ndarray
    n_dropped: int
    dropped_by: dict[str, int]
    coding: Coding | None = field(default=None, repr=False)

    @property
    def groups(self) -> dict[str, RandomBlock]:
        """One random term per grouping factor, the coarsest factor first."""
        first: dict[str, RandomBlock] = {}
        for block in self.random:
            first.setdefault(block.group, block)
        return dict(sorted(first.items(), key=lambda item: item[1].n_levels))

    @cached_property
    def levels(self) -> dict[str, str]:
        """Fixed term -> coarsest grouping factor within whose groups it is constant (see `term_levels`)."""
        levels, groups = {}, list(self.groups.items())
        for name, column in zip(self.terms, self.X.T, strict=True):
            constant_in = (group for group, block in groups if name == INTERCEPT or is_constant_within(column, block))
            levels[name] = next(constant_in, "")
        return levels


def build_design(formula: Formula, data: pd.DataFrame) -> Design:
    """Evaluate a formula on the complete rows of a frame.

    Parameters
    ----------
    formula : Formula
        As `parse_formula` returns it.
    data : pandas.DataFrame
        Not changed. Rows with a missing value in any column of the formula are left out and counted.

    Returns
    -------
    Design

    Raises
    ------
    ModelError
        For unknown or doubled columns, no complete row, infinite or non-numeric values, incomplete grouping columns.

    Examples
    --------
    >>> from alliance_analysis.mixed.formula import parse_formula
    >>> frame = pd.DataFrame({"y": [1.0, 2.0, 4.0, None], "client": ["a", "a", "b", "b"]})
    >>> build_design(parse_formula("y ~ 1 + (1 | client)"), frame).dropped_by
    {'y': 1}
    """
    if not isinstance(data, pd.DataFrame):
        raise ModelError(f"data must be a pandas DataFrame, got {type(data).__name__}.")
    _check_columns(formula, data)
    missing = {name: data[name].isna().to_numpy() for name in formula.columns}
    _check_groups_complete(formula, missing)
    dropped_by = {name: int(lost.sum()) for name, lost in missing.items() if lost.any()}
    rows = (
        np.flatnonzero(~np.any([missing[name] for name in dropped_by], axis=0)) if dropped_by else np.arange(len(data))
    )
    if rows.size == 0:
        raise ModelError(_no_rows_message(len(data), dropped_by))
    raw = data.iloc[rows] if dropped_by else data
    frame = _plain_columns(formula, raw)
    _check_no_flag(formula.response, raw)
    y = _evaluate_response(formula.response, frame)
    terms, X = _evaluate(formula.fixed, frame)
    fixed = (terms, X)
    random = tuple(b for k, term in enumerate(formula.random) for b in _random_blocks(k, term, frame, raw, fixed))
    coding = record_coding(formula, frame)
    return Design(formula.response, y, X, terms, random, rows, len(data) - rows.size, dropped_by, coding)


def _check_columns(formula: Formula, data: pd.DataFrame) -> None:
    names = [str(name) for name in data.columns]
    for column in formula.columns:
        if column not in names:
            near = difflib.get_close_matches(column, names, n=3)
            hint = f"; nearest: {', '.join(near)}" if near else ""
            raise ModelError(f"formula: '{column}' is not a column of the data{hint}. Correct it or add the column.")
        if names.count(column) > 1:
            raise ModelError(f"data: the column '{column}' is there {names.count(column)} times. Keep one of them.")


def _check_groups_complete(formula: Formula, missing: dict[str, np.ndarray]) -> None:
    for column in formula.group_columns:
        count = int(missing[column].sum())
        if count:
            raise ModelError(
                f"{column}: {count} of {len(missing[column])} rows have no value; a grouping column must be complete. "
                "Drop those rows or fill in the group."
            )


def _no_rows_message(n_rows: int, dropped_by: dict[str, int]) -> str:
    if n_rows == 0:
        return "data: there are 0 rows. Check how the frame was made."
    counts = ", ".join(f"{name} in {count}" for name, count in sorted(dropped_by.items(), key=lambda item: -item[1]))
    return (
        f"data: none of the {n_rows} rows has a value in every column of the formula; missing are {counts}. "
        "Drop a column from the formula."
    )


def _plain_columns(formula: Formula, complete: pd.DataFrame) -> pd.DataFrame:
    """Numbers as float64, everything else as text or sorted categories: what formulae reads without surprises."""
    columns: dict[str, pd.Series | np.ndarray] = {}
    inside = " ".join([formula.response, formula.fixed, *(term.expression for term in formula.random)]).split()
    for name in formula.columns:
        column = _as_numbers(complete[name])
        if column.dtype.kind == "c":
            raise ModelError(f"{name}: it holds complex numbers; real ones are allowed. Take the part you mean.")
        if name not in inside and column.dtype.kind in "iub":
            continue  # a group by whole numbers needs no copy as floats
        if is_numeric_dtype(column.dtype) or is_bool_dtype(column.dtype):
            columns[name] = _finite(name, column.to_numpy(dtype=float))
        elif isinstance(column.dtype, pd.CategoricalDtype):
            columns[name] = column.cat.remove_unused_categories().reset_index(drop=True)
        elif column.dtype.kind in "mM":
            raise ModelError(f"{name}: dates and durations cannot stand in a formula. Turn them into numbers first.")
        else:
            columns[name] = column.astype(str).reset_index(drop=True)
    frame = pd.DataFrame(columns, copy=False)
    _check_factors_vary(frame.drop(columns=[*formula.group_columns, formula.response], errors="ignore"))
    return frame


def _as_numbers(column: pd.Series) -> pd.Series:
    """Numbers that stand in a column of objects, as after reading a mixed file, are numbers."""
    if column.dtype != object or infer_dtype(column, skipna=False) not in NUMBERS:
        return column
    return column.astype(float)


def _check_factors_vary(predictors: pd.DataFrame) -> None:
    """A factor with a single level has no dummy: formulae would leave it out without a word."""
    for name, column in predictors.select_dtypes(exclude="number").items():
        if column.nunique() == 1:
            where = f"in the {len(column)} rows used"
            raise ModelError(f"{name}: the predictor is constant ({str(column.iloc[0])!r}) {where}. Drop it.")


def _finite(name: str, values: np.ndarray) -> np.ndarray:
    if is_all_finite(values):
        return values
    count = int(np.isinf(values).sum())
    if count:
        raise ModelError(f"{name}: infinite values in {count} rows. Correct them or make them missing.")
    return values


def is_all_finite(values: np.ndarray) -> bool:
    """Whether no value is infinite or missing: one sum says so, without a mask of the values' size."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(values.sum()))


def _evaluate(expression: str, frame: pd.DataFrame) -> tuple[tuple[str, ...], np.ndarray]:
    names, matrix = evaluate_columns(expression, frame)
    for name, column in zip(names, matrix.T, strict=True):
        bad = 0 if is_all_finite(column) else int((~np.isfinite(column)).sum())
        if bad:
            total = len(column)
            raise ModelError(f"{name}: {bad} of {total} values are not finite numbers. A log needs positive values.")
    return names, matrix


def _check_no_flag(response: str, raw: pd.DataFrame) -> None:
    if response in raw and is_bool_dtype(raw[response].dtype):
        raise ModelError(
            f"{response}: the outcome is true or false, and this model is for numbers. Code it 0 and 1 if you mean a "
            "linear model of a share."
        )


def _evaluate_response(expression: str, frame: pd.DataFrame) -> np.ndarray:
    if expression in frame and not is_numeric_dtype(frame[expression].dtype):
        value = str(frame[expression].iloc[0])
        raise ModelError(f"{expression}: the outcome must be numeric, but it holds text such as {value!r}. Recode it.")
    names, matrix = _evaluate(f"0 + {expression}", frame)
    if matrix.shape[1] != 1:
        raise ModelError(f"formula: the outcome '{expression}' gives {len(names)} columns; one is allowed.")
    return matrix[:, 0]


def _random_blocks(
    position: int, term: RandomTerm, frame: pd.DataFrame, raw: pd.DataFrame, fixed: tuple[tuple[str, ...], np.ndarray]
) -> list[RandomBlock]:
    codes, keys = number_groups(term.group, raw)  # labels as they are: as a float a 17-digit id would be rounded
    n_levels = int(codes.max()) + 1
    names, Z = _shared_columns(term.expression, frame, *fixed) or _evaluate(term.expression, frame)
    if not names:
        raise ModelError(f"formula: '({term.expression} | {term.name})' has no column. Write '(1 | {term.name})'.")
    if term.correlated:
        return [RandomBlock(term.name, names, Z, codes, n_levels, position, 0, keys)]
    # `||`: each column gets a variance of its own, dummies of a factor included.
    return [
        RandomBlock(term.name, (name,), Z[:, [i]], codes, n_levels, position, i, keys) for i, name in enumerate(names)
    ]


def _shared_columns(
    expression: str, frame: pd.DataFrame, terms: tuple[str, ...], X: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray] | None:
    """Find the columns of a random term among the fixed ones, as a view; None unless they stand there side by side."""
    names = plain_names(expression, frame)
    if not names or any(name not in terms for name in names):
        return None
    start = terms.index(names[0])
    inside = slice(start, start + len(names))
    return (names, X[:, inside]) if terms[inside] == names else None


def term_levels(design: Design) -> dict[str, str]:
    """Find for each fixed term the coarsest grouping factor within whose groups it is constant.

    Returns
    -------
    dict
        Term -> group; "" for a term that varies inside the groups of every factor. `(Intercept)` never varies.
    """
    return dict(design.levels)


def is_constant_within(column: np.ndarray, block: RandomBlock) -> bool:
    """Whether a column (n,) has one value within each group of a random term."""
    if column.size > EARLY and not is_constant_within(column[:EARLY], replace(block, codes=block.codes[:EARLY])):
        return False
    first = np.empty(block.n_levels)
    first[block.codes[::-1]] = column[::-1]
    # Group means computed in another order differ in the last digits.
    low, high = float(column.min()), float(column.max())
    allowed = 1e-9 * max(high - low, max(abs(low), abs(high)) * 1e-3)
    away = column - first[block.codes]
    return bool(max(away.max(), -away.min()) <= allowed)
