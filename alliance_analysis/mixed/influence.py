"""What the fixed effects would be without one client or therapist, exactly and without fitting again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from alliance_analysis.mixed.crossproducts import Problem, build_problem
from alliance_analysis.mixed.design import Design
from alliance_analysis.mixed.independent import IndependentRows
from alliance_analysis.mixed.marginal import (
    MarginalBlocks,
    conditional_covariance,
    marginal_blocks,
    sum_marginal,
)
from alliance_analysis.mixed.optimise import Solution, refit
from alliance_analysis.mixed.refits import model_rows
from alliance_analysis.result import Estimates

LOST = 1e-9  # smallest share of a direction's information that the other groups must hold for an estimate


@dataclass(frozen=True)
class Deleted:
    """Without each level of a grouping factor: number of rows, fixed effects (levels, p) in the outcome's unit."""

    n: np.ndarray
    beta: np.ndarray


def delete_groups(own: IndependentRows, group: str) -> Deleted:
    """Estimate the fixed effects without each level of a grouping factor, the variance parameters held.

    Returns
    -------
    Deleted
        NaN where a term cannot be estimated without the level.

    Notes
    -----
    With P = V0^-1 and the rows s of a level, D = U'PU without them is D - W'(P_ss)^-1 W, W = (PU)_s. In the space of
    the effects that these rows touch (Z_s, C their covariance given beta, H = G Z'PU): W = U_s - Z_s H,
    P_ss = I - Z_s C Z_s', so that W'(P_ss)^-1 W = W'W + W'Z_s C (I - Z_s'Z_s C)^-1 Z_s'W.

    References
    ----------
    Demidenko & Stukel (2005), doi:10.1002/sim.1974.
    """
    design, problem = own.design, own.problem
    p, n_levels = problem.p, design.groups[group].n_levels
    codes = design.groups[group].codes
    own_term = next(k for k, block in enumerate(design.random) if block.group == group)
    D = sum_marginal(problem, own.batches, own.relative)
    T = problem.coefficients * problem.y_scale
    n, beta = np.bincount(codes, minlength=n_levels), np.full((n_levels, p), np.nan)
    rows_of = np.split(np.argsort(codes, kind="stable"), np.cumsum(n)[:-1])
    U, Z = _internal_rows(design, problem)
    for blocks in marginal_blocks(own.batches, own.relative):
        C, H = conditional_covariance(blocks), blocks.covariance @ blocks.ZVU
        for level, block in _levels_here(blocks, own_term):
            rows = rows_of[level]
            codes_rows = [other.codes[rows] for other in design.random]
            touched, Z_rows = _touched_effects(blocks, block, codes_rows, [z[rows] for z in Z])
            W = U[rows] - Z_rows @ H[block][touched]
            C_rows, ZW = C[block][np.ix_(touched, touched)], Z_rows.T @ W
            correction = C_rows @ np.linalg.solve(np.eye(len(touched)) - Z_rows.T @ Z_rows @ C_rows, ZW)
            without = D - W.T @ W - ZW.T @ correction
            beta[level] = problem.offset + T @ _solve(without, D, p)
    return Deleted(n, beta)


def refit_without(design: Design, problem: Problem, solution: Solution, group: str) -> Deleted:
    """Fit the model anew without each level of a grouping factor, from where the whole fit stopped.

    Returns
    -------
    Deleted
        NaN where the model cannot be estimated without the level, or the new fit did not converge.
    """
    block = design.groups[group]
    beta = np.full((block.n_levels, problem.p), np.nan)
    for level in range(block.n_levels):
        part = _without_rows(design, block.codes != level)
        if np.linalg.matrix_rank(part.X / np.sqrt(np.mean(design.X**2, axis=0))) < problem.p:
            continue
        smaller = build_problem(model_rows(part), problem.criterion)
        end = refit(smaller, solution.theta, solution.hessian)
        if end.converged:
            beta[level] = smaller.offset + smaller.coefficients @ end.deviance.beta * smaller.y_scale
    return Deleted(np.bincount(block.codes, minlength=block.n_levels), beta)


def tabulate_changes(deleted: Deleted, group: str, estimates: Estimates, covariance: np.ndarray) -> pd.DataFrame:
    """Tabulate `group level n change_<term>... cooks_distance`: estimates without each level minus those with it.

    Cook's distance is the squared change of all fixed effects in units of their covariance (p, p), over p.
    """
    change = deleted.beta - estimates.estimate
    distance = np.einsum("ij,ij->i", change, np.linalg.solve(covariance, change.T).T) / len(covariance)
    columns = {"group": group, "level": np.arange(len(change)), "n": deleted.n}
    changes = {f"change_{term}": values for term, values in zip(estimates.terms, change.T, strict=True)}
    return pd.DataFrame({**columns, **changes, "cooks_distance": distance})


def _internal_rows(design: Design, problem: Problem) -> tuple[np.ndarray, list[np.ndarray]]:
    y = (design.y - design.X @ problem.offset) / problem.y_scale
    U = np.column_stack([problem.fixed_columns.apply(design.X).T, y])
    return U, [m.apply(b.Z).T for m, b in zip(problem.random_columns, design.random, strict=True)]


def _levels_here(blocks: MarginalBlocks, term: int) -> Iterator[tuple[int, int]]:
    for block, levels in enumerate(blocks.batch.levels[term]):
        for level in levels:
            yield int(level), block


def _touched_effects(
    blocks: MarginalBlocks, block: int, codes: list[np.ndarray], Z: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Places of the effects that some rows of one block touch, and their columns (rows, effects) as a dense matrix."""
    places, columns = [], []
    for k, (code, z) in enumerate(zip(codes, Z, strict=True)):
        present, at = np.unique(code, return_inverse=True)
        order = np.argsort(blocks.batch.levels[k][block])
        position = order[np.searchsorted(blocks.batch.levels[k][block], present, sorter=order)]
        width = z.shape[1]
        places.append((blocks.batch.slices[k].start + position[:, None] * width + np.arange(width)).ravel())
        spread = np.zeros((len(z), len(present), width))
        spread[np.arange(len(z)), at] = z
        columns.append(spread.reshape(len(z), -1))
    return np.concatenate(places), np.hstack(columns)


def _solve(without: np.ndarray, D: np.ndarray, p: int) -> np.ndarray:
    root = np.linalg.inv(np.linalg.cholesky(D[:p, :p]))
    if np.linalg.eigvalsh(root @ without[:p, :p] @ root.T)[0] < LOST:
        return np.full(p, np.nan)
    return np.linalg.solve(without[:p, :p], without[:p, p])


def _without_rows(design: Design, keep: np.ndarray) -> Design:
    random = []
    for block in design.random:
        present, codes = np.unique(block.codes[keep], return_inverse=True)
        random.append(replace(block, Z=block.Z[keep], codes=codes, n_levels=len(present)))
    return replace(design, y=design.y[keep], X=design.X[keep], random=tuple(random), rows=design.rows[keep])
