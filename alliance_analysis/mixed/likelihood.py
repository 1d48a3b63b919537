"""The exact likelihood of a mixed model and its gradient in the variance parameters, whichever path computes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_analysis.mixed.blocks import reduce_blocks
from alliance_analysis.mixed.crossproducts import Problem
from alliance_analysis.mixed.levels import reduce_levels
from alliance_analysis.mixed.vectors import lower_triangle


@dataclass(frozen=True)
class Deviance:
    """-2 log-likelihood on the data's own columns at given variance parameters, and its derivatives.

    `gradient` (k,) in theta at fixed sigma, which at the profiled sigma is that of the profiled deviance;
    `sigma_slope` in sigma. `sigma` and `beta` (p,) are internal: times `y_scale` they are the user's. `D` (m, m) is
    U'V0^-1 U with V0 = V / sigma^2.
    """

    value: float
    gradient: np.ndarray
    sigma_slope: float
    sigma: float
    beta: np.ndarray
    D: np.ndarray


def deviance(problem: Problem, theta: np.ndarray, *, sigma: float | None = None) -> Deviance:
    """Evaluate -2 log-likelihood (restricted or full) and its exact gradient; sigma is profiled out unless given.

    Parameters
    ----------
    problem : Problem
    theta : (k,) array
        Lower triangles of the relative factors of all random terms, then the residual parameters.
    sigma : float, optional
        Internal residual standard deviation.

    Notes
    -----
    log|V0| [+ log|X'V0^-1 X|] + r'V0^-1 r / sigma^2 + nu log(2 pi sigma^2), nu = n - p (REML) or n (ML); beta at its
    generalised least squares value. With D = U'V0^-1 U and v = (-beta, 1) the derivative in D is
    v v' / sigma^2 [+ (X'V0^-1 X)^-1]; the paths carry it back to theta.
    """
    factors, phi = unpack(theta, problem), theta[problem.n_factor_entries :]
    marginal = reduce_blocks(problem, factors) if problem.nest is None else reduce_levels(problem, factors, phi)
    D, p, nu = marginal.D, problem.p, problem.dof
    Dxx_inverse = np.linalg.inv(D[:p, :p])
    beta = Dxx_inverse @ D[:p, p]
    v = np.append(-beta, 1.0)
    # Random effects that reproduce the outcome send this to zero; a floor keeps the numbers finite on the way.
    rss = max(float(v @ D @ v), 1e-24 * problem.n)
    sigma = float(np.sqrt(rss / nu)) if sigma is None else sigma
    value = marginal.log_det + rss / sigma**2 + nu * np.log(2 * np.pi * (sigma * problem.y_scale) ** 2)
    weights = np.outer(v, v) / sigma**2
    if problem.criterion == "REML":
        value += np.linalg.slogdet(D[:p, :p])[1] - 2 * problem.log_det_map
        weights[:p, :p] += Dxx_inverse
    factor_slopes, phi_slopes = marginal.pull_back(weights)
    gradient = np.concatenate([pack(factor_slopes), phi_slopes])
    return Deviance(float(value), gradient, 2 * nu / sigma - 2 * rss / sigma**3, sigma, beta, D)


def unpack(theta: np.ndarray, problem: Problem) -> tuple[np.ndarray, ...]:
    """Put theta back into lower triangular factors, one (q, q) per random term."""
    factors, start = [], 0
    for rotation in problem.rotations:
        q = len(rotation)
        factor = np.zeros((q, q))
        factor[lower_triangle(q)] = theta[start : start + q * (q + 1) // 2]
        start += q * (q + 1) // 2
        factors.append(factor)
    return tuple(factors)


def pack(matrices: tuple[np.ndarray, ...] | list[np.ndarray]) -> np.ndarray:
    """Read the lower triangles of factors, or of derivatives in them, as one vector."""
    return np.concatenate([matrix[lower_triangle(len(matrix))] for matrix in matrices] or [np.empty(0)])
