"""Starts large problems near their maximum: a fit to one chunk of the groups costs little and leads most of the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from alliance_analysis.mixed.crossproducts import Problem
from alliance_analysis.mixed.descent import Objective, descend

MIN_CHUNKS = 3  # fewer chunks than this are all used from the start
ROUGH = 0.02  # promised decrease of the part's deviance at which its descent ends; its noise is larger


def warm_start(problem: Problem, guess: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, int]:
    """Fit a part of a large problem roughly.

    Returns
    -------
    theta : (k,) array
    hessian : (k, k) array or None
        What the curvature of the whole problem will be like; None when the problem is small.
    evaluations : int
        Whole evaluations that the part cost.
    """
    part = take_part(problem)
    if part is None:
        return guess, None, 0
    objective = Objective(part)
    rough = descend(objective, guess, enough=ROUGH)
    if not (rough.converged and np.isfinite(rough.at.value)):
        return guess, None, 0
    hessian = objective.differentiate(rough.at.theta)[0] * problem.n / part.n
    return rough.at.theta, hessian, round(objective.calls * part.n / problem.n)


def take_part(problem: Problem) -> Problem | None:
    """Keep the first, small chunk of a problem with several; None for any other."""
    if len(problem.chunks) < MIN_CHUNKS or problem.residual is not None:
        return None
    chunks = problem.chunks[:1]
    n = int(sum(chunk.n for chunk in chunks))
    return replace(problem, chunks=chunks, UU=np.sum([chunk.UU for chunk in chunks], axis=0), n=n)
