"""Changes a problem without a pass over its X and Z: another outcome, a restricted coefficient, another criterion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from alliance_analysis.mixed.columns import project_outcome
from alliance_analysis.mixed.connected import Batch
from alliance_analysis.mixed.crossproducts import (
    Criterion,
    Problem,
    Rows,
    build_problem,
    fill_outcome,
    level_widths,
    offset_of,
)
from alliance_analysis.mixed.design import Design
from alliance_analysis.mixed.likelihood import unpack
from alliance_analysis.mixed.nesting import Chunk


def model_rows(design: Design) -> Rows:
    """Read the rows of a problem from its design."""
    return Rows(design.y, design.X, [block.Z for block in design.random], [block.codes for block in design.random])


def replace_outcome(problem: Problem, design: Design, y: np.ndarray) -> Problem:
    """Take another outcome (n,) on the rows of `design`; X, Z, groups and criterion stay.

    Only the outcome's own cross-products are summed on the nested path, in one pass over the rows.
    """
    rows = replace(model_rows(design), y=y)
    if problem.nest is None:
        return build_problem(rows, problem.criterion, path="block")
    outcome = project_outcome(y, design.X, problem.fixed_columns)
    return replace(
        fill_outcome(problem, rows, outcome),
        offset=offset_of(problem.fixed_columns, outcome),
        y_scale=outcome.scale,
    )


def use_criterion(problem: Problem, criterion: Criterion) -> Problem:
    """Take the same cross-products under REML or ML."""
    return replace(problem, criterion=criterion)


def fix_coefficient(problem: Problem, weights: np.ndarray, value: float) -> Problem:
    """Restrict the fixed effects to weights' beta = value, weights (p,) on the data's own columns.

    Returns
    -------
    Problem
        With p - 1 internal coefficients; `offset + coefficients @ beta * y_scale` still gives all p of the user's.
        Its restricted likelihood is that of p - 1 columns; compare likelihoods under ML only.

    Notes
    -----
    With t = coefficients' weights the restriction is t'beta = h. beta = t h / t't + N gamma, N an orthonormal basis of
    what is orthogonal to t: X N takes the place of X, y - X t h / t't that of y.
    """
    t = problem.coefficients.T @ weights
    h = (value - float(weights @ problem.offset)) / problem.y_scale
    particular = t * h / float(t @ t)
    N = np.linalg.svd(t[None, :])[2][1:].T
    M = np.zeros((problem.p + 1, problem.p))
    M[:-1, :-1], M[:-1, -1], M[-1, -1] = N, -particular, 1.0
    batches = tuple(replace(batch, ZU=batch.ZU @ M) for batch in problem.batches)
    return replace(
        problem,
        batches=batches,
        chunks=tuple(_map_chunk(problem, chunk, M) for chunk in problem.chunks),
        UU=M.T @ problem.UU @ M,
        UU_kinds=None if problem.UU_kinds is None else M.T @ problem.UU_kinds @ M,
        p=problem.p - 1,
        coefficients=problem.coefficients @ N,
        offset=problem.offset + problem.coefficients @ particular * problem.y_scale,
    )


def _map_chunk(problem: Problem, chunk: Chunk, M: np.ndarray) -> Chunk:
    """Replace U by U M in every table of a chunk."""
    tables = []
    for q, table in zip(level_widths(problem), chunk.tables, strict=True):
        triangle = q * (q + 1) // 2
        C = table[triangle:].reshape(q, -1, table.shape[1])
        mapped = np.concatenate([C[:, : -len(M)], np.einsum("qmg,mn->qng", C[:, -len(M) :], M)], axis=1)
        tables.append(np.concatenate([table[:triangle], mapped.reshape(-1, table.shape[1])]))
    return replace(chunk, tables=tuple(tables), UU=M.T @ chunk.UU @ M)


def covariances_at(problem: Problem, theta: np.ndarray, sigma: float) -> tuple[np.ndarray, ...]:
    """Covariance (q, q) of every random term in the outcome's unit squared, at theta and the internal sigma."""
    scale = sigma * problem.y_scale
    loose = [np.linalg.solve(r, f) * scale for r, f in zip(problem.rotations, unpack(theta, problem), strict=True)]
    return tuple(half @ half.T for half in loose)


def dense_batches(problem: Problem, design: Design) -> tuple[Batch, ...]:
    """Cross-products Z'Z and Z'U of every connected block as dense matrices, on internal columns."""
    if problem.nest is None:
        return problem.batches
    return build_problem(model_rows(design), problem.criterion, path="block").batches
