"""Sums cross-products for groups that are not nested: dense matrices, one per set of groups that hang together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from alliance_analysis.errors import ModelError

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


def sum_batches(Z: list[np.ndarray], codes: list[np.ndarray], U: np.ndarray) -> tuple[Batch, ...]:
    """Sum Z'Z and Z'U over the rows of every connected block.

    Parameters
    ----------
    Z : list of (n, q_k) arrays
        Internal columns of each random term.
    codes : list of (n,) integer arrays
    U : (n, m) array
        Internal fixed columns and outcome.

    Raises
    ------
    ModelError
        When crossed groups hang together in a block too large for dense matrices.
    """
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
