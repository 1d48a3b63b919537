"""The nested path of the likelihood over all chunks: forwards to log|V0| and U'V0^-1 U, backwards to the parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_analysis.mixed.covariance import Weights
from alliance_analysis.mixed.crossproducts import Problem
from alliance_analysis.mixed.nested import Level, predict_chunk, pull_back_chunk, reduce_chunk
from alliance_analysis.mixed.nesting import Chunk


@dataclass(frozen=True)
class LevelMarginal:
    """U'V0^-1 U (m, m) and log|V0|, V0 = V / sigma^2, and what the way back to the parameters needs."""

    log_det: float
    D: np.ndarray
    problem: Problem
    level_factors: list[np.ndarray]
    reduced: list[list[Level]]  # per chunk
    weights: Weights | None

    def pull_back(self, weights: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """Differentiate log|V0| + sum(weights * D), weights (m, m) symmetric, in each term's factor and in phi."""
        slopes = [np.zeros_like(factor) for factor in self.level_factors]
        residual = self.weights
        c_bar = np.zeros(len(residual.c)) if residual else np.empty(0)
        for chunk, levels in zip(self.problem.chunks, self.reduced, strict=True):
            own, adjoints = pull_back_chunk(chunk, levels, self.level_factors, weights, to_tables=residual is not None)
            for slope, part in zip(slopes, own, strict=True):
                slope += part
            for k, adjoint in enumerate(adjoints):
                c_bar += _to_kinds(chunk, k, adjoint, len(c_bar))
        if residual is None or self.problem.UU_kinds is None:
            return _by_term(self.problem, slopes), np.empty(0)
        c_bar += np.tensordot(self.problem.UU_kinds, weights, axes=2)
        return _by_term(self.problem, slopes), residual.c_slopes @ c_bar + residual.log_det_slopes


def reduce_levels(problem: Problem, factors: tuple[np.ndarray, ...], phi: np.ndarray) -> LevelMarginal:
    """Take the random effects out of the cross-products, level by level, chunk by chunk.

    Parameters
    ----------
    problem : Problem
        On the nested path.
    factors : tuple of (q, q) arrays
        Relative factor of every random term.
    phi : (k,) array
        Residual parameters; empty for independent residuals of equal variance.
    """
    weights = problem.residual.evaluate(phi) if problem.residual else None
    level_factors = _by_level(problem, factors)
    D, log_det, reduced = problem.UU, 0.0, []
    if weights is not None and problem.UU_kinds is not None:
        D, log_det = np.tensordot(weights.c, problem.UU_kinds, axes=1), weights.log_det
    for chunk in problem.chunks:
        levels, taken, own = reduce_chunk(chunk, weigh(chunk, weights), level_factors, len(D))
        D = D - taken
        log_det += own
        reduced.append(levels)
    return LevelMarginal(log_det, (D + D.T) / 2, problem, level_factors, reduced, weights)


def weigh(chunk: Chunk, weights: Weights | None) -> tuple[np.ndarray, ...]:
    """Tables of a chunk with R^-1 in the products: one entry per group."""
    plan = chunk.plan
    if weights is None or plan.kinds is None:
        return chunk.tables
    c = weights.c[plan.kinds]
    return tuple(np.add.reduceat(t * c, e, axis=1) for t, e in zip(chunk.tables, plan.entries, strict=True))


def predict_levels(
    problem: Problem, factors: tuple[np.ndarray, ...], phi: np.ndarray, beta: np.ndarray
) -> list[np.ndarray]:
    """Predict the random effects (levels, q) of every term on internal columns."""
    marginal = reduce_levels(problem, factors, phi)
    v = np.append(-beta, 1.0)
    terms = problem.nest.terms if problem.nest else ()
    sizes = [sum(len(chunk.plan.labels[k]) for chunk in problem.chunks) for k in range(len(terms))]
    effects = [np.zeros((size, len(L))) for size, L in zip(sizes, marginal.level_factors, strict=True)]
    for chunk, levels in zip(problem.chunks, marginal.reduced, strict=True):
        for k, part in enumerate(predict_chunk(chunk, levels, marginal.level_factors, v)):
            effects[k][chunk.plan.labels[k]] = part.T
    out: list[np.ndarray] = [np.empty(0)] * len(factors)
    for level, effect in zip(terms, effects, strict=True):
        at = 0
        for term in level:
            out[term] = effect[:, at : at + len(factors[term])]
            at += len(factors[term])
    return out


def _to_kinds(chunk: Chunk, k: int, adjoint: np.ndarray, n_kinds: int) -> np.ndarray:
    entries, kinds = chunk.plan.entries[k], chunk.plan.kinds
    table = chunk.tables[k]
    counts = np.diff(np.append(entries, table.shape[1]))
    along = np.einsum("pe,pe->e", table, np.repeat(adjoint, counts, axis=1))
    return np.bincount(kinds, along, minlength=n_kinds)  # type: ignore[arg-type]


def _by_level(problem: Problem, factors: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """One block-diagonal factor per level."""
    out = []
    for level in problem.nest.terms if problem.nest else ():
        q = sum(len(factors[k]) for k in level)
        joint, at = np.zeros((q, q)), 0
        for k in level:
            end = at + len(factors[k])
            joint[at:end, at:end] = factors[k]
            at = end
        out.append(joint)
    return out


def _by_term(problem: Problem, slopes: list[np.ndarray]) -> list[np.ndarray]:
    """The diagonal blocks that belong to the random terms, in the order of the terms."""
    out: list[np.ndarray] = [np.empty(0)] * len(problem.rotations)
    for level, slope in zip(problem.nest.terms if problem.nest else (), slopes, strict=True):
        at = 0
        for k in level:
            end = at + len(problem.rotations[k])
            out[k] = slope[at:end, at:end]
            at = end
    return out
