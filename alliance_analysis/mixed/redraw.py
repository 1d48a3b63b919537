"""Gives a problem one outcome after another: the columns that stay are centred and scaled once for all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from alliance_analysis.mixed.columns import Outcome, project_outcome
from alliance_analysis.mixed.crossproducts import Problem, chunk_columns, level_widths, offset_of
from alliance_analysis.mixed.design import Design
from alliance_analysis.mixed.nesting import Chunk
from alliance_analysis.mixed.refits import model_rows, replace_outcome


@dataclass(frozen=True)
class Redraw:
    """A problem and, per chunk of its rows, the internal columns (c, rows) of Z and X; none off the nested path."""

    problem: Problem
    design: Design
    columns: tuple[np.ndarray, ...]


def prepare_redraw(problem: Problem, design: Design) -> Redraw:
    """Centre and scale the columns of Z and X, once.

    Crossed groups and residual structures have no columns here: `redraw` sums their products anew each time.
    """
    if problem.nest is None or problem.residual is not None:
        return Redraw(problem, design, ())
    rows, outcome = model_rows(design), project_outcome(design.y, design.X, problem.fixed_columns)
    columns = tuple(chunk_columns(problem, chunk.plan, rows, outcome)[:-1] for chunk in problem.chunks)
    return Redraw(problem, design, columns)


def redraw(prepared: Redraw, y: np.ndarray) -> Problem:
    """Take another outcome (n,) on the rows of the design, as `replace_outcome` does."""
    problem = prepared.problem
    if not prepared.columns:
        return replace_outcome(problem, prepared.design, y)
    outcome, rests = _project(prepared, y)
    chunks = tuple(
        _with_outcome(problem, chunk, columns, rest / outcome.scale)
        for chunk, columns, rest in zip(problem.chunks, prepared.columns, rests, strict=True)
    )
    return replace(
        problem,
        chunks=chunks,
        UU=np.sum([chunk.UU for chunk in chunks], axis=0),
        offset=offset_of(problem.fixed_columns, outcome),
        y_scale=outcome.scale,
    )


def _project(prepared: Redraw, y: np.ndarray) -> tuple[Outcome, list[np.ndarray]]:
    """Take the least-squares fit on X out of an outcome; what is left of it, chunk by chunk."""
    problem = prepared.problem
    mean = float(y.mean()) if problem.fixed_columns.constant is not None else 0.0
    X = [columns[-problem.p :] for columns in prepared.columns]
    rests = [y[chunk.plan.rows] - mean for chunk in problem.chunks]
    projection = np.zeros(problem.p)
    for _ in range(2):  # twice, for what rounding left when the columns explain nearly all of it
        step = np.sum([part @ rest for part, rest in zip(X, rests, strict=True)], axis=0) / problem.n
        rests = [rest - step @ part for part, rest in zip(X, rests, strict=True)]
        projection = projection + step
    square = sum(float(rest @ rest) for rest in rests)
    return Outcome(mean, projection, float(np.sqrt(square / problem.n))), rests


def _with_outcome(problem: Problem, chunk: Chunk, columns: np.ndarray, y: np.ndarray) -> Chunk:
    """Put the outcome's products into the last column of every table of a chunk."""
    tables, offset = [], 0
    for q, starts, table in zip(level_widths(problem), chunk.plan.starts, chunk.tables, strict=True):
        own, r = table.copy(), len(columns) + 1 - offset - q
        for a in range(q):
            own[q * (q + 1) // 2 + (a + 1) * r - 1] = np.add.reduceat(columns[offset + a] * y, starts)
        tables.append(own)
        offset += q
    UU = chunk.UU.copy()
    UU[-1, :-1] = UU[:-1, -1] = columns[-problem.p :] @ y
    UU[-1, -1] = y @ y
    return replace(chunk, tables=tuple(tables), UU=UU)
