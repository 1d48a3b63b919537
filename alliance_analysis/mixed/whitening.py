"""Cuts the rows into the blocks that a residual structure correlates, and makes residuals independent again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from alliance_analysis.mixed.attributes import Attributes
from alliance_analysis.mixed.covariance import Pairs, Patterns, Precision
from alliance_analysis.mixed.vectors import lower_triangle


def build_precision(attributes: Attributes) -> Precision:
    """Lay out R^-1 of the rows as a sum over few different blocks.

    Notes
    -----
    One row per occasion with serial correlation is a Markov chain: blocks are consecutive pairs, less the rows that two
    pairs share. Everything else takes the rows of a unit together: of a session, or of a whole series.
    """
    chain = attributes.times is not None and attributes.raters is None
    pairs: list[Pairs] = []
    patterns: list[Patterns] = []
    kinds = 0
    for rows, sign in _chain_blocks(attributes) if chain else _whole_blocks(attributes):
        own, which = _find_patterns(rows, sign, attributes)
        d = rows.shape[1]
        lower = lower_triangle(d)
        first, second = rows[:, lower[0]], rows[:, lower[1]]
        kind = kinds + which[:, None] * len(lower[0]) + np.arange(len(lower[0]))
        pairs.append(Pairs(first.ravel(), second.ravel(), kind.ravel()))
        patterns.append(own)
        kinds += len(own.counts) * len(lower[0])
    joined = Pairs(*(np.concatenate([getattr(p, name) for p in pairs]) for name in ("first", "second", "kinds")))
    return Precision(joined, tuple(patterns), attributes.model)


def whiten(attributes: Attributes, phi: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """Multiply residuals (n,) by the inverse Cholesky factor of their covariance relative to sigma^2, series by series.

    The rows of a series are taken in the order of their times; their results stand where the rows stand.
    """
    out = np.empty_like(residuals)
    for rows, sign in _whole_blocks(attributes):
        patterns, which = _find_patterns(rows, sign, attributes)
        R, _ = attributes.model.evaluate(patterns, phi)
        root = np.linalg.cholesky(R)[which]
        out[rows] = np.linalg.solve(root, residuals[rows][:, :, None])[:, :, 0]
    return out


def find_roots(attributes: Attributes, phi: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows (b, d) of all units of one size, and the Cholesky factors (b, d, d) that `whiten` divides by."""
    roots = []
    for rows, sign in _whole_blocks(attributes):
        patterns, which = _find_patterns(rows, sign, attributes)
        R, _ = attributes.model.evaluate(patterns, phi)
        roots.append((rows, np.linalg.cholesky(R)[which]))
    return roots


def correlate(roots: list[tuple[np.ndarray, np.ndarray]], independent: np.ndarray) -> np.ndarray:
    """Multiply independent values (n,) by the factors of `find_roots`: values with the residuals' correlations."""
    out = np.empty_like(independent)
    for rows, root in roots:
        out[rows] = (root @ independent[rows][:, :, None])[:, :, 0]
    return out


def row_deviations(attributes: Attributes, phi: np.ndarray) -> np.ndarray:
    """Standard deviation (n,) of every row's residual relative to sigma."""
    rows = np.arange(len(attributes.unit))[:, None]
    patterns, which = _find_patterns(rows, 1, attributes)
    R, _ = attributes.model.evaluate(patterns, phi)
    deviations: np.ndarray = np.sqrt(R[which, 0, 0])
    return deviations


def _row_order(attributes: Attributes) -> np.ndarray:
    keys = [key for key in (attributes.raters, attributes.visits, attributes.times) if key is not None]
    return np.lexsort([*keys, attributes.unit])


def _whole_blocks(attributes: Attributes) -> Iterator[tuple[np.ndarray, int]]:
    """Rows (b, d) of all units of d rows, for each d."""
    order = _row_order(attributes)
    unit = attributes.unit[order]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(unit)) + 1])
    sizes = np.diff(np.append(starts, len(unit)))
    for size in np.unique(sizes):
        yield order[starts[sizes == size][:, None] + np.arange(size)], 1


def _chain_blocks(attributes: Attributes) -> Iterator[tuple[np.ndarray, int]]:
    """Consecutive pairs; rows that two pairs share, with sign -1; rows that are alone in their series."""
    order = _row_order(attributes)
    linked = np.diff(attributes.unit[order]) == 0
    before, after = np.append(False, linked), np.append(linked, False)
    for rows, sign in (
        (np.column_stack([order[:-1][linked], order[1:][linked]]), 1),
        (order[before & after][:, None], -1),
        (order[~before & ~after][:, None], 1),
    ):
        if len(rows):
            yield rows, sign


def _find_patterns(rows: np.ndarray, sign: int, attributes: Attributes) -> tuple[Patterns, np.ndarray]:
    """The different blocks among those of `rows` (b, d), and which one each is (b,)."""
    b, d = rows.shape
    parts: list[np.ndarray] = []
    if attributes.times is not None:
        # Gaps that differ in the last digits only are the same gap.
        parts.append(np.round(attributes.times[rows] - attributes.times[rows[:, :1]], 9))
    codes = [attributes.raters, attributes.visits, *attributes.levels]
    parts += [code[rows] for code in codes if code is not None]
    table = np.column_stack(parts) if parts else np.zeros((b, d))
    different, which, counts = _different_rows(table)
    blocks = iter(different.reshape(len(different), -1, d).transpose(1, 0, 2))
    times = next(blocks) if attributes.times is not None else None
    raters = next(blocks).astype(int) if attributes.raters is not None else None
    visits = next(blocks).astype(int) if attributes.visits is not None else None
    levels = tuple(block.astype(int) for block in blocks) if attributes.levels else ()
    return Patterns(sign * counts, times, raters, visits, levels), which


def _different_rows(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The different rows in ascending order, which one each row (b,) is, and how many there are of each."""
    order = np.lexsort(table.T[::-1])
    ascending = table[order]
    new = np.append(True, (ascending[1:] != ascending[:-1]).any(axis=1))
    which = np.empty(len(table), dtype=int)
    which[order] = np.cumsum(new) - 1
    return ascending[new], which, np.bincount(which)
