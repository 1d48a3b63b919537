"""The search for the maximum of a panel VAR's likelihood, and the proof that it was found: gradient and curvature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_analysis.panel.likelihood import PanelDeviance, evaluate, expected_information
from alliance_analysis.panel.problem import PanelProblem, pack, thin_problem

DECREMENT = 1e-7  # deviance still to be gained, by the last quadratic model, at which a search ends
_NEAR, _ROUGH = 1e-6, 0.1  # the same where Newton steps follow, and where starts compete
_QUICK = 1e-4  # where estimates need not be exact
_STEP = 1e-4  # of the central differences of the exact gradient
_MAX_STEPS = 200
_ATTEMPTS = 4
_MAX_NEWTON = 12
_FLAT = 1e-9  # curvature below this share of the largest is none
_SUBSAMPLE = 400  # clients on whom the search starts where there are many more


@dataclass(frozen=True)
class PanelSolution:
    """Where the search ended.

    Attributes
    ----------
    theta : ndarray, shape (n_theta,)
    deviance : PanelDeviance
    hessian : ndarray, shape (n_theta, n_theta)
        Second derivatives of the deviance in theta, beta profiled out.
    covariance : ndarray, shape (n_theta, n_theta)
        2 * inverse of the Hessian: of theta's estimates.
    beta_slope : ndarray, shape (p, n_theta)
        Derivative of beta in theta.
    decrement : float
        Deviance a Newton step would still gain.
    converged : bool
        The gradient is zero (decrement <= 1e-7) and the deviance rises in every direction.
    evaluations : int
    """

    theta: np.ndarray
    deviance: PanelDeviance
    hessian: np.ndarray
    covariance: np.ndarray
    beta_slope: np.ndarray
    decrement: float
    converged: bool
    evaluations: int


class Objective:
    """The deviance with some parameters held fixed; counts its evaluations."""

    def __init__(self, problem: PanelProblem, fixed: np.ndarray | None = None) -> None:
        self.problem = problem
        self.free = np.ones(problem.n_theta, dtype=bool) if fixed is None else ~fixed
        self.calls = 0

    def __call__(self, theta: np.ndarray) -> PanelDeviance:
        """Evaluate at a whole theta."""
        self.calls += 1
        return evaluate(self.problem, theta)


def maximise_likelihood(problem: PanelProblem, start: np.ndarray | None = None) -> PanelSolution:
    """Maximise the likelihood and prove it by gradient and curvature.

    Parameters
    ----------
    problem : PanelProblem
    start : ndarray, shape (n_theta,), optional
        A warm start; without it two cold starts (weak and strong autoregression) compete.

    Returns
    -------
    PanelSolution

    Notes
    -----
    BFGS from the expected information, then Newton steps with the differenced exact gradient. The deviance is even in
    every column of the factors of S and G, so variances at zero are ordinary stationary points; where one is a saddle
    the search leaves it along the direction of negative curvature.
    """
    objective = Objective(problem)
    theta = descend(objective, _cold_start(problem) if start is None else start, _NEAR)
    for attempt in range(_ATTEMPTS):
        theta, hessian, beta_slope = _polish(objective, theta)
        final, covariance = objective(theta), 2 * _inverse(hessian)
        decrement = float(final.gradient @ covariance @ final.gradient) / 4
        values, vectors = np.linalg.eigh(hessian)
        saddle = _is_saddle(values)
        if attempt == _ATTEMPTS - 1 or not (saddle or decrement > DECREMENT):
            break
        if saddle:
            sides = [theta + size * vectors[:, 0] for size in (-0.2, 0.2)]
            theta = descend(objective, min(sides, key=lambda side: objective(side).value), _NEAR)
        else:
            theta = descend(objective, theta)
    converged = bool(np.isfinite(final.value) and decrement <= DECREMENT and not saddle)
    return PanelSolution(theta, final, hessian, covariance, beta_slope, decrement, converged, objective.calls)


def follow_maximum(problem: PanelProblem, near: PanelSolution, start: np.ndarray) -> PanelSolution:
    """Maximise the likelihood of data much like those of another fit, quickly: for simulations.

    The search starts with that fit's curvature, and its own is made of one-sided differences; estimates are right to a
    few hundredths of a standard error. Where that does not do (a saddle, a slow search) `maximise_likelihood` is run.

    Parameters
    ----------
    problem : PanelProblem
    near : PanelSolution
    start : ndarray, shape (n_theta,)
    """
    objective = Objective(problem)
    inverse: np.ndarray | None = near.covariance / 2
    for _ in range(2):
        theta = descend(objective, start, _QUICK, inverse)
        final = objective(theta)
        around = [objective(theta + unit) for unit in _STEP * np.eye(len(theta))]
        hessian = np.array([there.gradient - final.gradient for there in around]) / _STEP
        hessian = np.nan_to_num((hessian + hessian.T) / 2)
        covariance = 2 * _inverse(hessian)
        decrement = float(final.gradient @ covariance @ final.gradient) / 4
        values, vectors = np.linalg.eigh(hessian)
        if decrement <= 10 * _QUICK and not _is_saddle(values):
            beta_slope = np.array([there.beta - final.beta for there in around]).T / _STEP
            return PanelSolution(theta, final, hessian, covariance, beta_slope, decrement, True, objective.calls)
        start, inverse = theta + 0.2 * vectors[:, 0], None
    return maximise_likelihood(problem, theta)


def descend(
    objective: Objective, start: np.ndarray, promise: float = DECREMENT / 10, inverse: np.ndarray | None = None
) -> np.ndarray:
    """Run BFGS on the free parameters until its quadratic model promises no more than `promise`.

    Parameters
    ----------
    objective : Objective
    start : ndarray, shape (n_theta,)
    promise : float
        Deviance still to be gained.
    inverse : ndarray, shape (k, k), optional
        Inverse second derivative in theta to begin with; default: from the expected information.
    """
    theta, free = start.copy(), objective.free
    here = objective(theta)
    fresh = inverse is None
    H = _steering(objective, theta) if inverse is None else inverse[np.ix_(free, free)]
    for _ in range(_MAX_STEPS):
        slope = here.gradient[free]
        step = -H @ slope
        gain = -float(slope @ step)
        if not gain > 2 * promise:
            break
        reached = _line_search(objective, theta, here, step, gain)
        if reached is None:
            if fresh:
                break
            H, fresh = _steering(objective, theta), True
            continue
        theta, there, taken = reached
        H = _update(H, taken, there.gradient[free] - slope)
        here, fresh = there, False
    return theta


def curvature(objective: Objective, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the Hessian (k, k) by central differences of the exact gradient, and the slope (p, k) of beta."""
    columns, slopes = [], []
    for unit in _STEP * np.eye(len(theta)):
        ahead, behind = objective(theta + unit), objective(theta - unit)
        columns.append((ahead.gradient - behind.gradient) / (2 * _STEP))
        slopes.append((ahead.beta - behind.beta) / (2 * _STEP))
    hessian = np.array(columns)
    return np.nan_to_num((hessian + hessian.T) / 2), np.array(slopes).T


def _polish(objective: Objective, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take Newton steps as long as they gain; return theta, Hessian and slope of beta there.

    The curvature is made anew where a step did not do what it promised (near a variance of zero it changes fast), and
    at the end where the steps since were not tiny.
    """
    hessian, beta_slope = curvature(objective, theta)
    here, promised, moved = objective(theta), np.inf, 0.0
    for _ in range(_MAX_NEWTON):
        step = -_inverse(hessian) @ here.gradient
        gain = -float(step @ here.gradient) / 2
        if not gain > DECREMENT / 100 or _is_saddle(np.linalg.eigvalsh(hessian)):
            break
        if gain > promised / 20:
            if gain < DECREMENT / 4:
                break
            hessian, beta_slope = curvature(objective, theta)
            promised, moved = np.inf, 0.0
            continue
        reached = _line_search(objective, theta, here, step, 2 * gain)
        if reached is None:
            break
        theta, here, _ = reached
        promised, moved = gain, moved + gain
    if moved > _NEAR:
        hessian, beta_slope = curvature(objective, theta)
    return theta, hessian, beta_slope


def _is_saddle(values: np.ndarray) -> bool:
    """Whether eigenvalues of a Hessian, in rising order, say that the deviance falls in some direction."""
    return bool(values[0] < -1e-5 * values[-1])


def _inverse(hessian: np.ndarray) -> np.ndarray:
    """Invert a Hessian, leaving flat and rising directions out."""
    values, vectors = np.linalg.eigh(hessian)
    inverse = np.where(values > _FLAT * values[-1], 1 / np.where(values > 0, values, 1.0), 0.0)
    return (vectors * inverse) @ vectors.T


def _line_search(
    objective: Objective, theta: np.ndarray, here: PanelDeviance, step: np.ndarray, gain: float
) -> tuple[np.ndarray, PanelDeviance, np.ndarray] | None:
    """Halve the step until the deviance falls by a share of what the slope promises."""
    length = min(1.0, 2.0 / float(np.abs(step).max()))
    for _ in range(25):
        candidate = theta.copy()
        candidate[objective.free] += length * step
        there = objective(candidate)
        if there.value <= here.value - 1e-4 * length * gain:
            return candidate, there, length * step
        # the lowest point of the parabola through both values and the slope
        bend = there.value - here.value + length * gain
        length *= min(0.5, max(0.1, length * gain / (2 * bend))) if np.isfinite(bend) else 0.3
    return None


def _update(H: np.ndarray, s: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Update the inverse second derivative (BFGS), unless the curvature along the step is not positive."""
    sy = float(s @ y)
    if sy <= 1e-10 * np.sqrt(float(s @ s) * float(y @ y)):
        return H
    Hy = H @ y
    return H + np.outer(s, s) * (1 + float(y @ Hy) / sy) / sy - (np.outer(Hy, s) + np.outer(s, Hy)) / sy


def _steering(objective: Objective, theta: np.ndarray) -> np.ndarray:
    """Return the inverse of the expected second derivative, kept finite where a variance is at zero."""
    information = expected_information(objective.problem, theta)[np.ix_(objective.free, objective.free)]
    values, vectors = np.linalg.eigh(information)
    values = np.maximum(values, 1e-4 * values[-1])
    return (vectors / values) @ vectors.T


def _cold_start(problem: PanelProblem) -> np.ndarray:
    """Return the better of two starts; with many clients, from a search on some of them."""
    K, q = problem.n_series, problem.Z.shape[1]
    starts = []
    for own, stable in ((0.2, 0.9), (0.6, 0.4)):
        factors = [np.sqrt(1 - own**2) * np.eye(K), stable * np.eye(q)]
        factors += [] if problem.stationary else [np.eye(K)]
        starts.append(pack(own * np.eye(K), tuple(factors)))
    some = _thin(problem)
    objective = Objective(some)
    ends = [descend(objective, start, _ROUGH) for start in starts]
    return min(ends, key=lambda end: objective(end).value)


def _thin(problem: PanelProblem) -> PanelProblem:
    """Return the problem of about `_SUBSAMPLE` clients, or the problem itself."""
    share = problem.n_clients // _SUBSAMPLE
    if share < 2:
        return problem
    return thin_problem(problem, share)
