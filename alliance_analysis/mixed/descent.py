"""Walks downhill on the deviance by a quasi-Newton method, in few evaluations: each one is a pass over all groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_analysis.mixed.crossproducts import Problem
from alliance_analysis.mixed.likelihood import Deviance, deviance

MAX_STEPS = 200
LONGEST = 1.5  # largest change of one entry of theta in a step, or of its largest entry so far if that is above 1
FIRST = 0.3  # and in the very first one, when nothing is known about the curvature
STEP = 3e-4  # of the central differences; factors are of order 1, internal columns being scaled
ENOUGH = 1e-11  # promised decrease of the deviance at which the walk ends


@dataclass(frozen=True)
class Point:
    """The profiled deviance at theta, with its gradient (k,)."""

    theta: np.ndarray
    value: float
    gradient: np.ndarray
    deviance: Deviance


@dataclass(frozen=True)
class Descent:
    """Where the walk ended; `hessian` (k, k) is what it learnt of the curvature, `converged`: no step promised more."""

    at: Point
    hessian: np.ndarray
    converged: bool


class Objective:
    """The profiled deviance as a function of theta, counting its calls."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.calls = 0

    def evaluate(self, theta: np.ndarray) -> Point:
        self.calls += 1
        with np.errstate(all="ignore"):
            at = deviance(self.problem, theta)
        return Point(theta, at.value, at.gradient, at)

    def differentiate(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Differentiate the exact gradient and D = U'V0^-1 U by central differences: (k, k) and (k, m, m)."""
        rows, slopes = [], []
        for unit in np.eye(len(theta)) * STEP:
            up, down = self.evaluate(theta + unit), self.evaluate(theta - unit)
            rows.append((up.gradient - down.gradient) / (2 * STEP))
            slopes.append((up.deviance.D - down.deviance.D) / (2 * STEP))
        k, m = len(theta), self.problem.p + 1
        hessian = np.array(rows).reshape(k, k)
        return (hessian + hessian.T) / 2, np.array(slopes).reshape(k, m, m)


def descend(
    objective: Objective, start: np.ndarray, hessian: np.ndarray | None = None, *, enough: float = ENOUGH
) -> Descent:
    """Minimise from `start` by BFGS with a backtracking line search.

    Parameters
    ----------
    objective : Objective
    start : (k,) array
    hessian : (k, k) array, optional
        Curvature near the minimum; its negative and vanishing directions are replaced.
    enough : float
        Promised decrease at which the walk ends.
    """
    at = objective.evaluate(start)
    known = hessian is not None
    B = _made_positive(hessian) if hessian is not None else _first_metric(at)
    for _ in range(MAX_STEPS):
        step = -np.linalg.solve(B, at.gradient) if at.gradient.size else at.gradient
        longest = LONGEST * max(1.0, float(np.abs(at.theta).max(initial=0.0)))
        step *= min(1.0, longest / max(float(np.abs(step).max(initial=0.0)), 1e-300))
        promised = -float(at.gradient @ step)
        if promised / 2 <= max(enough, 1e-15 * abs(at.value)):
            return Descent(at, B, True)
        new = _along(objective, at, step)
        if new is None or np.array_equal(new.theta, at.theta):
            return Descent(at, B, promised < 1e-6)
        B = _updated(B, new.theta - at.theta, new.gradient - at.gradient, rescale=not known)
        at, known = new, True
    return Descent(at, B, False)


def _first_metric(at: Point) -> np.ndarray:
    size = max(float(np.abs(at.gradient).max(initial=0.0)), 1e-8)
    return np.eye(len(at.theta)) * size / FIRST


def _made_positive(hessian: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(hessian)
    floor = 1e-3 * max(float(np.abs(values).max(initial=0.0)), 1e-8)
    return (vectors * np.maximum(np.abs(values), floor)) @ vectors.T


def _along(objective: Objective, at: Point, step: np.ndarray) -> Point | None:
    """Shorten the step until the deviance falls; None when rounding hides any further fall."""
    slope, size = float(at.gradient @ step), 1.0
    noise = 1e-13 * abs(at.value)
    for _ in range(30):
        new = objective.evaluate(at.theta + size * step)
        if np.isfinite(new.value):
            if new.value <= at.value + 1e-4 * size * slope:
                return new
            flatter = np.abs(new.gradient).max() < np.abs(at.gradient).max()
            if new.value <= at.value + noise and flatter:
                return new
            curved = 2 * (new.value - at.value - size * slope)
            size = float(np.clip(-slope * size**2 / curved, 0.1 * size, 0.5 * size)) if curved > 0 else size / 2
        else:
            size /= 4
        if size < 1e-9:
            break
    return None


def _updated(B: np.ndarray, step: np.ndarray, change: np.ndarray, *, rescale: bool) -> np.ndarray:
    """BFGS update, damped (Powell) so that the metric stays positive; the first one sets the scale as well."""
    along = float(step @ change)
    if rescale and along > 0:
        B = np.eye(len(step)) * float(change @ change) / along
    Bs = B @ step
    curved = float(step @ Bs)
    if along < 0.2 * curved:
        mix = 0.8 * curved / (curved - along)
        change = mix * change + (1 - mix) * Bs
        along = float(step @ change)
    return B - np.outer(Bs, Bs) / curved + np.outer(change, change) / along
