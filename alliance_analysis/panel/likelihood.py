"""The likelihood of a panel VAR: course profiled out, exact gradient, clients with the same gaps together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_analysis.panel.dynamics import (
    grid_covariance,
    lagged_covariances,
    occasion_covariances,
    pull_back,
    stationary_covariance,
)
from alliance_analysis.panel.problem import Batch, PanelProblem, pack, unpack


@dataclass(frozen=True)
class PanelDeviance:
    """-2 log-likelihood at one theta.

    Attributes
    ----------
    value : float
        Infinite where the dynamics are not stationary or a covariance is not positive definite.
    gradient : ndarray, shape (n_theta,)
    beta : ndarray, shape (p,)
        Generalised least squares given theta.
    information : ndarray, shape (p, p)
        X' V^-1 X, whose inverse is the covariance of beta.
    """

    value: float
    gradient: np.ndarray
    beta: np.ndarray
    information: np.ndarray


@dataclass(frozen=True)
class _Implied:
    """The matrices behind theta and the grid covariance they imply."""

    A: np.ndarray
    factors: tuple[np.ndarray, ...]
    lags: list[np.ndarray]
    covariance: np.ndarray


def imply(theta: np.ndarray, problem: PanelProblem) -> _Implied | None:
    """Return what theta implies, or None where no stationary series has it."""
    A, factors = unpack(theta, problem)
    if not np.isfinite(theta).all() or np.abs(np.linalg.eigvals(A)).max() >= 1:
        return None
    S, G = (L @ L.T for L in factors[:2])
    start = stationary_covariance(A, S) if problem.stationary else factors[2] @ factors[2].T
    lags = lagged_covariances(A, occasion_covariances(A, S, start, problem.n_occasions))
    return _Implied(A, factors, lags, grid_covariance(lags) + problem.Z @ G @ problem.Z.T)


def evaluate(problem: PanelProblem, theta: np.ndarray) -> PanelDeviance:
    """Return -2 log-likelihood at theta with beta profiled out, and its exact gradient.

    Notes
    -----
    With W = sum E_i' V_i^-1 E_i and u_i = V_i^-1 (z_i - X_i beta) on the grid, the slope of the deviance in the grid
    covariance is W - sum u_i u_i'; `pull_back` carries it to theta.
    """
    implied = imply(theta, problem)
    weights = _weigh(problem, implied) if implied else None
    if implied is None or weights is None:
        empty = np.full(problem.X.shape[1], np.nan)
        return PanelDeviance(np.inf, np.full(problem.n_theta, np.nan), empty, np.outer(empty, empty))
    inverses, W, log_det = weights
    beta, information = _mean_course(problem, inverses, W)
    solved, quadratic = _solve_residuals(problem, inverses, beta)
    value = log_det + quadratic + problem.n_ratings * np.log(2 * np.pi)
    gradient = _by_theta(W - solved.T @ solved, problem, implied)
    return PanelDeviance(float(value), gradient, beta, information)


def client_scores(
    problem: PanelProblem, theta: np.ndarray, beta: np.ndarray, group: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the slopes of the deviance in theta and in beta, summed over the clients of each group.

    Parameters
    ----------
    problem, theta, beta
    group : ndarray of int, shape (n_clients,)

    Returns
    -------
    by_theta : ndarray, shape (groups, n_theta)
    by_beta : ndarray, shape (groups, p)
    """
    implied = imply(theta, problem)
    weights = _weigh(problem, implied) if implied else None
    if implied is None or weights is None:
        raise np.linalg.LinAlgError("scores at parameters that no stationary series has")
    n, grid = int(group.max()) + 1, len(problem.X)
    solved, _ = _solve_residuals(problem, weights[0], beta)
    whole = np.zeros((n, grid, grid))
    for inverse, batch in zip(weights[0], problem.batches, strict=True):
        place = group[batch.clients][:, None, None] * (grid**2 + 2) + batch.pairs[batch.pattern]
        total = np.bincount(place.ravel(), inverse[batch.pattern].ravel(), n * (grid**2 + 2))
        whole += total.reshape(n, -1)[:, :-2].reshape(n, grid, grid)
    for code in range(n):
        own = solved[group == code]
        whole[code] -= own.T @ own
    by_beta = np.zeros((n, problem.X.shape[1]))
    np.add.at(by_beta, group, -2 * solved @ problem.X)
    return _by_theta(whole, problem, implied), by_beta


def expected_information(problem: PanelProblem, theta: np.ndarray, most: int = 80) -> np.ndarray:
    """Return the expected second derivative of the deviance in theta, from at most `most` patterns scaled to all.

    It steers the search only; standard errors use the observed one. tr(V^-1 dV_j V^-1 dV_k), summed over clients.
    """
    implied = imply(theta, problem)
    weights = _weigh(problem, implied) if implied else None
    if implied is None or weights is None:
        return np.eye(problem.n_theta)
    slopes = np.array([_slope(problem, theta, unit).ravel() for unit in 1e-6 * np.eye(problem.n_theta)])
    slopes = np.column_stack([slopes, np.zeros((len(theta), 2))])
    information, taken = np.zeros((len(theta), len(theta))), 0.0
    share = most / sum(len(batch.cells) for batch in problem.batches)
    for inverse, batch in zip(weights[0], problem.batches, strict=True):
        some = slice(None) if share >= 1 else slice(None, None, max(1, round(1 / share)))
        products = inverse[some] @ slopes[:, batch.pairs[some]]  # (k, patterns, m, m)
        information += np.einsum("pnab,qnba,n->pq", products, products, batch.count[some])
        taken += batch.count[some].sum()
    return information * problem.n_clients / taken


def _slope(problem: PanelProblem, theta: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return the change of the grid covariance along one parameter."""
    ahead, behind = imply(theta + step, problem), imply(theta - step, problem)
    if ahead is None or behind is None:
        return np.zeros((len(problem.X), len(problem.X)))
    return (ahead.covariance - behind.covariance) / (2 * step.max())


def _weigh(problem: PanelProblem, implied: _Implied) -> tuple[list[np.ndarray], np.ndarray, float] | None:
    """Return V^-1 per batch (patterns, m, m), their sum on the grid, and the sum of log-determinants."""
    flat = np.append(implied.covariance.ravel(), (0.0, 1.0))
    inverses, log_det, total = [], 0.0, np.zeros(flat.size)
    try:
        for batch in problem.batches:
            V = flat[batch.pairs]
            diagonal = np.diagonal(np.linalg.cholesky(V), axis1=1, axis2=2)
            log_det += 2 * float(batch.count @ np.log(diagonal).sum(axis=1))
            inverse = np.linalg.inv(V)
            total += np.bincount(batch.pairs.ravel(), (batch.count[:, None, None] * inverse).ravel(), flat.size)
            inverses.append(inverse)
    except np.linalg.LinAlgError:
        return None
    return inverses, total[:-2].reshape(implied.covariance.shape), log_det


def _mean_course(problem: PanelProblem, inverses: list[np.ndarray], W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return beta by generalised least squares and X' V^-1 X."""
    sums = np.zeros(len(problem.X) + 1)
    for inverse, batch in zip(inverses, problem.batches, strict=True):
        weighted = _times(inverse, batch.values, batch)
        np.add.at(sums, batch.cells[batch.pattern], weighted)
    information = problem.X.T @ W @ problem.X
    return np.linalg.solve(information, problem.X.T @ sums[:-1]), information


def _solve_residuals(problem: PanelProblem, inverses: list[np.ndarray], beta: np.ndarray) -> tuple[np.ndarray, float]:
    """Return V_i^-1 (z_i - X_i beta) on the grid (n, T * K), and the sum of squares they make with the residuals."""
    mean = np.append(problem.X @ beta, 0.0)
    solved, quadratic = np.zeros((problem.n_clients, len(mean))), 0.0
    for inverse, batch in zip(inverses, problem.batches, strict=True):
        cells = batch.cells[batch.pattern]
        residual = batch.values - mean[cells]
        weighted = _times(inverse, residual, batch)
        solved[batch.clients[:, None], cells] = weighted
        quadratic += float((residual * weighted).sum())
    return solved[:, :-1], quadratic


def _times(inverse: np.ndarray, values: np.ndarray, batch: Batch) -> np.ndarray:
    """Return V_i^-1 times each client's values (c, m)."""
    if len(inverse) == 1:
        return values @ inverse[0]
    return np.matmul(inverse[batch.pattern], values[:, :, None])[:, :, 0]


def _by_theta(slope: np.ndarray, problem: PanelProblem, implied: _Implied) -> np.ndarray:
    """Carry slopes (..., T * K, T * K) in the grid covariance back to theta (..., n_theta)."""
    by_A, by_S, by_start = pull_back(slope, implied.A, implied.lags, stationary=problem.stationary)
    by_G = problem.Z.T @ slope @ problem.Z
    slopes = (by_S, by_G) if problem.stationary else (by_S, by_G, by_start)
    return pack(by_A, tuple(2 * by @ L for by, L in zip(slopes, implied.factors, strict=True)))
