"""Sums what the likelihood needs over the rows, once: centred, scaled columns and their cross-products per block."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from alliance_analysis.errors import ModelError

Criterion = Literal["REML", "ML"]
MAX_BLOCK = 8_000  # random effects in one block: a dense matrix of this side takes 0.5 GB


@dataclass(frozen=True)
class Batch:
    """Blocks of one shape, stacked. b blocks, q random effects in each, m = p + 1 fixed columns and the outcome."""

    ZZ: np.ndarray  # (b, q, q)
    ZU: np.ndarray  # (b, q, m)
    levels: tuple[np.ndarray, ...]  # per random term (b, levels per block): which level of the grouping factor
    widths: tuple[int, ...]  # per random term: its number of columns

    @property
    def slices(self) -> list[slice]:
        """Where each random term's effects lie among the q."""
        ends = np.cumsum([0, *(level.shape[1] * width for level, width in zip(self.levels, self.widths, strict=True))])
        return [slice(int(a), int(b)) for a, b in pairwise(ends)]


@dataclass(frozen=True)
class Problem:
    """Everything the likelihood needs. Columns are centred, scaled and made orthogonal; the maps back are kept.

    `coefficients` (p, p) and `offset` (p,) map internal coefficients to the data's own columns; `y_scale` is the
    standard deviation taken out of the outcome; `rotations` (q, q) per random term map the user's effects to internal
    ones.
    """

    batches: tuple[Batch, ...]
    UU: np.ndarray
    n: int
    p: int
    criterion: Criterion
    coefficients: np.ndarray
    offset: np.ndarray
    y_scale: float
    rotations: tuple[np.ndarray, ...]

    @property
    def dof(self) -> int:
        """The residual variance's divisor: n - p under REML, n under ML."""
        return self.n - self.p if self.criterion == "REML" else self.n


def build_problem(
    y: np.ndarray, X: np.ndarray, Z: list[np.ndarray], codes: list[np.ndarray], criterion: Criterion
) -> Problem:
    """Centre and scale the columns, then sum their cross-products block by block.

    Parameters
    ----------
    y : (n,) array
    X : (n, p) array of full column rank
    Z : list of (n, q_k) arrays of full column rank
        Columns of each random term.
    codes : list of (n,) integer arrays
        Level of each term's grouping factor, 0, 1, ... without gaps.
    criterion : {"REML", "ML"}

    Returns
    -------
    Problem

    Raises
    ------
    ModelError
        When crossed groups hang together in a block too large for dense matrices.

    Notes
    -----
    X = Q inv(T) with orthogonal Q, y is replaced by its least-squares residual over its standard deviation: a shift of
    a column, or another unit, then changes no number the likelihood sees. A random term with an unstructured covariance
    may take any non-singular map of its columns; a term of one column is scaled only, which is all it may take.
    """
    n, p = X.shape
    Q, coefficients = _orthogonal_columns(X)
    projection = Q.T @ y / n
    residual = y - Q @ projection
    # Once more, for what rounding left of X in the residual when the outcome has a large mean.
    left = Q.T @ residual / n
    residual -= Q @ left
    y_scale = float(np.sqrt(np.mean(residual**2)))
    U = np.column_stack([Q, residual / y_scale])
    rotated = [_rotate(columns) for columns in Z]
    batches = _batches([z for z, _ in rotated], codes, U)
    offset = coefficients @ (projection + left)
    return Problem(batches, U.T @ U, n, p, criterion, coefficients, offset, y_scale, tuple(r for _, r in rotated))


def _orthogonal_columns(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """X = Q inv(T): Q has orthogonal columns of mean square 1. With an intercept the others are centred first."""
    n, p = X.shape
    centre = np.eye(p)
    constant = np.flatnonzero((X == 1).all(axis=0))
    if constant.size:
        centre[constant[0]] = -X.mean(axis=0)
        centre[constant[0], constant[0]] = 1.0
        columns = X - X.mean(axis=0)
        columns[:, constant[0]] = 1.0
    else:
        columns = X
    scale = np.sqrt(np.mean(columns**2, axis=0))
    Q, R = np.linalg.qr(columns / scale)
    return Q * np.sqrt(n), centre @ np.diag(1 / scale) @ np.linalg.inv(R) * np.sqrt(n)


def _rotate(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Z = Z~ R: internal columns Z~ with mean square 1, and the map R of the user's effects to internal ones."""
    Q, T = _orthogonal_columns(Z)
    return Q, np.linalg.inv(T)


def _connected_blocks(codes: list[np.ndarray]) -> list[np.ndarray]:
    """Number the sets of levels that share rows; (levels,) block numbers per grouping factor.

    One grouping factor: each level is a block. Clients in therapists: each therapist. A client who changes therapist
    ties two therapists together, and crossed factors end up in one block.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    sizes = [int(code.max()) + 1 for code in codes]
    starts = np.cumsum([0, *sizes])
    first = codes[0]
    links = [(first, other + start) for other, start in zip(codes[1:], starts[1:], strict=False)]
    source = np.concatenate([first[:0], *(a for a, _ in links)])
    target = np.concatenate([first[:0], *(b for _, b in links)])
    graph = coo_array((np.ones(len(source)), (source, target)), shape=(starts[-1], starts[-1]))
    _, block = connected_components(graph, directed=False)
    return [block[a:b] for a, b in pairwise(starts)]


def _batches(Z: list[np.ndarray], codes: list[np.ndarray], U: np.ndarray) -> tuple[Batch, ...]:
    block_of = _connected_blocks(codes)
    n_blocks = max(int(block.max()) for block in block_of) + 1
    counts = np.column_stack([np.bincount(block, minlength=n_blocks) for block in block_of])
    widths = tuple(z.shape[1] for z in Z)
    largest = int((counts @ np.array(widths)).max())
    if largest > MAX_BLOCK:
        raise ModelError(
            f"random terms: {largest} random effects hang together in one block of crossed groups; at most {MAX_BLOCK} "
            "can be fitted. Drop a crossed grouping factor."
        )
    local = [_position_in_block(block) for block in block_of]
    shapes, batch_of = np.unique(counts, axis=0, return_inverse=True)
    batch_of = batch_of.reshape(-1)
    row_batch = batch_of[block_of[0][codes[0]]]
    batches = []
    for index, shape in enumerate(shapes):
        members = np.flatnonzero(batch_of == index)
        rows = np.flatnonzero(row_batch == index)
        place = np.searchsorted(members, block_of[0][codes[0][rows]])
        starts = np.cumsum([0, *(shape * widths)])
        positions = [
            starts[k] + local[k][codes[k][rows]] * widths[k] + a for k in range(len(Z)) for a in range(widths[k])
        ]
        columns = [Z[k][rows, a] for k in range(len(Z)) for a in range(widths[k])]
        levels = tuple(_level_table(block_of[k], local[k], members, int(shape[k])) for k in range(len(Z)))
        ZZ, ZU = _sum_products(columns, positions, place, U[rows], (len(members), int(starts[-1])))
        batches.append(Batch(ZZ, ZU, levels, widths))
    return tuple(batches)


def _position_in_block(block: np.ndarray) -> np.ndarray:
    """Number the levels inside their block: 0, 1, ... in the order of the levels."""
    order = np.argsort(block, kind="stable")
    starts = np.cumsum(np.bincount(block)) - np.bincount(block)
    position = np.empty(len(block), dtype=int)
    position[order] = np.arange(len(block)) - starts[block[order]]
    return position


def _level_table(block: np.ndarray, local: np.ndarray, members: np.ndarray, per_block: int) -> np.ndarray:
    table = np.zeros((len(members), per_block), dtype=int)
    inside = np.flatnonzero(np.isin(block, members))
    table[np.searchsorted(members, block[inside]), local[inside]] = inside
    return table


def _sum_products(
    columns: list[np.ndarray], positions: list[np.ndarray], place: np.ndarray, U: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Sum z_a z_b and z_a u_j over the rows of each (block, effect, effect) and (block, effect, column)."""
    b, q = shape
    ZZ = np.zeros(b * q * q)
    ZU = np.zeros((b * q, U.shape[1]))
    for z, at in zip(columns, positions, strict=True):
        row = place * q + at
        for other, at_other in zip(columns, positions, strict=True):
            ZZ += np.bincount(row * q + at_other, weights=z * other, minlength=b * q * q)
        for j in range(U.shape[1]):
            ZU[:, j] += np.bincount(row, weights=z * U[:, j], minlength=b * q)
    return ZZ.reshape(b, q, q), ZU.reshape(b, q, -1)
