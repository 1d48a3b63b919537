"""Predicts the random effects of a fitted problem, whichever path computed its likelihood."""

from __future__ import annotations

import numpy as np

from alliance_analysis.mixed.blocks import predict_blocks
from alliance_analysis.mixed.crossproducts import Problem
from alliance_analysis.mixed.levels import predict_levels
from alliance_analysis.mixed.likelihood import unpack


def random_effects(problem: Problem, theta: np.ndarray, beta: np.ndarray) -> list[np.ndarray]:
    """Predict the random effects (BLUPs) of every level, in the outcome's unit and the user's columns.

    Parameters
    ----------
    problem : Problem
    theta : (k,) array
        Relative factors and residual parameters.
    beta : (p,) array
        Internal fixed effects at theta.

    Returns
    -------
    list of (levels, q_k) arrays, one per random term.
    """
    factors, phi = unpack(theta, problem), theta[problem.n_factor_entries :]
    nested = problem.nest is not None
    internal = predict_levels(problem, factors, phi, beta) if nested else predict_blocks(problem, factors, beta)
    return [b @ np.linalg.inv(r).T * problem.y_scale for b, r in zip(internal, problem.rotations, strict=True)]
