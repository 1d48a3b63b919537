"""The parameters of a panel VAR in the data's own units, and the way there from the scale the search works on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_analysis.panel.course import Course
from alliance_analysis.panel.dynamics import occasion_covariances, stationary_covariance
from alliance_analysis.panel.problem import PanelProblem, unpack


@dataclass(frozen=True)
class PanelParameters:
    """What makes a panel VAR z_it = X_t beta + Z_t b_i + w_it with w_it = A w_i,t-1 + e_it, in the data's units.

    Attributes
    ----------
    transition : ndarray, shape (K, K)
        A; row = outcome, column = predictor one session before.
    innovation : ndarray, shape (K, K)
        S, the covariance of e.
    start : ndarray, shape (K, K) or None
        Covariance of w at the first session; None: stationary.
    client : ndarray, shape (q, q)
        G, the covariance of b, on the named columns.
    course : ndarray, shape (p,)
        beta, on the named columns.
    """

    transition: np.ndarray
    innovation: np.ndarray
    start: np.ndarray | None
    client: np.ndarray
    course: np.ndarray

    @property
    def largest_eigenvalue(self) -> float:
        """Largest absolute eigenvalue of A; deviations die out only below 1."""
        return float(np.abs(np.linalg.eigvals(self.transition)).max())

    def deviation_covariance(self, n_occasions: int) -> np.ndarray:
        """Return the covariance (K, K) of w: P where stationary, else its average over the sessions of the grid."""
        if self.start is None:
            return stationary_covariance(self.transition, self.innovation)
        return occasion_covariances(self.transition, self.innovation, self.start, n_occasions).mean(axis=0)


def to_data_units(
    theta: np.ndarray, beta: np.ndarray, problem: PanelProblem, course: Course, scale: np.ndarray
) -> PanelParameters:
    """Translate theta and beta from series of within-client variance 1 into the data's units.

    Parameters
    ----------
    scale : ndarray, shape (K,)
        What each series was divided by.
    """
    A, factors = unpack(theta, problem)
    both = np.outer(scale, scale)
    S, G = (L @ L.T for L in factors[:2])
    effects = scale[[k for k, _ in course.random]]
    means = scale[[k for k, _ in course.terms]]
    return PanelParameters(
        transition=A * np.outer(scale, 1 / scale),
        innovation=S * both,
        start=None if problem.stationary else factors[2] @ factors[2].T * both,
        client=course.to_random @ (G * np.outer(effects, effects)) @ course.to_random.T,
        course=course.to_terms @ (beta * means),
    )
