"""Sums what the likelihood needs over the rows, once: cross-products of centred, scaled columns per group."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.columns import Columns, Outcome, orthogonal_columns, project_outcome
from alliance_analysis.mixed.connected import Batch, sum_batches
from alliance_analysis.mixed.covariance import Precision
from alliance_analysis.mixed.nesting import (
    Chunk,
    ChunkPlan,
    Nest,
    find_nest,
    plan_chunks,
    sum_kinds,
    sum_last_column,
    sum_last_kinds,
    sum_tables,
)

Criterion = Literal["REML", "ML"]
Path = Literal["nested", "block"]


@dataclass(frozen=True)
class Problem:
    """Everything the likelihood needs. Columns are centred, scaled and made orthogonal; the maps back are kept.

    `coefficients` (p, p) and `offset` (p,) map internal coefficients to the data's own columns, `log_det_map` is
    log|det| of that map; `y_scale` is the standard deviation taken out of the outcome; `rotations` (q, q) per random
    term map the user's effects to internal ones. `UU` (m, m) are the cross-products of U = [X, y], m = p + 1.

    Nested groups have `nest`, `plans` and `chunks`, all others `batches`. `residual` is None for independent residuals
    of equal variance; else `UU_kinds` (kinds, m, m) are U's products per kind of residual weight.
    """

    UU: np.ndarray
    n: int
    p: int
    criterion: Criterion
    coefficients: np.ndarray
    offset: np.ndarray
    log_det_map: float
    y_scale: float
    rotations: tuple[np.ndarray, ...]
    fixed_columns: Columns
    random_columns: tuple[Columns, ...]
    batches: tuple[Batch, ...] = ()
    nest: Nest | None = None
    plans: tuple[ChunkPlan, ...] = ()
    chunks: tuple[Chunk, ...] = ()
    residual: Precision | None = None
    UU_kinds: np.ndarray | None = None

    @property
    def dof(self) -> int:
        """The residual variance's divisor: n - p under REML, n under ML."""
        return self.n - self.p if self.criterion == "REML" else self.n

    @property
    def path(self) -> Path:
        """How the likelihood is computed: level by level, or in dense blocks of connected groups."""
        return "block" if self.nest is None else "nested"

    @property
    def n_factor_entries(self) -> int:
        """How many entries of theta belong to the relative factors; residual parameters follow them."""
        return sum(len(r) * (len(r) + 1) // 2 for r in self.rotations)


@dataclass(frozen=True)
class Rows:
    """The rows of a model: y (n,), X (n, p) of full column rank, and per random term Z (n, q) and codes (n,)."""

    y: np.ndarray
    X: np.ndarray
    Z: list[np.ndarray]
    codes: list[np.ndarray]


def build_problem(
    rows: Rows, criterion: Criterion, residual: Precision | None = None, *, path: Path | None = None
) -> Problem:
    """Centre and scale the columns, then sum their cross-products group by group.

    Parameters
    ----------
    rows : Rows
        Codes count 0, 1, ... without gaps.
    criterion : {"REML", "ML"}
    residual : Precision, optional
        Residual structure of these rows.
    path : {"nested", "block"}, optional
        By default nested wherever the groups are.

    Raises
    ------
    ModelError
        When crossed groups hang together in a block too large for dense matrices, or have a residual structure.

    Notes
    -----
    X = Q inv(T) with orthogonal Q, y is replaced by its least-squares residual over its standard deviation: a shift of
    a column, or another unit, then changes no number the likelihood sees. A random term with an unstructured covariance
    may take any non-singular map of its columns; a term of one column is scaled only, which is all it may take.
    """
    n, p = rows.X.shape
    fixed = orthogonal_columns(rows.X)
    outcome = project_outcome(rows.y, rows.X, fixed)
    random = tuple(orthogonal_columns(z) for z in rows.Z)
    problem = Problem(
        UU=np.empty(0),
        n=n,
        p=p,
        criterion=criterion,
        coefficients=fixed.matrix,
        offset=offset_of(fixed, outcome),
        log_det_map=float(np.linalg.slogdet(fixed.matrix)[1]),
        y_scale=outcome.scale,
        rotations=tuple(np.linalg.inv(columns.matrix) for columns in random),
        fixed_columns=fixed,
        random_columns=random,
        residual=residual,
    )
    nest = None if path == "block" else find_nest(rows.codes)
    if nest is not None:
        return _fill_chunks(replace(problem, nest=nest, plans=plan_chunks(nest, n, residual)), rows, outcome)
    if residual is not None:
        raise ModelError(
            "residual: with a residual structure the groups must be nested in each other, and these are crossed (a "
            "client who changes therapist is). Group by '(1 | therapist:client)', or leave the structure out."
        )
    return _fill_batches(problem, rows, outcome)


def offset_of(fixed: Columns, outcome: Outcome) -> np.ndarray:
    """Coefficients (p,) on the data's own columns of what was taken out of the outcome."""
    offset: np.ndarray = fixed.matrix @ outcome.projection
    if outcome.mean:
        offset[fixed.constant] += outcome.mean
    return offset


def _fill_batches(problem: Problem, rows: Rows, outcome: Outcome) -> Problem:
    internal = problem.fixed_columns.apply(rows.X)
    U = np.vstack([internal, outcome.apply(rows.y, internal)]).T
    Z = [columns.apply(z).T for columns, z in zip(problem.random_columns, rows.Z, strict=True)]
    return replace(problem, UU=U.T @ U, batches=sum_batches(Z, rows.codes, U))


def _fill_chunks(problem: Problem, rows: Rows, outcome: Outcome) -> Problem:
    chunks, m = [], problem.p + 1
    kinds = problem.residual.n_kinds if problem.residual else 0
    UU_kinds = np.zeros((kinds, m, m)) if problem.residual else None
    for plan in problem.plans:
        columns = chunk_columns(problem, plan, rows, outcome)
        widths = level_widths(problem)
        tables = sum_tables(columns, widths, plan)
        UU = columns[-m:] @ columns[-m:].T
        if UU_kinds is not None and plan.pairs is not None:
            UU_kinds += sum_kinds(columns[-m:], plan.pairs, kinds)
        chunks.append(Chunk(plan, tables, UU))
    total = np.sum([chunk.UU for chunk in chunks], axis=0)
    return replace(problem, UU=total, chunks=tuple(chunks), UU_kinds=UU_kinds)


def chunk_columns(problem: Problem, plan: ChunkPlan, rows: Rows, outcome: Outcome) -> np.ndarray:
    """Internal columns (c, rows) of a chunk: Z of every level, the innermost first, X, and the outcome."""
    part = plan.rows
    internal = problem.fixed_columns.apply(rows.X[part])
    terms = problem.nest.terms if problem.nest else ()
    Z = [problem.random_columns[k].apply(rows.Z[k][part]) for level in terms for k in level]
    return np.vstack([*Z, internal, outcome.apply(rows.y[part], internal)])


def level_widths(problem: Problem) -> list[int]:
    """How many columns each nested level has."""
    terms = problem.nest.terms if problem.nest else ()
    return [sum(len(problem.rotations[k]) for k in level) for level in terms]


def fill_outcome(problem: Problem, rows: Rows, outcome: Outcome) -> Problem:
    """Put another outcome's products into the last column of every table."""
    chunks, m = [], problem.p + 1
    UU_kinds = None if problem.UU_kinds is None else problem.UU_kinds.copy()
    if UU_kinds is not None:
        UU_kinds[:, -1] = UU_kinds[:, :, -1] = 0.0
    for chunk in problem.chunks:
        columns = chunk_columns(problem, chunk.plan, rows, outcome)
        with_y = sum_last_column(columns, level_widths(problem), chunk.plan, chunk.tables)
        UU = chunk.UU.copy()
        UU[-1] = UU[:, -1] = columns[-m:] @ columns[-1]
        if UU_kinds is not None and chunk.plan.pairs is not None:
            own = sum_last_kinds(columns[-m:], chunk.plan.pairs, len(UU_kinds))
            UU_kinds[:, -1] += own
            UU_kinds[:, :-1, -1] += own[:, :-1]
        chunks.append(Chunk(chunk.plan, with_y, UU))
    total = np.sum([chunk.UU for chunk in chunks], axis=0)
    return replace(problem, UU=total, chunks=tuple(chunks), UU_kinds=UU_kinds)
