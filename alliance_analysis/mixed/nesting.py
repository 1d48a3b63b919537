"""Finds out whether the groups are nested, and sums the rows' cross-products group by group, a chunk at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.covariance import Pairs, Precision

Related = tuple[tuple[np.ndarray, ...], ...]
CHUNK = 6_144  # innermost groups in one chunk: large against the cost of a call, small against the processor's cache
FIRST = 1_536  # and in the first chunk


@dataclass(frozen=True)
class Nest:
    """Strictly nested grouping factors, the innermost first.

    `terms` has the random terms of each level, `order` (n,) the rows group by group (None: they are so already),
    `starts` per level the first row of each of its groups in that order, `labels` per level their codes.
    """

    terms: tuple[tuple[int, ...], ...]
    order: np.ndarray | None
    starts: tuple[np.ndarray, ...]
    labels: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class ChunkPlan:
    """Which rows some whole outermost groups have, and how their products are to be summed.

    `first[k][j]` is the first group of level k in each group of level k + 1 + j of the chunk, `counts[k][j]` how many
    groups there are in each; `labels[k]` are the groups' codes. Without a residual structure there is one
    entry per group; with one, an entry per innermost group and kind of weight: `pairs` are the rows (in the chunk) that
    each weight joins, `starts` the first pair of every entry, the same at every level, `kinds` (entries,), `entries[k]`
    the first entry of each group of level k.
    """

    rows: slice | np.ndarray
    starts: tuple[np.ndarray, ...]
    first: Related
    counts: Related
    labels: tuple[np.ndarray, ...]
    pairs: Pairs | None = None
    kinds: np.ndarray | None = None
    entries: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Chunk:
    """The cross-products of some whole outermost groups, as vectors over their entries.

    The products of a level with q columns (products, entries): the lower triangle of S = Z'Z, then C = Z'R row by row,
    R being the r columns [Z of the outer levels, X, y]. `UU` (m, m) are U's own.
    """

    plan: ChunkPlan
    tables: tuple[np.ndarray, ...]
    UU: np.ndarray

    @property
    def n(self) -> int:
        """How many rows the chunk has."""
        rows = self.plan.rows
        return rows.stop - rows.start if isinstance(rows, slice) else len(rows)


def find_nest(codes: list[np.ndarray]) -> Nest | None:
    """Order the grouping factors from the innermost out; None when they are not strictly nested.

    Parameters
    ----------
    codes : list of (n,) integer arrays
        Level of each random term's grouping factor, 0, 1, ... without gaps.
    """
    terms: list[list[int]] = []
    for k in sorted(range(len(codes)), key=lambda k: -int(codes[k].max())):
        same = [level for level in terms if codes[level[0]] is codes[k] or np.array_equal(codes[level[0]], codes[k])]
        if same:
            same[0].append(k)
        else:
            terms.append([k])
    if not terms:
        return Nest((), None, (), ())
    factors = [codes[level[0]] for level in terms]
    order = None
    starts = _contiguous(factors)
    if starts is None:
        order = np.lexsort(factors)
        starts = _contiguous([factor[order] for factor in factors])
    if starts is None:
        return None
    labels = tuple(f[s] if order is None else f[order[s]] for f, s in zip(factors, starts, strict=True))
    return Nest(tuple(map(tuple, terms)), order, tuple(starts), labels)


def _contiguous(factors: list[np.ndarray]) -> list[np.ndarray] | None:
    """First rows of every level's groups, when each group is one run of rows inside one run of the next level."""
    starts = []
    inner: np.ndarray | None = None
    for factor in factors:
        change = factor[1:] != factor[:-1]
        if int(np.count_nonzero(change)) != int(factor.max()):
            return None
        if inner is not None and (change & ~inner).any():
            return None
        starts.append(np.concatenate([[0], np.flatnonzero(change) + 1]))
        inner = change
    return starts


def plan_chunks(nest: Nest, n: int, residual: Precision | None) -> tuple[ChunkPlan, ...]:
    """Cut the rows into chunks of whole outermost groups and lay out how their products are summed."""
    pairs = _sort_pairs(nest, n, residual) if residual else None
    plans = []
    for rows, groups in _cut(nest, n):
        starts = [all_starts[part] - rows.start for all_starts, part in zip(nest.starts, groups, strict=True)]
        labels = tuple(codes[part] for codes, part in zip(nest.labels, groups, strict=True))
        place = rows if nest.order is None else nest.order[rows]
        plan = ChunkPlan(place, tuple(starts), *_relate_levels(starts), labels)
        plans.append(plan if pairs is None else _with_pairs(plan, *pairs, rows))
    return tuple(plans)


def _cut(nest: Nest, n: int) -> list[tuple[slice, list[slice]]]:
    """(rows, groups of every level) of each chunk."""
    if not nest.starts:
        return [(slice(0, n), [])]
    innermost, outermost = nest.starts[0], nest.starts[-1]
    places = np.searchsorted(innermost, outermost)  # of the outermost groups among the innermost
    # A chunk ends with the outermost group that passes the next multiple of CHUNK; the first one is small (warmstart).
    number = (places + CHUNK - FIRST) // CHUNK
    cuts = np.flatnonzero(np.diff(number, prepend=number[0]))
    bounds = np.concatenate([[0], outermost[cuts], [n]])
    where = [np.searchsorted(starts, bounds) for starts in nest.starts]
    return [
        (slice(int(a), int(b)), [slice(int(w[i]), int(w[i + 1])) for w in where])
        for i, (a, b) in enumerate(pairwise(bounds))
    ]


def _relate_levels(starts: list[np.ndarray]) -> tuple[Related, Related]:
    """Which groups of every level begin those of the levels outside it, and how many lie in each."""
    first = [tuple(np.searchsorted(own, outer) for outer in starts[k + 1 :]) for k, own in enumerate(starts)]
    counts = [tuple(np.diff(f, append=len(own)) for f in level) for own, level in zip(starts, first, strict=True)]
    return tuple(first), tuple(counts)


def _sort_pairs(nest: Nest, n: int, residual: Precision) -> tuple[Pairs, np.ndarray]:
    """The pairs, sorted by group and in a group by kind, rows numbered as in the nest; and their groups' first rows."""
    position = np.arange(n)
    if nest.order is not None:
        position[nest.order] = np.arange(n)
    first, second = position[residual.pairs.first], position[residual.pairs.second]
    innermost = nest.starts[0] if nest.starts else np.zeros(1, dtype=int)
    first_row = innermost.repeat(np.diff(innermost, append=n))
    lowest, other = first_row[first], first_row[second]
    if (lowest != other).any():
        raise ModelError(
            "residual: rows of different groups would be correlated; the structure's groups must lie within those of "
            "the innermost random term. Use a coarser random term or a finer 'by'."
        )
    order = np.argsort(lowest * residual.n_kinds + residual.pairs.kinds, kind="stable")
    return Pairs(first[order], second[order], residual.pairs.kinds[order]), lowest[order]


def _with_pairs(plan: ChunkPlan, pairs: Pairs, lowest: np.ndarray, rows: slice) -> ChunkPlan:
    inside = slice(*np.searchsorted(lowest, [rows.start, rows.stop]))
    first, second, kinds = pairs.first[inside] - rows.start, pairs.second[inside] - rows.start, pairs.kinds[inside]
    own = lowest[inside] - rows.start
    change = np.flatnonzero((np.diff(own) != 0) | (np.diff(kinds) != 0)) + 1
    starts = np.concatenate([[0], change])
    entries = tuple(np.searchsorted(own[starts], group) for group in plan.starts)
    return replace(
        plan,
        starts=(starts,) * len(plan.starts),
        pairs=Pairs(first, second, kinds),
        kinds=kinds[starts],
        entries=entries,
    )


def sum_tables(columns: np.ndarray, widths: list[int], plan: ChunkPlan) -> tuple[np.ndarray, ...]:
    """Sum the products of a chunk's columns (c, rows) over the entries of every level.

    `columns` has the Z of every level, the innermost first, then X and y; `widths` how many columns each level has.
    """
    left, right = both_sides(columns, plan.pairs)
    tables, offset = [], 0
    for q, starts in zip(widths, plan.starts, strict=True):
        own, rest = range(offset, offset + q), range(offset + q, len(columns))
        entries = [(a, b) for a in own for b in own if b <= a] + [(a, b) for a in own for b in rest]
        table = np.empty((len(entries), len(starts)))
        for row, (a, b) in zip(table, entries, strict=True):
            np.add.reduceat(multiply(left, right, a, b), starts, out=row)
        tables.append(table)
        offset += q
    return tuple(tables)


def sum_kinds(columns: np.ndarray, pairs: Pairs, n_kinds: int) -> np.ndarray:
    """Sum the products of all columns (c, rows) with each other per kind of weight: (kinds, c, c)."""
    order = np.argsort(pairs.kinds, kind="stable")
    left, right = both_sides(columns, Pairs(pairs.first[order], pairs.second[order], pairs.kinds[order]))
    ends = np.cumsum(np.bincount(pairs.kinds, minlength=n_kinds))
    parts = (slice(a, b) for a, b in pairwise([0, *ends]))
    sums = np.array([left[:, part] @ right[:, part].T for part in parts])
    return np.asarray(sums + sums.transpose(0, 2, 1))


def sum_last_column(
    columns: np.ndarray, widths: list[int], plan: ChunkPlan, tables: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, ...]:
    """Copy tables with the products of the last column (the outcome) summed anew."""
    left, right = both_sides(columns, plan.pairs)
    out, offset = [], 0
    for q, starts, table in zip(widths, plan.starts, tables, strict=True):
        table = table.copy()
        r = len(columns) - offset - q
        for a in range(q):
            table[q * (q + 1) // 2 + (a + 1) * r - 1] = np.add.reduceat(multiply(left, right, offset + a, -1), starts)
        out.append(table)
        offset += q
    return tuple(out)


def sum_last_kinds(columns: np.ndarray, pairs: Pairs, n_kinds: int) -> np.ndarray:
    """Sum the products of the last column with all (c, rows) per kind of weight: (kinds, c)."""
    products = multiply(*both_sides(columns, pairs), len(columns) - 1, slice(None))
    return np.array([np.bincount(pairs.kinds, row, minlength=n_kinds) for row in products]).T


def both_sides(columns: np.ndarray, pairs: Pairs | None) -> tuple[np.ndarray, np.ndarray]:
    """Columns at the first and at the second row of every pair, the first halved where they are the same row."""
    if pairs is None:
        return columns, columns
    halves = np.where(pairs.first == pairs.second, 0.5, 1.0)
    return columns.take(pairs.first, axis=1) * halves, columns.take(pairs.second, axis=1)


def multiply(left: np.ndarray, right: np.ndarray, a: int, others: int | slice) -> np.ndarray:
    """Products (others, rows or pairs) of one column with others, both orders of a pair of rows together."""
    products: np.ndarray = left[a] * right[others]
    if left is not right:
        products += right[a] * left[others]
    return products
