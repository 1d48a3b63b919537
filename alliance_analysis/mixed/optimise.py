"""Finds the maximum of the likelihood and proves it: zero gradient, no way further up, no variance stuck at zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_analysis.mixed.blocks import Deviance, deviance
from alliance_analysis.mixed.crossproducts import Problem

SINGULAR = 1e-4  # lme4's isSingular: a diagonal entry of the relative factor below this
GRADIENT = 1e-4  # largest entry of the deviance's gradient that counts as zero
CURVATURE = 1e-6  # relative size of a negative eigenvalue that counts as zero
STEP = 1e-3  # of the five-point differences; factors are of order 1, internal columns being scaled
MAX_RESTARTS = 6
MAX_NEWTON = 12


@dataclass(frozen=True)
class Solution:
    """Where the optimiser stopped, and what is true there.

    `theta` holds the lower triangles of the relative factors in internal coordinates, `hessian` the second derivatives
    of the profiled deviance in theta; `evaluations` counts likelihoods.
    """

    theta: np.ndarray
    factors: tuple[np.ndarray, ...]
    deviance: Deviance
    gradient_norm: float
    hessian: np.ndarray
    converged: bool
    evaluations: int


class _Objective:
    """The profiled deviance as a function of theta, counting its calls."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.calls = 0

    def evaluate(self, theta: np.ndarray) -> Deviance:
        self.calls += 1
        return deviance(self.problem, unpack(theta, self.problem))

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        at = self.evaluate(theta)
        return at.value, pack(at.slopes)

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        return self.value_and_gradient(theta)[1]


def maximise_likelihood(problem: Problem) -> Solution:
    """Minimise the profiled deviance over the relative factors of all random terms.

    Returns
    -------
    Solution
        `converged` is True only when the gradient is zero and no direction leads further down.

    Notes
    -----
    The deviance depends on a factor L through L L' only, so it is even in every column of L: no bound at 0 is needed (a
    variance of zero is an ordinary stationary point), and columns are turned afterwards so that each diagonal is >= 0.
    Such a point may also be a saddle; the Hessian shows it, and the search goes on along its lowest eigenvector.
    Columns that ended at zero are lifted once more and the search repeated: a maximum away from zero is not missed.
    """
    objective = _Objective(problem)
    theta = _descend(objective, pack([np.eye(len(r)) for r in problem.rotations]))
    theta, hessian = _leave_saddles(objective, theta)
    lifted = _lift_zero_columns(theta, problem)
    if lifted is not None:
        other, other_hessian = _leave_saddles(objective, _descend(objective, lifted))
        if objective.evaluate(other).value < objective.evaluate(theta).value - 1e-9:
            theta, hessian = other, other_hessian
    theta, hessian = _turn_columns(theta, hessian, problem)
    final = objective.evaluate(theta)
    norm = float(np.abs(pack(final.slopes)).max())
    converged = bool(np.isfinite(final.value) and norm <= GRADIENT and not _is_saddle(hessian))
    return Solution(theta, unpack(theta, problem), final, norm, hessian, converged, objective.calls)


def unpack(theta: np.ndarray, problem: Problem) -> tuple[np.ndarray, ...]:
    """Put theta back into lower triangular factors, one (q, q) per random term."""
    factors, start = [], 0
    for rotation in problem.rotations:
        q = len(rotation)
        factor = np.zeros((q, q))
        factor[np.tril_indices(q)] = theta[start : start + q * (q + 1) // 2]
        start += q * (q + 1) // 2
        factors.append(factor)
    return tuple(factors)


def pack(matrices: tuple[np.ndarray, ...] | list[np.ndarray]) -> np.ndarray:
    """Read the lower triangles of factors, or of derivatives in them, as one vector."""
    return np.concatenate([matrix[np.tril_indices(len(matrix))] for matrix in matrices])


def _descend(objective: _Objective, start: np.ndarray) -> np.ndarray:
    from scipy.optimize import minimize

    options = {"maxiter": 500, "ftol": 1e-13, "gtol": 1e-7}
    return minimize(objective.value_and_gradient, start, jac=True, method="L-BFGS-B", options=options).x


def _hessian(objective: _Objective, theta: np.ndarray) -> np.ndarray:
    """Differentiate the exact gradient by five-point differences (error of order STEP^4)."""
    columns = []
    for unit in np.eye(len(theta)) * STEP:
        near = objective.gradient(theta + unit) - objective.gradient(theta - unit)
        far = objective.gradient(theta + 2 * unit) - objective.gradient(theta - 2 * unit)
        columns.append((8 * near - far) / (12 * STEP))
    hessian = np.array(columns)
    return (hessian + hessian.T) / 2


def _polish(objective: _Objective, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Newton steps from where L-BFGS stopped, as long as the gradient shrinks."""
    gradient, hessian = objective.gradient(theta), _hessian(objective, theta)
    for _ in range(MAX_NEWTON):
        if np.abs(gradient).max() < 1e-9:
            break
        step = np.linalg.lstsq(hessian, gradient, rcond=1e-10)[0]
        candidate = theta - step
        shrunk = objective.gradient(candidate)
        if not np.abs(shrunk).max() < np.abs(gradient).max():
            break
        theta, gradient, hessian = candidate, shrunk, _hessian(objective, candidate)
    return theta, hessian


def _is_saddle(hessian: np.ndarray) -> bool:
    values = np.linalg.eigvalsh(hessian)
    return bool(values[0] < -CURVATURE * max(np.abs(values).max(), 1.0))


def _leave_saddles(objective: _Objective, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    theta, hessian = _polish(objective, theta)
    for _ in range(MAX_RESTARTS):
        if not _is_saddle(hessian):
            break
        downhill = np.linalg.eigh(hessian)[1][:, 0]
        starts = [theta + size * downhill for size in (-0.3, 0.3)]
        ends = [_descend(objective, start) for start in starts]
        theta, hessian = _polish(objective, min(ends, key=lambda end: objective.evaluate(end).value))
    return theta, hessian


def _lift_zero_columns(theta: np.ndarray, problem: Problem) -> np.ndarray | None:
    """Set the diagonal of every column that ended at zero to 0.5; None when there is no such column."""
    factors = [factor.copy() for factor in unpack(theta, problem)]
    lifted = False
    for factor in factors:
        for column in np.flatnonzero(np.abs(np.diagonal(factor)) < SINGULAR):
            factor[column, column] = 0.5
            lifted = True
    return pack(factors) if lifted else None


def _turn_columns(theta: np.ndarray, hessian: np.ndarray, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Give every column of every factor a diagonal >= 0; the Hessian's rows and columns turn with it."""
    signs = []
    for factor in unpack(theta, problem):
        turn = np.where(np.diagonal(factor) < 0, -1.0, 1.0)
        signs.append(np.ones_like(factor) * turn)
    sign = pack(signs)
    return theta * sign, hessian * np.outer(sign, sign)
