"""Standard errors, likelihood-ratio tests and profile intervals of a panel VAR's lagged coefficients."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc, ndtri

from alliance_analysis.panel.likelihood import client_scores
from alliance_analysis.panel.problem import PanelProblem
from alliance_analysis.panel.search import Objective, PanelSolution, descend

FEWEST_CLUSTERS = 20  # below, a sandwich over therapists is too narrow (8 % false positives with 13 of them)
_MOST_STEPS = 12
_CLOSE = 1e-4  # of the signed root at a profile limit


def clustered_covariance(problem: PanelProblem, solution: PanelSolution, cluster: np.ndarray) -> np.ndarray:
    """Return the covariance (k, k) of theta that allows clients of one therapist to be alike.

    Notes
    -----
    H^-1 (sum_j g_j g_j') H^-1 J / (J - 1), g_j the slope of therapist j's deviance in theta with beta profiled out
    (its slope in theta plus the slope in beta times d beta / d theta), H the Hessian.

    References
    ----------
    Cameron & Miller 2015, 10.3368/jhr.50.2.317.
    """
    by_theta, by_beta = client_scores(problem, solution.theta, solution.deviance.beta, cluster)
    scores = by_theta + by_beta @ solution.beta_slope
    bread = solution.covariance / 2
    J = len(scores)
    return bread @ (scores.T @ scores) @ bread * J / (J - 1)


def constrain(
    problem: PanelProblem, solution: PanelSolution, which: np.ndarray, values: np.ndarray
) -> tuple[float, np.ndarray]:
    """Maximise the likelihood with some entries of theta held fixed.

    Parameters
    ----------
    which : ndarray of int, shape (c,)
    values : ndarray, shape (c,)

    Returns
    -------
    rise : float
        How much the deviance rises above the unconstrained one; NaN where the values are not allowed.
    theta : ndarray, shape (k,)
    """
    fixed = np.zeros(problem.n_theta, dtype=bool)
    fixed[which] = True
    objective = Objective(problem, fixed)
    C = solution.covariance
    start = (
        solution.theta
        + C[:, which] @ np.linalg.lstsq(C[np.ix_(which, which)], values - solution.theta[which], rcond=None)[0]
    )
    start[which] = values
    if not np.isfinite(objective(start).value):
        start = solution.theta.copy()
        start[which] = values
    if not np.isfinite(objective(start).value):
        return float("nan"), start
    theta = descend(objective, start)
    return max(objective(theta).value - solution.deviance.value, 0.0), theta


def likelihood_ratio(problem: PanelProblem, solution: PanelSolution, which: np.ndarray) -> tuple[float, float]:
    """Return chi-square and p (df = len(which)) of the hypothesis that these entries of theta are zero."""
    chisq, _ = constrain(problem, solution, which, np.zeros(len(which)))
    return chisq, float(chdtrc(len(which), chisq))


def profile_limit(problem: PanelProblem, solution: PanelSolution, which: int, side: int, conf_level: float) -> float:
    """Return the value of one entry of theta at which the likelihood has fallen to the limit of the interval.

    Parameters
    ----------
    which : int
    side : -1 or 1
    conf_level : float

    Returns
    -------
    float
        NaN where no limit was found inside the stationary region.
    """
    goal = float(ndtri((1 + conf_level) / 2))
    estimate, reach = solution.theta[which], goal * np.sqrt(solution.covariance[which, which])
    inner, outer = 0.0, np.inf
    distance = reach
    for _ in range(_MOST_STEPS):
        rise, _ = constrain(problem, solution, np.array([which]), np.array([estimate + side * distance]))
        root = np.sqrt(rise)
        if abs(root - goal) < _CLOSE:
            return float(estimate + side * distance)
        if not root < goal:  # too far, or outside what is allowed
            outer = min(outer, distance)
        else:
            inner = max(inner, distance)
        ahead = distance * goal / root if np.isfinite(root) and root > 0 else np.nan
        distance = ahead if inner < ahead < outer else (inner + min(outer, 2 * inner + reach)) / 2
    return float("nan")
