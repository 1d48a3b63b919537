"""Finds the maximum of the likelihood and proves it: zero gradient, no way further up, no variance stuck at zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_analysis.mixed.crossproducts import Problem
from alliance_analysis.mixed.descent import ENOUGH, STEP, Objective, Point, descend
from alliance_analysis.mixed.likelihood import Deviance, pack, unpack
from alliance_analysis.mixed.warmstart import warm_start

SINGULAR = 1e-4  # lme4's isSingular: a diagonal entry of the relative factor below this
GRADIENT = 1e-4  # largest entry of the deviance's gradient that counts as zero, for up to ROWS rows
ROWS = 10_000  # beyond, rounding in the gradient grows with the rows, and one start is enough
DECREMENT = 1e-8  # what one more Newton step may promise of the deviance
CURVATURE = 1e-6  # relative size of a negative eigenvalue that counts as zero
REFIT_ENOUGH = 1e-7  # promised decrease at which a refit ends: a few ten-thousandths of a standard error away
NEAR = 1e-5  # with the Hessian known beforehand the descent may end here: a Newton step follows
MAX_RESTARTS = 6
MAX_NEWTON = 6
LIFT = 0.5  # where the diagonal of a column that ended at zero is put for another search


@dataclass(frozen=True)
class Solution:
    """Where the optimiser stopped, and what is true there.

    `theta` (k,) holds the lower triangles of the relative factors in internal coordinates, then the residual
    parameters; `hessian` (k, k) the second derivatives of the profiled deviance in theta, `D_slopes` (k, m, m) the
    derivatives of U'V0^-1 U; `evaluations` counts likelihoods.
    """

    theta: np.ndarray
    factors: tuple[np.ndarray, ...]
    deviance: Deviance
    gradient_norm: float
    hessian: np.ndarray
    D_slopes: np.ndarray
    converged: bool
    evaluations: int


@dataclass(frozen=True)
class Refit:
    """A fit made from a neighbouring one, without the proofs that cost evaluations."""

    theta: np.ndarray
    factors: tuple[np.ndarray, ...]
    deviance: Deviance
    converged: bool
    singular: bool
    evaluations: int


@dataclass(frozen=True)
class _Summit:
    """A stationary point with the second derivatives there."""

    at: Point
    hessian: np.ndarray
    D_slopes: np.ndarray


def maximise_likelihood(problem: Problem, start: np.ndarray | None = None) -> Solution:
    """Minimise the profiled deviance over theta.

    Parameters
    ----------
    problem : Problem
    start : (k,) array, optional
        Where to begin; by default with factors of one.

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
    objective = Objective(problem)
    best = _search(objective, *_begin(objective)) if start is None else _search(objective, start)
    lifted = lift_zero_columns(best.at.theta, problem)
    if lifted is not None:
        other = _search(objective, lifted)
        best = other if other.at.value < best.at.value - 1e-9 else best
    best = _turn_columns(best, problem)
    norm = float(np.abs(best.at.gradient).max(initial=0.0))
    small = norm <= GRADIENT * max(1.0, problem.n / ROWS) and _decrement(best) <= DECREMENT
    converged = bool(np.isfinite(best.at.value) and small and not _is_saddle(best.hessian))
    return Solution(
        best.at.theta,
        unpack(best.at.theta, problem),
        best.at.deviance,
        norm,
        best.hessian,
        best.D_slopes,
        converged,
        objective.calls,
    )


def refit(problem: Problem, start: np.ndarray, hessian: np.ndarray) -> Refit:
    """Fit a problem that is close to one already fitted, in few evaluations and without the Hessian at the end.

    Parameters
    ----------
    problem : Problem
    start : (k,) array
        Theta of the neighbouring fit.
    hessian : (k, k) array
        Its Hessian, the metric of the first steps.
    """
    objective = Objective(problem)
    lifted = lift_zero_columns(start, problem, 0.1)
    end = descend(objective, start if lifted is None else lifted, hessian, enough=REFIT_ENOUGH)
    factors = unpack(end.at.theta, problem)
    singular = any(np.abs(np.diagonal(factor)).min() < 10 * SINGULAR for factor in factors)
    return Refit(end.at.theta, factors, end.at.deviance, end.converged, singular, objective.calls)


def first_guesses(problem: Problem) -> list[np.ndarray]:
    """Start with random effects as large as the residuals, and from each start of the residual structure."""
    factors = pack([np.eye(len(r)) for r in problem.rotations])
    starts = problem.residual.model.starts if problem.residual else [np.empty(0)]
    return [np.concatenate([factors, phi]) for phi in starts]


def _begin(objective: Objective) -> tuple[np.ndarray, np.ndarray | None]:
    """Find where the search starts, and what is known of the curvature there."""
    problem, guesses = objective.problem, first_guesses(objective.problem)
    if len(guesses) == 1 or problem.n > ROWS:
        start, metric, spent = warm_start(problem, guesses[0])
        objective.calls += spent
        return start, metric
    ends = [descend(objective, guess) for guess in guesses]
    best = min(ends, key=lambda end: end.at.value)
    return best.at.theta, best.hessian


def lift_zero_columns(theta: np.ndarray, problem: Problem, height: float = LIFT) -> np.ndarray | None:
    """Set the diagonal of every column that ended at zero to `height`; None when there is no such column."""
    factors = [factor.copy() for factor in unpack(theta, problem)]
    lifted = False
    for factor in factors:
        for column in np.flatnonzero(np.abs(np.diagonal(factor)) < SINGULAR):
            factor[column, column] = height
            lifted = True
    return np.concatenate([pack(factors), theta[problem.n_factor_entries :]]) if lifted else None


def _search(objective: Objective, start: np.ndarray, metric: np.ndarray | None = None) -> _Summit:
    enough = ENOUGH if metric is None else NEAR
    best = _polish(objective, descend(objective, start, metric, enough=enough).at)
    for _ in range(MAX_RESTARTS):
        if not _is_saddle(best.hessian):
            break
        downhill = np.linalg.eigh(best.hessian)[1][:, 0]
        ends = [descend(objective, best.at.theta + size * downhill).at for size in (-0.3, 0.3)]
        best = _polish(objective, min(ends, key=lambda end: end.value))
    return best


def _polish(objective: Objective, at: Point) -> _Summit:
    """Newton steps from where the descent stopped, as long as the gradient shrinks."""
    best = _Summit(at, *objective.differentiate(at.theta))
    for _ in range(MAX_NEWTON):
        step = np.linalg.lstsq(best.hessian, best.at.gradient, rcond=1e-10)[0]
        if np.abs(best.at.gradient).max(initial=0.0) < 1e-9 or _is_saddle(best.hessian):
            break
        candidate = objective.evaluate(best.at.theta - step)
        if not np.abs(candidate.gradient).max() < np.abs(best.at.gradient).max():
            break
        near = np.abs(step).max() < STEP
        best = _Summit(
            candidate, *((best.hessian, best.D_slopes) if near else objective.differentiate(candidate.theta))
        )
        if near and _decrement(best) < 1e-3 * DECREMENT:
            break
    return best


def _decrement(summit: _Summit) -> float:
    """What a Newton step promises, in units of the deviance, over the directions that carry information."""
    values, vectors = np.linalg.eigh(summit.hessian)
    along = vectors.T @ summit.at.gradient
    keep = values > CURVATURE * np.abs(values).max(initial=0.0)
    return float(np.sum(along[keep] ** 2 / values[keep]) / 2)


def _is_saddle(hessian: np.ndarray) -> bool:
    values = np.linalg.eigvalsh(hessian)
    return bool(values.size and values[0] < -CURVATURE * max(np.abs(values).max(), 1.0))


def _turn_columns(summit: _Summit, problem: Problem) -> _Summit:
    """Give every column of every factor a diagonal >= 0; gradient and second derivatives turn with it."""
    turns = [np.where(np.diagonal(factor) < 0, -1.0, 1.0) for factor in unpack(summit.at.theta, problem)]
    sign = np.ones(len(summit.at.theta))
    sign[: problem.n_factor_entries] = pack([np.ones((len(turn), len(turn))) * turn for turn in turns])
    at = Point(summit.at.theta * sign, summit.at.value, summit.at.gradient * sign, summit.at.deviance)
    return _Summit(at, summit.hessian * np.outer(sign, sign), summit.D_slopes * sign[:, None, None])
