"""The likelihood of nested groups: takes the random effects out level by level, and carries derivatives back down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_analysis.mixed.nesting import Chunk
from alliance_analysis.mixed.vectors import dampen, dampen_by_roots, square, times_blocks, times_constant


@dataclass(frozen=True)
class Level:
    """One level of one chunk after its effects are taken out; g groups, q columns Z, r columns R outside.

    S = Z'R^-1 Z and C = Z'R^-1 R of what the levels inside have left; G = L L', K = (I + S G)^-1, E = K C.
    """

    E: np.ndarray  # (q, r, g)
    K: np.ndarray  # (q, q, g)
    KS: np.ndarray  # (q, q), sum over the groups


def eliminate(table: np.ndarray, L: np.ndarray) -> tuple[Level, np.ndarray, np.ndarray, float]:
    """Take one level's effects out, given its table (products, g).

    Returns
    -------
    level : Level
    C, HC : (q, r, g) arrays
    log_det : float

    Notes
    -----
    log|V| += log|I + S G|; R'V^-1 R = C0 - C'H C, H = G K, C0 the products of R before.
    """
    q, groups = len(L), table.shape[1]
    S, C = table.take(square(q), axis=0), table[q * (q + 1) // 2 :].reshape(q, -1, groups)
    if q > 2:
        K, H, log_det = dampen_by_roots(S, L)
        E, HC = times_blocks(K, C), times_blocks(H, C)
    else:
        K, log_det = dampen(S, L)
        E = times_blocks(K, C)
        HC = times_constant(L @ L.T, E)
    return Level(E, K, K.reshape(q, -1) @ S.reshape(q, -1).T), C, HC, log_det


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
        level, C, HC, own = eliminate(left[k], L)
        offset = 0
        for j, q in enumerate(widths[k + 1 :]):
            gone = _outer_products(C, HC, offset, q)
            left[k + 1 + j] = left[k + 1 + j] - np.add.reduceat(gone, chunk.plan.first[k][j], axis=1)
            offset += q
        for a in range(len(L)):
            taken += C[a, offset:] @ HC[a, offset:].T
        levels.append(level)
        log_det += own
    return levels, taken, log_det


def _outer_products(C: np.ndarray, HC: np.ndarray, offset: int, q: int) -> np.ndarray:
    """C'H C for q columns of an outer level beside all from there on, packed as that level's table."""
    triangle, rows = [], []
    for a in range(q):
        products = C[0, offset + a] * HC[0, offset:]
        for c in range(1, len(C)):
            products += C[c, offset + a] * HC[c, offset:]
        if q == 1:
            return np.asarray(products)
        triangle.append(products[: a + 1])
        rows.append(products[q:])
    return np.concatenate([*triangle, *rows])


def pull_back_chunk(
    chunk: Chunk, levels: list[Level], factors: list[np.ndarray], weights: np.ndarray, *, to_tables: bool
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Differentiate log|V0| + sum(weights * U'V0^-1 U) in every factor, from the outermost level in.

    Returns
    -------
    slopes : list of (q, q) arrays
        Per level; only what is on and below the diagonal counts.
    adjoints : list of (products, g) arrays
        Derivatives in the entries of every level's table; empty unless `to_tables`.

    Notes
    -----
    With N the derivative in R'V^-1 R of the level: dL = 2 sum(K S - E N E') L, dS = H + G E N E' G, dC = -2 G E N.
    The N of the next level in is put together from this level's dS, dC / 2 and own N.
    """
    S_bar: list[np.ndarray] = [np.empty(0)] * len(factors)
    C_bar: list[np.ndarray] = [np.empty(0)] * len(factors)
    slopes: list[np.ndarray] = [np.empty(0)] * len(factors)
    for k in reversed(range(len(factors))):
        level, L = levels[k], factors[k]
        if k or to_tables:
            G, EN = L @ L.T, _times_outer(chunk, level.E, k, S_bar, C_bar, weights)
            ENE = np.einsum("arg,brg->abg", EN, level.E)
            total = ENE.sum(axis=-1)
            S_bar[k] = times_constant(G, level.K + times_constant(G, ENE).swapaxes(0, 1))
            C_bar[k] = times_constant(-G, EN)
        else:
            total = _sum_innermost(chunk, level.E, S_bar, C_bar, weights)
        slopes[k] = 2 * (level.KS - total) @ L
    adjoints = [_pack_adjoint(S, C) for S, C in zip(S_bar, C_bar, strict=True)] if to_tables else []
    return slopes, adjoints


def _times_outer(
    chunk: Chunk, E: np.ndarray, k: int, S_bar: list[np.ndarray], C_bar: list[np.ndarray], weights: np.ndarray
) -> np.ndarray:
    """E N (q, r, g); N of the outer levels is repeated for every group inside."""
    m = len(weights)
    EN = np.empty_like(E)
    EN[:, :-m] = 0.0
    np.matmul(weights, E[:, -m:], out=EN[:, -m:])
    offset = 0
    for j, counts in enumerate(chunk.plan.counts[k]):
        dS, dC = S_bar[k + 1 + j].repeat(counts, axis=2), C_bar[k + 1 + j].repeat(counts, axis=2)
        own, rest = slice(offset, offset + len(dS)), slice(offset + len(dS), None)
        for a, slope in enumerate(dC):
            for c in range(len(E)):
                EN[c, rest] += E[c, offset + a] * slope
            EN[:, offset + a] += np.einsum("crg,rg->cg", E[:, rest], slope)
            EN[:, offset + a] += np.einsum("crg,rg->cg", E[:, own], dS[a])
        offset += len(dS)
    return EN


def _sum_innermost(
    chunk: Chunk, E: np.ndarray, S_bar: list[np.ndarray], C_bar: list[np.ndarray], weights: np.ndarray
) -> np.ndarray:
    """E N E' (q, q) summed over the groups of the innermost level, without N of each."""
    (q, r, groups), m, offset = E.shape, len(weights), 0
    flat = E.reshape(-1, groups)
    total = np.einsum("arbs,rs->ab", (flat @ flat.T).reshape(q, r, q, r)[:, -m:, :, -m:], weights)
    for j, counts in enumerate(chunk.plan.counts[0]):
        dS, dC = S_bar[1 + j].repeat(counts, axis=2), C_bar[1 + j].repeat(counts, axis=2)
        own, rest = slice(offset, offset + len(dS)), slice(offset + len(dS), None)
        for a, slope in enumerate(dC):
            half = np.einsum("crg,rg->cg", E[:, rest], slope) + np.einsum("crg,rg->cg", E[:, own], dS[a]) / 2
            corner = E[:, offset + a] @ half.T
            total += corner + corner.T
        offset += len(dS)
    return np.asarray(total)


def _pack_adjoint(S: np.ndarray, C: np.ndarray) -> np.ndarray:
    """Derivatives in a level's table: an entry off S's diagonal and every entry of C stand for two."""
    q = len(S)
    rows = [S[a, b] * (1 if a == b else 2) for a in range(q) for b in range(a + 1)]
    return np.concatenate([np.array(rows), 2 * C.reshape(-1, C.shape[-1])])


def predict_chunk(chunk: Chunk, levels: list[Level], factors: list[np.ndarray], v: np.ndarray) -> list[np.ndarray]:
    """Predict the random effects (q, g) of every level on internal columns, v = (-beta, 1): b = G E (-b outside, v)."""
    effects: list[np.ndarray] = [np.empty(0)] * len(levels)
    for k in reversed(range(len(levels))):
        HC = times_constant(factors[k] @ factors[k].T, levels[k].E)
        own = np.einsum("qrg,r->qg", HC[:, -len(v) :], v)
        offset = 0
        for j, counts in enumerate(chunk.plan.counts[k]):
            outside = effects[k + 1 + j].repeat(counts, axis=1)
            own -= np.einsum("qrg,rg->qg", HC[:, offset : offset + len(outside)], outside)
            offset += len(outside)
        effects[k] = own
    return effects
