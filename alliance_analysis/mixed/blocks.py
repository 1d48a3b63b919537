"""The exact likelihood of a mixed model and its gradient, on the plain block path: dense matrices per block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_analysis.mixed.crossproducts import Batch, Problem


@dataclass(frozen=True)
class Marginal:
    """U'V0^-1 U and log|V0|, V0 = V / sigma^2, and their derivatives in the relative factor (q, q) of each term."""

    log_det: float
    D: np.ndarray  # (m, m)
    log_det_slope: tuple[np.ndarray, ...]  # (q, q)
    D_slope: tuple[np.ndarray, ...]  # (q, q, m, m)


@dataclass(frozen=True)
class Deviance:
    """-2 log-likelihood on the data's own columns, at given factors and sigma; derivatives in both."""

    value: float
    slopes: tuple[np.ndarray, ...]  # per random term (q, q)
    sigma_slope: float
    sigma: float  # internal scale
    beta: np.ndarray  # (p,) internal scale
    rss_slopes: tuple[np.ndarray, ...]
    marginal: Marginal


def deviance(problem: Problem, factors: tuple[np.ndarray, ...], sigma: float | None = None) -> Deviance:
    """Evaluate -2 log-likelihood (restricted or full) and its gradient; sigma is profiled out unless given.

    Notes
    -----
    log|V0| [+ log|X'V0^-1 X|] + r'V0^-1 r / sigma^2 + nu log(2 pi sigma^2), nu = n - p (REML) or n (ML); beta at its
    generalised least squares value. With sigma at sqrt(r'V0^-1 r / nu) the gradient in the factors is the profiled one.
    """
    marginal = reduce_blocks(problem, factors)
    p, nu = problem.p, problem.dof
    Dxx_inverse = np.linalg.inv(marginal.D[:p, :p])
    beta = Dxx_inverse @ marginal.D[:p, p]
    v = np.append(-beta, 1.0)
    # Random effects that reproduce the outcome send this to zero; a floor keeps the numbers finite on the way.
    rss = max(float(v @ marginal.D @ v), 1e-24 * problem.n)
    if sigma is None:
        sigma = np.sqrt(rss / nu)
    value = marginal.log_det + rss / sigma**2 + nu * np.log(2 * np.pi * (sigma * problem.y_scale) ** 2)
    rss_slopes = tuple(v @ slope @ v for slope in marginal.D_slope)
    slopes = [a + b / sigma**2 for a, b in zip(marginal.log_det_slope, rss_slopes, strict=True)]
    if problem.criterion == "REML":
        value += np.linalg.slogdet(marginal.D[:p, :p])[1] - 2 * np.linalg.slogdet(problem.coefficients)[1]
        slopes = [
            slope + np.einsum("ij,abij->ab", Dxx_inverse, D[:, :, :p, :p])
            for slope, D in zip(slopes, marginal.D_slope, strict=True)
        ]
    sigma_slope = float(2 * nu / sigma - 2 * rss / sigma**3)
    return Deviance(float(value), tuple(slopes), sigma_slope, float(sigma), beta, rss_slopes, marginal)


def reduce_blocks(problem: Problem, factors: tuple[np.ndarray, ...]) -> Marginal:
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
    return Marginal(log_det, (D + D.T) / 2, tuple(log_det_slope), tuple(map(_slope_from_cross, cross, factors)))


def random_effects(problem: Problem, factors: tuple[np.ndarray, ...], beta: np.ndarray) -> list[np.ndarray]:
    """Predict the random effects (BLUPs) of every level, in the outcome's unit and the user's columns.

    Returns
    -------
    list of (levels, q_k) arrays, one per random term.
    """
    v = np.append(-beta, 1.0)
    shapes = [(max(int(b.levels[k].max()) for b in problem.batches) + 1, len(f)) for k, f in enumerate(factors)]
    effects = [np.zeros(shape) for shape in shapes]
    for batch in problem.batches:
        S_L = _times_factor(batch, batch.ZZ, factors)
        A = np.swapaxes(_times_factor(batch, np.swapaxes(S_L, 1, 2), factors), 1, 2) + np.eye(S_L.shape[1])
        L_r = _times_factor(batch, (batch.ZU @ v)[:, None, :], factors)
        spherical = np.linalg.solve(A, np.swapaxes(L_r, 1, 2))[:, :, 0]
        for k, (part, levels) in enumerate(zip(batch.slices, batch.levels, strict=True)):
            to_user = np.linalg.solve(problem.rotations[k], factors[k])
            effects[k][levels] = spherical[:, part].reshape(*levels.shape, -1) @ to_user.T * problem.y_scale
    return effects


def _slope_from_cross(cross: np.ndarray, factor: np.ndarray) -> np.ndarray:
    q = len(factor)
    FB = cross.reshape(q, len(cross) // q, q, -1).transpose(0, 2, 1, 3)
    return -(FB + FB.transpose(0, 1, 3, 2))


def _times_factor(batch: Batch, rows: np.ndarray, factors: tuple[np.ndarray, ...]) -> np.ndarray:
    """rows @ L, (b, r, q) -> (b, r, q); L is block-diagonal with the same small factor for every level of a term."""
    out = np.empty_like(rows)
    for part, width, factor in zip(batch.slices, batch.widths, factors, strict=True):
        piece = rows[:, :, part]
        out[:, :, part] = (piece.reshape(*piece.shape[:2], -1, width) @ factor).reshape(piece.shape)
    return out
