"""Degrees of freedom for the fixed effects, from how their covariance moves with the variance parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from alliance_analysis.mixed.crossproducts import Problem
from alliance_analysis.mixed.optimise import Solution

DfMethod = Literal["satterthwaite", "kenward-roger", "normal"]
FLAT = 1e-8  # relative eigenvalue of the Hessian below which a direction carries no information (lmerTest's tol)


@dataclass(frozen=True)
class Satterthwaite:
    """What any contrast's df needs: covariance of the variance parameters, slopes of the fixed effects' covariance.

    `parameters` (k, k) covariance of (theta, sigma); `slopes` (k, p, p) derivatives of `fixed_covariance` (p, p).
    """

    fixed_covariance: np.ndarray
    parameters: np.ndarray
    slopes: np.ndarray

    def df(self, weights: np.ndarray) -> float:
        """Satterthwaite's df of one contrast: 2 v^2 / (g' A g), v = w'Vw its variance, g the gradient of v.

        Infinite when the variance does not depend on any variance parameter.
        """
        variance = float(weights @ self.fixed_covariance @ weights)
        gradient = self.slopes @ weights @ weights
        spread = float(gradient @ self.parameters @ gradient)
        return 2 * variance**2 / spread if spread > 0 else np.inf


def fixed_covariance(problem: Problem, solution: Solution) -> np.ndarray:
    """Covariance (p, p) of the fixed effects on the data's own columns: sigma^2 (X' V0^-1 X)^-1."""
    T = problem.coefficients
    inner = np.linalg.inv(solution.deviance.D[: problem.p, : problem.p])
    return T @ inner @ T.T * (solution.deviance.sigma * problem.y_scale) ** 2


def satterthwaite(problem: Problem, solution: Solution) -> Satterthwaite:
    """Prepare Satterthwaite's method as lmerTest does: differentiate in (theta, sigma), not in the variances.

    At a boundary (a variance of zero) the two give different df; lmerTest's are these.

    Notes
    -----
    The Hessian of the deviance in (theta, sigma) follows from that of the profiled deviance, by formulas in sigma; the
    slopes of the covariance are central differences. Covariance of the parameters: 2 H^-1 over the directions of
    positive curvature. The deviance is even in a column at zero, so that a linear map of the random columns leaves
    every df as it is, at the boundary too: the internal columns serve.

    References
    ----------
    Kuznetsova, Brockhoff & Christensen (2017), doi:10.18637/jss.v082.i13.
    """
    p, nu = problem.p, problem.dof
    at = solution.deviance
    v = np.append(-at.beta, 1.0)
    cross = -2 / at.sigma**3 * (solution.D_slopes @ v @ v)
    curvature = 4 * nu / at.sigma**2
    # Profiling sigma out subtracts cross cross' / curvature from the theta block: put it back.
    theta_block = solution.hessian + np.outer(cross, cross) / curvature
    hessian = np.block([[theta_block, cross[:, None]], [cross[None, :], np.array([[curvature]])]])
    inner = np.linalg.inv(at.D[:p, :p])
    T, scale = problem.coefficients, (at.sigma * problem.y_scale) ** 2
    slopes = [-(T @ inner @ slope[:p, :p] @ inner @ T.T) * scale for slope in solution.D_slopes]
    covariance = fixed_covariance(problem, solution)
    return Satterthwaite(covariance, _inverse_of_positive_part(hessian), np.array([*slopes, 2 / at.sigma * covariance]))


def _inverse_of_positive_part(hessian: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(hessian)
    keep = values > FLAT * np.abs(values).max()
    return 2 * (vectors[:, keep] / values[keep]) @ vectors[:, keep].T
