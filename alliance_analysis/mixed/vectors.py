"""Small matrices for every group at once: each entry is a vector over the groups, each operation a few vector ones."""

from __future__ import annotations

import numpy as np

Vectors = list[list[np.ndarray]]  # rows and columns of (groups,) arrays


def times_blocks(H: Vectors, C: np.ndarray) -> np.ndarray:
    """H C for every group, (q, r, g)."""
    out = np.empty_like(C)
    scratch = np.empty_like(C[0])
    for a in range(len(C)):
        np.multiply(H[a][0], C[0], out=out[a])
        for b in range(1, len(C)):
            np.multiply(H[a][b], C[b], out=scratch)
            out[a] += scratch
    return out


def weighted(vectors: list[np.ndarray], weights: np.ndarray, first: int) -> np.ndarray:
    """Sum of vectors, weighted by a column of a lower triangular factor from its diagonal on."""
    return combined(vectors[first:], weights[first:])


def combined(vectors: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Weighted sum of as many vectors as there are; further weights are ignored."""
    total = weights[0] * vectors[0]
    for vector, weight in zip(vectors[1:], weights[1:], strict=False):
        if weight:
            total += weight * vector
    return total


def product(P: Vectors, Q: Vectors) -> Vectors:
    """P Q for every group."""
    out: Vectors = []
    for row in P:
        out.append([])
        for b in range(len(Q)):
            total = row[0] * Q[0][b]
            for c in range(1, len(Q)):
                total += row[c] * Q[c][b]
            out[-1].append(total)
    return out


def factorise(A: Vectors) -> tuple[Vectors, list[np.ndarray]]:
    """A = l diag(d) l' for every group at once."""
    q = len(A)
    lower: Vectors = [[] for _ in range(q)]
    d: list[np.ndarray] = []
    for a in range(q):
        for b in range(a):
            rest = A[a][b]
            for c in range(b):
                rest = rest - lower[a][c] * lower[b][c] * d[c]
            lower[a].append(rest / d[b])
        pivot = A[a][a]
        for c in range(a):
            pivot = pivot - lower[a][c] ** 2 * d[c]
        d.append(pivot)
    return lower, d


def inverse_of(lower: Vectors, d: list[np.ndarray]) -> Vectors:
    """A^-1 entry by entry, its lower triangle."""
    q = len(d)
    M: Vectors = [[d[0]] * q for _ in range(q)]  # l^-1 below its diagonal of ones
    for a in range(q):
        for b in range(a):
            rest = -lower[a][b]
            for c in range(b + 1, a):
                rest = rest - lower[a][c] * M[c][b]
            M[a][b] = rest
    inverse: Vectors = [[] for _ in range(q)]
    scaled = [[M[c][b] / d[c] for b in range(c)] for c in range(q)]
    for a in range(q):
        for b in range(a + 1):
            entry = 1.0 / d[a] if a == b else scaled[a][b]
            for c in range(a + 1, q):
                entry = entry + M[c][a] * scaled[c][b]
            inverse[a].append(entry)
    return inverse
