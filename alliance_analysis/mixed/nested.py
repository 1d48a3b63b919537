"""The likelihood of nested groups: takes the random effects out level by level, and carries derivatives back down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_analysis.mixed.nesting import Chunk
from alliance_analysis.mixed.vectors import Vectors, combined, factorise, inverse_of, product, times_blocks, weighted


@dataclass(frozen=True)
class Level:
    """One level of one chunk after its effects are taken out; g groups, q columns, r columns R outside.

    S = Z'R^-1 Z and C = Z'R^-1 R of what the levels inside have left; A = I + L'S L, H = L A^-1 L'.
    """

    S: Vectors  # q x q of (g,)
    C: np.ndarray  # (q, r, g)
    LA: Vectors  # L A^-1
    H: Vectors


def eliminate(S: Vectors, C: np.ndarray, L: np.ndarray) -> tuple[Level, np.ndarray, float]:
    """Take one level's effects out: returns what the way back needs, H C (q, r, g), and sum log|A|.

    Notes
    -----
    log|V| += log|A|; R'V^-1 R = C0 - C'H C, C0 the products of R before.
    """
    q = len(L)
    if q == 1:
        factor, A = L[0, 0], 1.0 + L[0, 0] ** 2 * S[0][0]
        only = Level(S, C, [[factor / A]], [[factor**2 / A]])
        return only, only.H[0][0] * C, float(np.log(A).sum())
    SL = [[weighted(S[a], L[:, b], b) for b in range(q)] for a in range(q)]
    A = [[weighted([SL[c][b] for c in range(q)], L[:, a], a) for b in range(a + 1)] for a in range(q)]
    for a in range(q):
        A[a][a] += 1.0
    lower, d = factorise(A)
    inverse = inverse_of(lower, d)
    rows = [[inverse[max(a, b)][min(a, b)] for b in range(q)] for a in range(q)]
    # L has no entries above its diagonal: row a of L A^-1 takes the rows of A^-1 up to a.
    LA = [[combined([rows[c][b] for c in range(a + 1)], L[a]) for b in range(q)] for a in range(q)]
    H: Vectors = [[LA[0][0]] * q for _ in range(q)]
    for a in range(q):
        for b in range(a + 1):
            H[a][b] = H[b][a] = combined(LA[a][: b + 1], L[b])
    log_det = float(np.log(np.prod(d, axis=0)).sum())
    return Level(S, C, LA, H), times_blocks(H, C), log_det


def unpack_table(table: np.ndarray, q: int) -> tuple[Vectors, np.ndarray]:
    """Read a level's table (products, g) as S, q x q vectors, and C (q, r, g); no copies."""
    S: Vectors = [[table[0]] * q for _ in range(q)]
    for a in range(q):
        for b in range(a + 1):
            S[a][b] = S[b][a] = table[a * (a + 1) // 2 + b]
    return S, table[q * (q + 1) // 2 :].reshape(q, -1, table.shape[1])


def reduce_chunk(
    chunk: Chunk, tables: tuple[np.ndarray, ...], factors: list[np.ndarray], m: int
) -> tuple[list[Level], np.ndarray, float]:
    """Take all levels out of a chunk, the innermost first.

    Returns
    -------
    levels : list of Level
    taken : (m, m) array
        What is subtracted from U'U.
    log_det : float
    """
    taken, log_det, levels = np.zeros((m, m)), 0.0, []
    widths = [len(L) for L in factors]
    left = list(tables)
    for k, L in enumerate(factors):
        level, HC, own = eliminate(*unpack_table(left[k], len(L)), L)
        offset = 0
        for j, q in enumerate(widths[k + 1 :]):
            gone = _outer_products(level.C, HC, offset, q)
            left[k + 1 + j] = left[k + 1 + j] - np.add.reduceat(gone, chunk.plan.first[k][j], axis=1)
            offset += q
        for a in range(len(L)):
            taken += level.C[a, offset:] @ HC[a, offset:].T
        levels.append(level)
        log_det += own
    return levels, taken, log_det


def _outer_products(C: np.ndarray, HC: np.ndarray, offset: int, q: int) -> np.ndarray:
    """C'H C for q columns of an outer level beside all from there on, packed as that level's table."""
    _, r, groups = C.shape
    table = np.empty((q * (q + 1) // 2 + q * (r - offset - q), groups))
    triangle, row = 0, q * (q + 1) // 2
    for a in range(q):
        products = C[0, offset + a] * HC[0, offset:]
        for c in range(1, len(C)):
            products += C[c, offset + a] * HC[c, offset:]
        if q == 1:
            return products
        table[triangle : triangle + a + 1] = products[: a + 1]
        table[row : row + r - offset - q] = products[q:]
        triangle, row = triangle + a + 1, row + r - offset - q
    return table


def pull_back_chunk(
    chunk: Chunk, levels: list[Level], factors: list[np.ndarray], weights: np.ndarray, *, to_tables: bool
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Differentiate log|V0| + sum(weights * U'V0^-1 U) in every factor, from the outermost level in.

    Returns
    -------
    slopes : list of (q, q) arrays
        Per level, on and below the diagonal.
    adjoints : list of (products, g) arrays
        Derivatives in the entries of every level's table; empty unless `to_tables`.

    Notes
    -----
    With N the derivative in R'V^-1 R of the level and W = C N C': dL = 2 (S - (I - S H) W) L A^-1,
    dS = H + H W H, dC = -2 H C N. The N of the next level in is put together from this level's dS, dC / 2 and own N.
    """
    S_bar: list[np.ndarray] = [np.empty(0)] * len(factors)
    C_bar: list[np.ndarray] = [np.empty(0)] * len(factors)
    slopes: list[np.ndarray] = [np.empty(0)] * len(factors)
    for k in reversed(range(len(factors))):
        level, q = levels[k], len(factors[k])
        CN = _times_outer(chunk, level.C, k, S_bar, C_bar, weights)
        W: Vectors = [[CN[0, 0]] * q for _ in range(q)]
        for a in range(q):
            for b in range(a + 1):
                W[a][b] = W[b][a] = np.einsum("rg,rg->g", CN[a], level.C[b])
        HW = product(level.H, W)
        slopes[k] = _factor_slope(level, W, HW)
        if k or to_tables:
            HWH = product(HW, level.H)
            S_bar[k] = np.array(level.H) + np.array(HWH)
            C_bar[k] = -times_blocks(level.H, CN)
    adjoints = [_pack_adjoint(S, C) for S, C in zip(S_bar, C_bar, strict=True)] if to_tables else []
    return slopes, adjoints


def _factor_slope(level: Level, W: Vectors, HW: Vectors) -> np.ndarray:
    """Sum over the groups of 2 (S - W + S H W) L A^-1, on and below the diagonal."""
    q = len(W)
    SHW = product(level.S, HW)
    slope = np.zeros((q, q))
    for a in range(q):
        inner = [level.S[a][c] - W[a][c] + SHW[a][c] for c in range(q)]
        for b in range(a + 1):
            slope[a, b] = 2 * sum(float(inner[c] @ level.LA[c][b]) for c in range(q))
    return slope


def _times_outer(
    chunk: Chunk, C: np.ndarray, k: int, S_bar: list[np.ndarray], C_bar: list[np.ndarray], weights: np.ndarray
) -> np.ndarray:
    """C N (q, r, g); N of the outer levels is looked up through the parents of every group."""
    m = len(weights)
    CN = np.empty_like(C)
    CN[:, :-m] = 0.0
    np.matmul(weights, C[:, -m:], out=CN[:, -m:])
    offset = 0
    for j, parent in enumerate(chunk.plan.parents[k]):
        dS, dC = S_bar[k + 1 + j].take(parent, axis=2), C_bar[k + 1 + j].take(parent, axis=2)
        q = len(dS)
        rest = slice(offset + q, None)
        for a in range(q):
            for c in range(len(C)):
                CN[c, rest] += C[c, offset + a] * dC[a]
                CN[c, offset + a] += np.einsum("rg,rg->g", C[c, rest], dC[a])
                for b in range(q):
                    CN[c, offset + a] += C[c, offset + b] * dS[a, b]
        offset += q
    return CN


def _pack_adjoint(S: np.ndarray, C: np.ndarray) -> np.ndarray:
    """Derivatives in a level's table: an entry off S's diagonal and every entry of C stand for two."""
    q = len(S)
    rows = [S[a, b] * (1 if a == b else 2) for a in range(q) for b in range(a + 1)]
    return np.concatenate([np.array(rows), 2 * C.reshape(-1, C.shape[-1])])


def predict_chunk(chunk: Chunk, levels: list[Level], v: np.ndarray) -> list[np.ndarray]:
    """Predict the random effects (q, g) of every level on internal columns, v = (-beta, 1): b = H C (-b outside, v)."""
    effects: list[np.ndarray] = [np.empty(0)] * len(levels)
    for k in reversed(range(len(levels))):
        HC = times_blocks(levels[k].H, levels[k].C)
        own = np.einsum("qrg,r->qg", HC[:, -len(v) :], v)
        offset = 0
        for j, parent in enumerate(chunk.plan.parents[k]):
            outside = effects[k + 1 + j][:, parent]
            own -= np.einsum("qrg,rg->qg", HC[:, offset : offset + len(outside)], outside)
            offset += len(outside)
        effects[k] = own
    return effects
