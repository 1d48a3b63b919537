"""Small matrices for every group at once: each entry is a vector over the groups, each operation a few vector ones."""

from __future__ import annotations

from functools import cache

import numpy as np

_ONES = np.array([[1.0], [0.0], [0.0], [1.0], [1.0]])  # what I adds to K's four entries and to the determinant


@cache
def lower_triangle(q: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column numbers of a (q, q) lower triangle."""
    return np.tril_indices(q)


@cache
def square(q: int) -> np.ndarray:
    """Where the entries (q, q) of a symmetric matrix stand in its packed lower triangle."""
    a, b = np.indices((q, q))
    high, low = np.maximum(a, b), np.minimum(a, b)
    places: np.ndarray = high * (high + 1) // 2 + low
    return places


def times_blocks(H: np.ndarray, C: np.ndarray) -> np.ndarray:
    """H C for every group: (q, q, g) times (q, r, g)."""
    out = H[:, 0, None] * C[0]
    for b in range(1, len(C)):
        out += H[:, b, None] * C[b]
    return np.asarray(out)


def times_constant(M: np.ndarray, C: np.ndarray) -> np.ndarray:
    """M C for every group, with the same M (q, q) for all: (q, r, g)."""
    return np.asarray((M @ C.reshape(len(C), -1)).reshape(C.shape))


def dampen(S: np.ndarray, L: np.ndarray) -> tuple[np.ndarray, float]:
    """Compute K = (I + S G)^-1 (q, q, g) and the sum of log|I + S G|, for S (q, q, g), q <= 2, and G = L L'.

    Notes
    -----
    Two columns: |I + S G| = 1 + tr(S G) + |S| |G| and K = (I + adj(G) adj(S)) / |I + S G|.
    """
    G = L @ L.T
    if len(L) == 1:
        det = 1.0 + G[0, 0] * S[0]
        return (1.0 / det)[None], float(np.log(det).sum())
    (a, b), (_, d) = G.tolist()
    # |I + S G| K entry by entry, then |I + S G|: what is linear in S00, S01, S10, S11.
    linear = np.array([[0, b, 0, d], [-b, 0, -d, 0], [0, -a, 0, -b], [a, 0, b, 0], [a, b, b, d]])
    sums = linear @ S.reshape(4, -1) + _ONES
    det = sums[4] + float(L[0, 0] * L[1, 1]) ** 2 * (S[0, 0] * S[1, 1] - S[1, 0] * S[1, 0])
    return (sums[:4] / det).reshape(S.shape), float(np.log(det).sum())


def dampen_by_roots(S: np.ndarray, L: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Compute K, H = G K and the sum of log|I + S G| for any q; H keeps the digits that K loses where S G is large.

    Notes
    -----
    A = I + L'S L, |A| = |I + S G|, H = L A^-1 L', K = I - S H.
    """
    A = _both_sides(L.T, S)
    _add_identity(A)
    inverse, d = _invert(A)
    H = _both_sides(L, inverse)
    K = -times_blocks(S, H)
    _add_identity(K)
    return K, H, float(np.log(np.prod(d, axis=0)).sum())


def _add_identity(A: np.ndarray) -> None:
    diagonal = np.arange(len(A))
    A[diagonal, diagonal] += 1.0


def _both_sides(M: np.ndarray, S: np.ndarray) -> np.ndarray:
    """M S M' for symmetric S (q, q, g)."""
    return times_constant(M, times_constant(M, S).swapaxes(0, 1))


def _invert(A: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """A^-1 (q, q, g) by A = l diag(d) l', and d."""
    q = len(A)
    lower, d = _factorise(A)
    M: list[list[np.ndarray]] = [[d[0]] * q for _ in range(q)]  # l^-1 below its diagonal of ones
    for a in range(q):
        for b in range(a):
            rest = -lower[a][b]
            for c in range(b + 1, a):
                rest = rest - lower[a][c] * M[c][b]
            M[a][b] = rest
    inverse = np.empty_like(A)
    scaled = [[M[c][b] / d[c] for b in range(c)] for c in range(q)]
    for a in range(q):
        for b in range(a + 1):
            entry = 1.0 / d[a] if a == b else scaled[a][b]
            for c in range(a + 1, q):
                entry = entry + M[c][a] * scaled[c][b]
            inverse[a, b] = inverse[b, a] = entry
    return inverse, d


def _factorise(A: np.ndarray) -> tuple[list[list[np.ndarray]], list[np.ndarray]]:
    q = len(A)
    lower: list[list[np.ndarray]] = [[] for _ in range(q)]
    d: list[np.ndarray] = []
    for a in range(q):
        for b in range(a):
            rest = A[a, b]
            for c in range(b):
                rest = rest - lower[a][c] * lower[b][c] * d[c]
            lower[a].append(rest / d[b])
        pivot = A[a, a]
        for c in range(a):
            pivot = pivot - lower[a][c] ** 2 * d[c]
        d.append(pivot)
    return lower, d
