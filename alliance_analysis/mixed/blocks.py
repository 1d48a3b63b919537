"""The exact likelihood of a mixed model and its gradient, on the plain block path: dense matrices per block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_analysis.mixed.connected import Batch
from alliance_analysis.mixed.crossproducts import Problem


@dataclass(frozen=True)
class BlockMarginal:
    """U'V0^-1 U and log|V0|, V0 = V / sigma^2, and what their derivatives in the relative factor of each term need."""

    log_det: float
    D: np.ndarray  # (m, m)
    log_det_slopes: tuple[np.ndarray, ...]  # (q, q)
    crosses: tuple[np.ndarray, ...]  # (q, m, q, m): F'B summed over the levels of a term

    def pull_back(self, weights: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """Differentiate log|V0| + sum(weights * D), weights (m, m) symmetric, in each factor: (q, q) per term."""
        slopes = [
            log_det - 2 * np.einsum("aibj,ij->ab", cross, weights)
            for log_det, cross in zip(self.log_det_slopes, self.crosses, strict=True)
        ]
        return slopes, np.empty(0)


def reduce_blocks(problem: Problem, factors: tuple[np.ndarray, ...]) -> BlockMarginal:
    """Take the random effects out of the cross-products (Woodbury), block by block, and differentiate.

    Notes
    -----
    V0 = I + Z L L' Z'; A = I + L'Z'Z L; B = A^-1 L'Z'U; F = Z'V0^-1 U = Z'U - Z'Z L B. Then log|V0| = log|A|,
    U'V0^-1 U = U'U - (L'Z'U)'B, d log|V0| = 2 tr((Z'Z L A^-1)' dL), d U'V0^-1 U = -(F'dL B + B'dL'F).
    """
    m = len(problem.UU)
    D = problem.UU.copy()
    log_det = 0.0
    log_det_slope = [np.zeros_like(factor) for factor in factors]
    cross = [np.zeros((len(factor) * m, len(factor) * m)) for factor in factors]
    for batch in problem.batches:
        S_L = _times_factor(batch, batch.ZZ, factors)
        L_U = np.swapaxes(_times_factor(batch, np.swapaxes(batch.ZU, 1, 2), factors), 1, 2)
        A = np.swapaxes(_times_factor(batch, np.swapaxes(S_L, 1, 2), factors), 1, 2)
        A = (A + np.swapaxes(A, 1, 2)) / 2 + np.eye(A.shape[1])
        solved = np.linalg.solve(A, np.concatenate([np.swapaxes(S_L, 1, 2), L_U], axis=2))
        K, B = np.swapaxes(solved[:, :, :-m], 1, 2), solved[:, :, -m:]
        F = batch.ZU - S_L @ B
        D -= np.einsum("bqi,bqj->ij", L_U, B)
        log_det += 2 * float(np.log(np.diagonal(np.linalg.cholesky(A), axis1=1, axis2=2)).sum())
        for k, (part, width) in enumerate(zip(batch.slices, batch.widths, strict=True)):
            within = K[:, part, part].reshape(len(K), -1, width, batch.levels[k].shape[1], width)
            log_det_slope[k] += 2 * np.einsum("biaic->ac", within)
            cross[k] += F[:, part].reshape(-1, width * m).T @ B[:, part].reshape(-1, width * m)
    crosses = tuple(c.reshape(len(f), m, len(f), m) for c, f in zip(cross, factors, strict=True))
    return BlockMarginal(log_det, (D + D.T) / 2, tuple(log_det_slope), crosses)


def predict_blocks(problem: Problem, factors: tuple[np.ndarray, ...], beta: np.ndarray) -> list[np.ndarray]:
    """Predict the random effects (levels, q) of every term on internal columns."""
    v = np.append(-beta, 1.0)
    shapes = [(max(int(b.levels[k].max()) for b in problem.batches) + 1, len(f)) for k, f in enumerate(factors)]
    effects = [np.zeros(shape) for shape in shapes]
    for batch in problem.batches:
        S_L = _times_factor(batch, batch.ZZ, factors)
        A = np.swapaxes(_times_factor(batch, np.swapaxes(S_L, 1, 2), factors), 1, 2) + np.eye(S_L.shape[1])
        L_r = _times_factor(batch, (batch.ZU @ v)[:, None, :], factors)
        spherical = np.linalg.solve(A, np.swapaxes(L_r, 1, 2))[:, :, 0]
        for k, (part, levels) in enumerate(zip(batch.slices, batch.levels, strict=True)):
            effects[k][levels] = spherical[:, part].reshape(*levels.shape, -1) @ factors[k].T
    return effects


def _times_factor(batch: Batch, rows: np.ndarray, factors: tuple[np.ndarray, ...]) -> np.ndarray:
    """rows @ L, (b, r, q) -> (b, r, q); L is block-diagonal with the same small factor for every level of a term."""
    out = np.empty_like(rows)
    for part, width, factor in zip(batch.slices, batch.widths, factors, strict=True):
        piece = rows[:, :, part]
        out[:, :, part] = (piece.reshape(*piece.shape[:2], -1, width) @ factor).reshape(piece.shape)
    return out
