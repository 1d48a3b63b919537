"""Refuses models that the data cannot identify, each by the name of the column or group that is the cause."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.columns import LARGE, unexplained_shares
from alliance_analysis.mixed.design import Design, RandomBlock, is_constant_within, term_levels
from alliance_analysis.mixed.formula import INTERCEPT

ALIASED = 1e-7  # a column of whose spread the columns before it leave a smaller share is their combination
HEAD = 20_000  # first rows of a large matrix: columns that are independent in them are so in all
CLEAR = 1e-4  # share of a column's square left by the others above which rounding cannot hide an alias
LARGEST, SMALLEST = 1e100, 1e-100  # beyond, squares overflow or vanish
CONSTANT = 1e-12  # range relative to the largest value that counts as none
MAX_NAMED = 5  # names in one message


def check_identified(design: Design) -> None:
    """Raise ModelError with the cause when a design cannot be estimated; return nothing when it can.

    Raises
    ------
    ModelError
        Too few rows, values too large to be squared, a constant outcome or predictor, aliased fixed or random columns,
        a random term or grouping factor twice, a random slope on what does not vary within the group, a group with one
        level or without replication, as many group-level coefficients as groups, an outcome that the fixed terms
        reproduce exactly.
    """
    _check_size(design)
    _check_magnitudes(design)
    _check_outcome(design)
    _check_fixed(design)
    _check_exact(design)
    _check_repeats(design)
    for block in design.random:
        _check_group(block)
    _check_slopes_vary(design)
    _check_same_grouping(design)
    _check_varies_within(design)
    levels = term_levels(design)
    for group, block in design.groups.items():
        _check_group_predictors(design, levels, group, block.n_levels)


def _check_size(design: Design) -> None:
    n, p = design.X.shape
    if p == 0:
        raise ModelError("formula: there is no fixed term. Add at least the intercept, '1'.")
    if n <= p:
        raise ModelError(f"data: {n} complete rows for {p} fixed terms; more rows than terms are needed. Drop terms.")


def _check_magnitudes(design: Design) -> None:
    for name, column in zip((design.response, *design.terms), (design.y, *design.X.T), strict=True):
        size = max(float(column.max()), -float(column.min()))
        if size > LARGEST or 0 < size < SMALLEST:
            raise ModelError(f"{name}: the largest value is {size:.0e}; squares cannot be computed. Change its unit.")


def _check_outcome(design: Design) -> None:
    if _is_constant(design.y):
        raise ModelError(
            f"{design.response}: the outcome is constant ({design.y[0]:g}) in the {len(design.y)} rows used. "
            "Choose an outcome that varies."
        )


def _check_fixed(design: Design) -> None:
    names = design.terms
    if INTERCEPT in names:
        for name, column in zip(names, design.X.T, strict=True):
            if name != INTERCEPT and _is_constant(column):
                raise ModelError(
                    f"{name}: the predictor is constant ({column[0]:g}) in the {len(column)} rows used. Drop it."
                )
    alias = _first_alias(design.X, names)
    if alias:
        raise ModelError(f"{alias[0]}: it is a combination of {alias[1]}; the effects cannot be told apart. Drop one.")


def _check_exact(design: Design) -> None:
    if design.X.size > LARGE and _are_clearly_independent(np.column_stack([design.X[:HEAD], design.y[:HEAD]])):
        return
    columns = design.X / np.sqrt(np.mean(design.X**2, axis=0))
    coefficients, *_ = np.linalg.lstsq(columns, design.y, rcond=None)
    rest = design.y - columns @ coefficients
    if np.sqrt(np.mean(rest**2)) <= 1e-10 * np.std(design.y):
        raise ModelError(
            f"{design.response}: the fixed terms reproduce the outcome exactly; nothing is left for the random terms. "
            "Check whether a predictor was computed from the outcome."
        )


def _check_repeats(design: Design) -> None:
    pairs = [(block.group, name) for block in design.random for name in block.names]
    for group, name in pairs:
        if pairs.count((group, name)) > 1:
            raise ModelError(
                f"formula: the random term {name} of {group} is there {pairs.count((group, name))} times; its "
                "variances cannot be told apart. Keep one."
            )


def _check_group(block: RandomBlock) -> None:
    n, q = block.Z.shape
    group, levels = block.group, block.n_levels
    if levels == 1:
        raise ModelError(f"{group}: it has 1 level in the {n} rows used; one is too few. Drop '(… | {group})'.")
    if levels == n:
        raise ModelError(
            f"{group}: each of the {n} rows has its own level; its variance cannot be told apart from the residual's. "
            f"Drop '(… | {group})'."
        )
    if n <= q * levels:
        raise ModelError(
            f"{group}: {levels} levels with {q} random terms each need more than {q * levels} rows, got {n}. "
            f"Drop a random term of {group}."
        )
    for name, column in zip(block.names, block.Z.T, strict=True):
        if not column.any():
            raise ModelError(f"{group}: the random term {name} is zero in every row. Drop it.")
    alias = _first_alias(block.Z, block.names)
    if alias:
        raise ModelError(f"{group}: the random term {alias[0]} is a combination of {alias[1]}. Drop one of them.")


def _check_slopes_vary(design: Design) -> None:
    """Beside an intercept, a slope on what never varies within a group only makes groups differ in their variance."""
    for block in design.random:
        together = [other for other in design.random if other.group == block.group]
        if len(block.names) == 1 and not any(INTERCEPT in other.names for other in together):
            continue
        for name, column in zip(block.names, block.Z.T, strict=True):
            if name != INTERCEPT and is_constant_within(column, block):
                raise ModelError(
                    f"{block.group}: the random term {name} does not vary within any {block.group}; its variance and "
                    f"that of the other terms of {block.group} cannot be told apart. Drop it."
                )


def _check_same_grouping(design: Design) -> None:
    for (one, first), (other, second) in combinations(design.groups.items(), 2):
        if first.n_levels != second.n_levels:
            continue
        together = np.unique(np.column_stack([first.codes, second.codes]), axis=0)
        if len(together) == first.n_levels:
            raise ModelError(
                f"{one} and {other}: they group the rows used in the same way ({first.n_levels} levels), so their "
                "variances cannot be told apart. Keep one."
            )


def _check_varies_within(design: Design) -> None:
    for group, block in design.groups.items():
        if INTERCEPT in block.names and is_constant_within(design.y, block):
            raise ModelError(
                f"{design.response}: the outcome does not vary within {group}, so the residual variance would be zero. "
                f"Keep one row per {group} and leave the random term out."
            )


def _check_group_predictors(design: Design, levels: dict[str, str], group: str, n_levels: int) -> None:
    """As many coefficients between groups as groups: group variance and effects would explain the same thing."""
    if not any(block.group == group and INTERCEPT in block.names for block in design.random):
        return
    coarser = list(design.groups)[: list(design.groups).index(group) + 1]
    between = [term for term, level in levels.items() if level in coarser]
    predictors = [term for term in between if term != INTERCEPT]
    if not predictors or len(between) < n_levels:
        return
    one = len(predictors) == 1
    raise ModelError(
        f"{n_levels} {group}s and the {group}-level predictor{'' if one else 's'} {_named(predictors)}: "
        f"{'its effect' if one else 'their effects'} and the {group} variance cannot be told apart. Drop one of them."
    )


def _named(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


def _is_constant(column: np.ndarray) -> bool:
    low, high = float(column.min()), float(column.max())
    return high - low <= CONSTANT * max(abs(low), abs(high))


def _are_clearly_independent(columns: np.ndarray) -> bool:
    varying = [not _is_constant(column) for column in columns.T]
    return sum(varying) >= columns.shape[1] - 1 and bool(unexplained_shares(columns).min() > CLEAR)


def _first_alias(columns: np.ndarray, names: tuple[str, ...]) -> tuple[str, str] | None:
    """Find the first column that the ones before it reproduce, and name those that take part."""
    if len(names) == 1 or (columns.size > LARGE and _are_clearly_independent(columns[:HEAD])):
        return None
    if INTERCEPT in names:
        # Judged without their means, so that a large origin does not make a column look like the intercept.
        constant = [_is_constant(column) for column in columns.T]
        columns = np.where(constant, columns, columns - columns.mean(axis=0))
    standard = columns / np.sqrt(np.mean(columns**2, axis=0))
    for j in range(1, len(names)):
        weights, *_ = np.linalg.lstsq(standard[:, :j], standard[:, j], rcond=None)
        rest = standard[:, j] - standard[:, :j] @ weights
        if np.sqrt(np.mean(rest**2)) < ALIASED:
            return names[j], _named([names[i] for i in np.flatnonzero(np.abs(weights) > 1e-6)])
    return None
