"""Reads from the rows what a residual structure depends on, and refuses rows that cannot inform it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.coding import number_groups
from alliance_analysis.mixed.covariance import CovarianceModel
from alliance_analysis.mixed.design import RandomBlock
from alliance_analysis.mixed.residuals import AR1, ByGroup, SameSession, Structure, Unstructured, column_names

MAX_VISITS = 12  # an unstructured covariance over more has above 78 parameters


@dataclass(frozen=True)
class Attributes:
    """What the covariance of the rows depends on.

    `unit` (n,) numbers the sets of rows that may correlate; `times` (n,), `raters` and `visits` (n,) codes, `levels`
    one (n,) per grouping of the variance. The labels belong to the codes in their order.
    """

    structures: tuple[Structure, ...]
    model: CovarianceModel
    unit: np.ndarray
    times: np.ndarray | None = None
    raters: np.ndarray | None = None
    visits: np.ndarray | None = None
    levels: tuple[np.ndarray, ...] = ()
    rater_labels: tuple[str, ...] = ()
    visit_labels: tuple[str, ...] = ()
    level_labels: tuple[tuple[str, ...], ...] = field(default=())


def read_attributes(structures: tuple[Structure, ...], frame: pd.DataFrame) -> Attributes:
    """Read the columns of the structures on the rows used.

    Raises
    ------
    ModelError
        For a grouping of the variance with one level or with single rows, or with the same levels as another, a time
        that is no number, rows of one series at the same time, more or fewer than two raters, a rater twice
        in a session, a visit twice, or a structure that no two rows can inform.
    """
    found: dict[type, Any] = {type(part): part for part in structures}
    groups = [part for part in structures if isinstance(part, ByGroup)]
    coded = [_codes(frame, (part.column,)) for part in groups]
    more: dict[str, Any] = {
        "levels": tuple(codes for codes, _ in coded),
        "level_labels": tuple(labels for _, labels in coded),
    }
    counts = tuple(len(labels) for _, labels in coded)
    for part, (codes, labels) in zip(groups, coded, strict=True):
        _check_levels(part, codes, labels)
    if Unstructured in found:
        return _read_visits(found[Unstructured], frame)
    unit = np.arange(len(frame))
    if SameSession in found:
        unit, raters, labels = _read_raters(found[SameSession], frame)
        more |= {"raters": raters, "rater_labels": labels}
    _check_told_apart(groups, [*more["levels"], *([more["raters"]] if "raters" in more else [])])
    serial, gap = "", 1.0
    if AR1 in found:
        session = unit if SameSession in found else None
        unit, times = _read_times(found[AR1], frame, session, more.get("raters"))
        more |= {"times": times}
        serial, gap = "whole" if _are_whole(times, unit) else "real", _usual_gap(times, unit)
    model = CovarianceModel(counts, SameSession in found, serial, gap)
    return Attributes(structures, model, unit, **more)


def check_apart(attributes: Attributes, random: tuple[RandomBlock, ...]) -> None:
    """Refuse random effects of the very rows whose covariance a structure leaves free: the two would be one.

    Raises
    ------
    ModelError
        For `Unstructured` or `SameSession` by the groups of a random term.
    """
    free = next((part for part in attributes.structures if isinstance(part, Unstructured | SameSession)), None)
    if free is None or attributes.times is not None:
        return
    unit = attributes.unit
    for block in random:
        first = np.zeros(block.n_levels, dtype=int)
        first[block.codes] = unit
        if block.n_levels == unit.max() + 1 and (first[block.codes] == unit).all():
            raise ModelError(
                f"residual: {type(free).__name__} by {', '.join(column_names(free.by))} and the random terms of "
                f"{block.group} describe the same covariances. Drop '(… | {block.group})'."
            )


def _codes(frame: pd.DataFrame, columns: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes (n,) of the sorted levels, and their labels (of the first row that has them)."""
    codes, _ = number_groups(columns, frame)
    first = np.zeros(int(codes.max()) + 1, dtype=int)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    labels = frame[columns[0]].iloc[first] if len(columns) == 1 else pd.Series(first)
    return codes, tuple(str(label) for label in labels)


def _check_levels(part: ByGroup, codes: np.ndarray, labels: tuple[str, ...]) -> None:
    if len(labels) == 1:
        raise ModelError(f"ByGroup: {part.column} has 1 level ({labels[0]}); a variance by level needs two. Drop it.")
    alone = np.flatnonzero(np.bincount(codes) == 1)
    if len(alone):
        shown = ", ".join(labels[level] for level in alone[:5])
        raise ModelError(
            f"ByGroup: {len(alone)} of {len(labels)} levels of {part.column} have one row (first {shown}); a variance "
            "needs two or more. Put such levels together."
        )


def _check_told_apart(groups: list[ByGroup], levels: list[np.ndarray]) -> None:
    """Log variances are sums over the groupings: their dummies must be linearly independent."""
    if len(levels) < 2:
        return
    cells = np.unique(np.column_stack(levels), axis=0)
    dummies = [np.eye(int(codes.max()) + 1)[codes][:, 1:] for codes in cells.T]
    columns = np.column_stack([np.ones(len(cells)), *dummies])
    if np.linalg.matrix_rank(columns) < columns.shape[1]:
        names = ", ".join(part.column for part in groups)
        raise ModelError(
            f"residual: the variances by {names} cannot be told apart from each other or from those of the raters. "
            "Drop one."
        )


def _read_times(
    part: AR1, frame: pd.DataFrame, session: np.ndarray | None, raters: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    column = frame[part.time]
    if not is_numeric_dtype(column.dtype):
        raise ModelError(
            f"AR1: {part.time} must be numeric, but it holds {str(column.iloc[0])!r}. Number the sessions."
        )
    times = column.to_numpy(dtype=float)
    unit, _ = number_groups(column_names(part.by), frame)
    key = [unit, times] if raters is None else [unit, times, raters]
    repeats = int(pd.DataFrame(dict(enumerate(key))).duplicated().sum())
    if repeats:
        name = ", ".join(column_names(part.by))
        raise ModelError(
            f"AR1: {repeats} rows have the {part.time} of another row of the same {name}; each may be there once. "
            f"Drop repeated rows, or add what tells them apart to 'by'."
        )
    if session is not None:
        together = pd.DataFrame({"session": session, "unit": unit, "time": times}).drop_duplicates()
        if together["session"].duplicated().any() or together.duplicated(["unit", "time"]).any():
            raise ModelError(
                "residual: the sessions of SameSession and the times of AR1 are not the same occasions. Give "
                f"SameSession by={[*column_names(part.by), part.time]!r}."
            )
    if len(unit) == len(np.unique(unit)):
        raise ModelError(
            f"AR1: every {', '.join(column_names(part.by))} has one row; a serial correlation needs two. Drop AR1."
        )
    return unit, times


def _are_whole(times: np.ndarray, unit: np.ndarray) -> bool:
    start = np.full(int(unit.max()) + 1, np.inf)
    np.minimum.at(start, unit, times)
    gaps = times - start[unit]
    return bool((gaps == np.round(gaps)).all())


def _usual_gap(times: np.ndarray, unit: np.ndarray) -> float:
    """Median distance of neighbours in a series; two raters' rows of one occasion have none."""
    order = np.lexsort((times, unit))
    gaps = np.diff(times[order])[np.diff(unit[order]) == 0]
    return float(np.median(gaps[gaps > 0]))


def _read_raters(part: SameSession, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    raters, labels = _codes(frame, (part.rater,))
    if len(labels) != 2:
        shown = ", ".join(labels[:5])
        raise ModelError(f"SameSession: {part.rater} has {len(labels)} values ({shown}); two raters are allowed.")
    unit, _ = number_groups(column_names(part.by), frame)
    name = ", ".join(column_names(part.by))
    repeats = int(pd.DataFrame({"unit": unit, "rater": raters}).duplicated().sum())
    if repeats:
        raise ModelError(
            f"SameSession: {repeats} rows repeat a {part.rater} within the same {name}; each may rate once. "
            "Drop repeated rows, or add what tells them apart to 'by'."
        )
    if unit.max() + 1 == len(unit):
        raise ModelError(
            f"SameSession: no {name} was rated by both; a correlation of the raters needs such pairs. Use ByGroup."
        )
    return unit, raters, labels


def _read_visits(part: Unstructured, frame: pd.DataFrame) -> Attributes:
    visits, labels = _codes(frame, (part.visit,))
    if not 2 <= len(labels) <= MAX_VISITS:
        raise ModelError(
            f"Unstructured: {part.visit} has {len(labels)} values; 2 to {MAX_VISITS} are allowed. "
            "Use AR1 for long series."
        )
    unit, _ = number_groups(column_names(part.by), frame)
    key = pd.DataFrame({"unit": unit, "visit": visits})
    repeats = int(key.duplicated().sum())
    if repeats:
        raise ModelError(
            f"Unstructured: {repeats} rows repeat a {part.visit} within the same {', '.join(column_names(part.by))}; "
            "each may be there once. Drop repeated rows."
        )
    together = np.zeros((len(labels), len(labels)), dtype=int)
    pairs = key.merge(key, on="unit")
    np.add.at(together, (pairs["visit_x"], pairs["visit_y"]), 1)
    if (together == 0).any():
        a, b = np.argwhere(together == 0)[0]
        raise ModelError(
            f"Unstructured: no {', '.join(column_names(part.by))} has both {part.visit} {labels[a]} and {labels[b]}; "
            "their covariance cannot be estimated. Leave one of the two out."
        )
    return Attributes((part,), CovarianceModel(n_visits=len(labels)), unit, visits=visits, visit_labels=labels)
