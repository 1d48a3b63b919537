"""Profile-likelihood intervals: how far a parameter can move before the data object, all others following along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.attributes import Attributes
from alliance_analysis.mixed.crossproducts import Problem
from alliance_analysis.mixed.design import Design
from alliance_analysis.mixed.likelihood import deviance, unpack
from alliance_analysis.mixed.optimise import Solution, maximise_likelihood, refit
from alliance_analysis.mixed.quantities import Quantity, list_quantities, value_and_slope
from alliance_analysis.mixed.refits import fix_coefficient, use_criterion

CLOSE = 1e-6  # of the signed root of the deviance's rise, at which a limit of a fixed effect is found
MAX_SECANTS = 25
AT_ZERO = 1e-4  # standard deviation relative to its estimate that counts as zero
PERFECT = 0.9999  # correlation beyond which the region is said to reach one
ON_EDGE = 1e-4  # distance from the edge of the region, in units of the deviance, that counts as none
MAX_STEPS = 100
FAR = 1e12  # stands for a deviance that overflows, far from any region of interest
FLAT = 1e-6  # slope relative to the value one unit further on that counts as none


@dataclass(frozen=True)
class Limits:
    """One parameter's interval; NaN where the likelihood never falls far enough, or no limit could be found."""

    low: float
    high: float


@dataclass(frozen=True)
class Source:
    """The parts of a fit that other outcomes and other parameter values are tried on."""

    design: Design
    problem: Problem
    solution: Solution
    attributes: Attributes | None


def profile_parameters(source: Source, wanted: Sequence[str] | None, conf_level: float) -> pd.DataFrame:
    """Profile fixed effects and variance parameters of a fit under ML: `term kind estimate conf_low conf_high`.

    Parameters
    ----------
    source : Source
        A fit by REML or ML; `estimate` is its own.
    wanted : sequence of str, optional
        Names of fixed terms and variance parameters; all of them by default.
    conf_level : float

    Raises
    ------
    ModelError
        For a name that the model does not have.
    """
    design, problem, solution = source.design, source.problem, source.solution
    quantities = list_quantities(design, source.attributes)
    names = [*(quantity.name for quantity in quantities), *design.terms]
    wanted = names if wanted is None else list(wanted)
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise ModelError(
            f"profile: '{unknown[0]}' is not a parameter of the model; its parameters are {', '.join(names)}."
        )
    reach = float(ndtri((1 + conf_level) / 2))
    under_ml = use_criterion(problem, "ML")
    top = solution if problem.criterion == "ML" else maximise_likelihood(under_ml, solution.theta)
    own = np.append(solution.theta, np.log(solution.deviance.sigma))
    chosen = [quantity for quantity in quantities if quantity.name in wanted]
    rows = []
    region = _Region(under_ml, top, source.attributes)
    for quantity in chosen:
        limits = profile_variance(region, quantity, reach)
        value = value_and_slope(problem, quantity, own, source.attributes)[0]
        estimate = np.sqrt(value) if quantity.kind == "sd" else value
        rows.append((quantity.name, quantity.kind, estimate, limits.low, limits.high))
    beta = problem.offset + problem.coefficients @ solution.deviance.beta * problem.y_scale
    for weights, term, estimate in zip(np.eye(problem.p), design.terms, beta, strict=True):
        if term in wanted:
            limits = profile_coefficient(under_ml, top, weights, reach)
            rows.append((term, "fixed", estimate, limits.low, limits.high))
    return pd.DataFrame(rows, columns=["term", "kind", "estimate", "conf_low", "conf_high"])


def profile_coefficient(problem: Problem, solution: Solution, weights: np.ndarray, reach: float) -> Limits:
    """Find where the deviance of a fixed effect, all else refitted, has risen by reach^2.

    Parameters
    ----------
    problem, solution
        The ML problem and its maximum.
    weights : (p,) array
        The effect on the data's own columns.
    reach : float
        Root of the rise: the normal quantile.

    Notes
    -----
    The signed root of the rise is nearly linear in the effect, so the secant method needs about three refits a side,
    each from where the last one stopped.
    """
    at = solution.deviance
    T = problem.coefficients
    estimate = float(weights @ (problem.offset + T @ at.beta * problem.y_scale))
    inner = np.linalg.inv(at.D[: problem.p, : problem.p])
    error = float(np.sqrt(weights @ T @ inner @ T.T @ weights)) * at.sigma * problem.y_scale
    low, high = (_find_limit(problem, solution, weights, estimate, side * error, reach) for side in (-1, 1))
    return Limits(low, high)


def _find_limit(
    problem: Problem, solution: Solution, weights: np.ndarray, estimate: float, unit: float, reach: float
) -> float:
    """Search along estimate + step * unit for the step where the root of the rise is `reach`."""
    theta = solution.theta
    before, step = (0.0, 0.0), reach
    for _ in range(MAX_SECANTS):
        end = refit(fix_coefficient(problem, weights, estimate + step * unit), theta, solution.hessian)
        if not end.converged:
            return np.nan
        root = float(np.sqrt(max(end.deviance.value - solution.deviance.value, 0.0)))
        if abs(root - reach) < CLOSE:
            return estimate + step * unit
        slope = (root - before[1]) / (step - before[0])
        if not slope > 0:
            return np.nan
        theta, before = end.theta, (step, root)
        step = float(np.clip(step + (reach - root) / slope, step / 3, step * 3))
    return np.nan


class _Region:
    """The deviance as a function of z, (theta, log sigma) in units in which it rises by about |z|^2."""

    def __init__(self, problem: Problem, solution: Solution, attributes: Attributes | None) -> None:
        self.problem = problem
        self.attributes = attributes
        self.best = np.append(solution.theta, np.log(solution.deviance.sigma))
        self.lowest = solution.deviance.value
        self.unit = self._unit()
        self.last: tuple[np.ndarray, float, np.ndarray] | None = None

    def point(self, z: np.ndarray) -> np.ndarray:
        """Theta and log sigma (k + 1,) at z."""
        return self.best + self.unit @ z

    def rise(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """How far the deviance at z lies above its minimum, and the slope; the optimiser asks for both in turn."""
        if self.last is None or not np.array_equal(z, self.last[0]):
            value, gradient = self._evaluate(self.point(z))
            self.last = (z.copy(), value - self.lowest, self.unit.T @ gradient)
        return self.last[1], self.last[2]

    def _evaluate(self, phi: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(all="ignore"):
            sigma = np.exp(phi[-1])
            at = deviance(self.problem, phi[:-1], sigma=sigma)
        if not np.isfinite(at.value):
            return FAR, np.zeros(len(phi))
        return at.value, np.append(at.gradient, at.sigma_slope * sigma)

    def _unit(self) -> np.ndarray:
        h = 1e-4
        steps = np.eye(len(self.best)) * h
        columns = [(self._evaluate(self.best + s)[1] - self._evaluate(self.best - s)[1]) / (2 * h) for s in steps]
        hessian = (np.array(columns) + np.array(columns).T) / 2
        values, vectors = np.linalg.eigh(hessian)
        return vectors * np.sqrt(2 / np.maximum(values, 1e-3))

    def value(self, quantity: Quantity, z: np.ndarray) -> tuple[float, np.ndarray]:
        """A quantity at z and its slope in z."""
        value, slope = value_and_slope(self.problem, quantity, self.point(z), self.attributes)
        return value, self.unit.T @ slope


def profile_variance(region: _Region, quantity: Quantity, reach: float) -> Limits:
    """Find the smallest and largest value of a variance parameter where the deviance has risen by reach^2.

    Notes
    -----
    A profile limit is an extreme of the parameter over the region in which the likelihood stays high enough (Venzon &
    Moolgavkar 1988): one constrained optimisation a side, with exact gradients, instead of a grid of refits. A standard
    deviation whose region holds zero has the lower limit 0.

    References
    ----------
    Venzon & Moolgavkar (1988), doi:10.2307/2347496.
    """
    low, high = (_extreme(region, quantity, side, reach) for side in (1, -1))
    return Limits(low, high)


def _extreme(region: _Region, quantity: Quantity, side: int, reach: float) -> float:
    from scipy.optimize import minimize

    start = reach * 0.9 * _way(region, quantity) * -side
    there, best = (region.value(quantity, z)[0] for z in (start, np.zeros_like(start)))
    size = max(abs(there), abs(best)) if quantity.kind == "sd" else 1.0
    if side > 0 and quantity.kind == "sd" and best < AT_ZERO**2 * size:
        return 0.0
    scale = side / size

    def aim(z: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = region.value(quantity, z)
        return value * scale, slope * scale

    left = {
        "type": "ineq",
        "fun": lambda z: reach**2 - region.rise(z)[0],
        "jac": lambda z: -region.rise(z)[1],
    }
    options = {"maxiter": MAX_STEPS, "ftol": 1e-10}
    end = minimize(aim, start, jac=True, method="SLSQP", constraints=[left], options=options)
    found = region.value(quantity, end.x)[0]
    at_edge = abs(region.rise(end.x)[0] - reach**2) < ON_EDGE
    if quantity.kind != "sd":
        if at_edge:
            return float(found)
        return float(np.sign(found)) if abs(found) > PERFECT else np.nan
    if side > 0 and found < AT_ZERO**2 * size:
        return 0.0
    return float(np.sqrt(found)) if at_edge else np.nan


def _way(region: _Region, quantity: Quantity) -> np.ndarray:
    """Direction of unit length in which the quantity grows; at a variance of zero or a correlation of one, where it has
    no slope, the diagonal of its factor."""
    best, direction = region.value(quantity, np.zeros(len(region.best)))
    value = region.value(quantity, direction / max(np.linalg.norm(direction), 1e-300))[0]
    at_zero = quantity.kind == "sd" and np.linalg.norm(direction) < FLAT * value
    if at_zero or (quantity.kind == "cor" and abs(best) > PERFECT):
        factors = unpack(region.best[:-1], region.problem)
        start = sum(len(f) * (len(f) + 1) // 2 for f in factors[: quantity.term])
        lift = np.zeros(len(region.best))
        lift[start + np.flatnonzero(np.equal(*np.tril_indices(len(factors[quantity.term]))))[quantity.j]] = 1.0
        direction = np.linalg.solve(region.unit, lift)
    return direction / max(float(np.linalg.norm(direction)), 1e-300)
