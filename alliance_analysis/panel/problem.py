"""What the likelihood of a panel VAR is computed from: ratings sorted into batches, and the layout of theta."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

_CHUNK = 200_000  # numbers in the covariance matrices of one batch, which then stay in the processor's cache


@dataclass(frozen=True)
class Batch:
    """Clients with about equally many ratings; those with the same gaps share one covariance matrix.

    Shorter series are filled up with cells of variance 1 and value 0 that go with nothing, so that they add nothing.

    Attributes
    ----------
    cells : ndarray of int, shape (patterns, m)
        Cells of the grid that were rated; T * K stands for a filling.
    pairs : ndarray of int, shape (patterns, m, m)
        Where each pair of cells stands in the raveled grid covariance, followed by a 0 and a 1 for fillings.
    clients : ndarray of int, shape (c,)
    pattern : ndarray of int, shape (c,)
    count : ndarray, shape (patterns,)
        Clients per pattern.
    values : ndarray, shape (c, m)
    """

    cells: np.ndarray
    pairs: np.ndarray
    clients: np.ndarray
    pattern: np.ndarray
    count: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class PanelProblem:
    """Everything the likelihood needs, in units in which every series has within-client variance 1.

    Attributes
    ----------
    X : ndarray, shape (T * K, p)
    Z : ndarray, shape (T * K, q)
    n_series : int
    stationary : bool
    n_clients, n_ratings : int
    batches : tuple of Batch
    """

    X: np.ndarray
    Z: np.ndarray
    n_series: int
    stationary: bool
    n_clients: int
    n_ratings: int
    batches: tuple[Batch, ...]

    @property
    def n_occasions(self) -> int:
        """Number of session numbers T on the grid."""
        return len(self.X) // self.n_series

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of the matrices behind theta: S, G and, where it is free, the first session's covariance."""
        return (self.n_series, self.Z.shape[1], *(() if self.stationary else (self.n_series,)))

    @property
    def n_theta(self) -> int:
        """Number of free parameters besides the mean course."""
        return self.n_series**2 + sum(size * (size + 1) // 2 for size in self.sizes)


def build_problem(
    values: np.ndarray, seen: np.ndarray, X: np.ndarray, Z: np.ndarray, n_series: int, *, stationary: bool = True
) -> PanelProblem:
    """Sort clients (n, T * K) by number and pattern of ratings."""
    batches: list[Batch] = []
    filled = np.column_stack([values, np.zeros(len(values))])
    counts = seen.sum(axis=1)
    for m in _lengths(counts):
        members = np.flatnonzero((counts <= m) & (counts > (batches[-1].cells.shape[1] if batches else 0)))
        patterns, pattern = np.unique(seen[members], axis=0, return_inverse=True)
        pattern = pattern.ravel()
        size = max(1, _CHUNK // m**2)
        for start in range(0, len(patterns), size):
            chosen = (pattern >= start) & (pattern < start + size)
            some = patterns[start : start + size]
            cells = np.sort(np.where(some, np.arange(len(X)), len(X)), axis=1)[:, :m]
            who, own = members[chosen], pattern[chosen] - start
            count = np.bincount(own, minlength=len(cells)).astype(float)
            batches.append(Batch(cells, _pairs(cells, len(X)), who, own, count, filled[who[:, None], cells[own]]))
    return PanelProblem(X, Z, n_series, stationary, len(values), int(counts.sum()), tuple(batches))


def _lengths(counts: np.ndarray) -> list[int]:
    """Return the lengths to which series are filled up: few batches, and little work on fillings."""
    lengths: list[int] = []
    for m in np.unique(counts[counts > 0])[::-1]:
        if not lengths or m < 0.85 * lengths[-1] - 1:
            lengths.append(int(m))
    return lengths[::-1]


def _pairs(cells: np.ndarray, grid: int) -> np.ndarray:
    """Return where pairs of cells stand in the raveled grid covariance; fillings are at its end."""
    pairs = cells[:, :, None] * grid + cells[:, None, :]
    filling = cells == grid
    pairs[filling[:, :, None] | filling[:, None, :]] = grid * grid
    own = np.arange(cells.shape[1])
    pairs[:, own, own] += filling
    return pairs


def replace_values(problem: PanelProblem, values: np.ndarray) -> PanelProblem:
    """Return the problem with other values (n, T * K) of the same ratings."""
    filled = np.column_stack([values, np.zeros(len(values))])
    batches = [replace(b, values=filled[b.clients[:, None], b.cells[b.pattern]]) for b in problem.batches]
    return replace(problem, batches=tuple(batches))


def thin_problem(problem: PanelProblem, step: int) -> PanelProblem:
    """Return the problem of every `step`-th client."""
    batches = []
    for batch in problem.batches:
        kept = batch.clients % step == 0
        if not kept.any():
            continue
        patterns, pattern = np.unique(batch.pattern[kept], return_inverse=True)
        count = np.bincount(pattern).astype(float)
        cells, pairs = batch.cells[patterns], batch.pairs[patterns]
        batches.append(Batch(cells, pairs, batch.clients[kept] // step, pattern, count, batch.values[kept]))
    n = (problem.n_clients - 1) // step + 1
    rated = sum(int((batch.cells[batch.pattern] < len(problem.X)).sum()) for batch in batches)
    return replace(problem, n_clients=n, n_ratings=rated, batches=tuple(batches))


def unpack(theta: np.ndarray, problem: PanelProblem) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Read A and the lower triangular factors of S, G (and the first covariance) from theta."""
    K = problem.n_series
    factors, start = [], K * K
    for size in problem.sizes:
        factor = np.zeros((size, size))
        rows, columns = np.tril_indices(size)
        factor[rows, columns] = theta[start : start + len(rows)]
        factors.append(factor)
        start += len(rows)
    return theta[: K * K].reshape(K, K), tuple(factors)


def pack(A: np.ndarray, factors: tuple[np.ndarray, ...]) -> np.ndarray:
    """Write A and lower triangles (with any leading axes) as theta."""
    lead = A.shape[:-2]
    parts = [A.reshape(*lead, -1)]
    for factor in factors:
        rows, columns = np.tril_indices(factor.shape[-1])
        parts.append(factor[..., rows, columns])
    return np.concatenate(parts, axis=-1)
