"""Takes the rows of a fit to independent residuals of one variance, where the exact formulas of such models hold."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from alliance_analysis.mixed.attributes import Attributes
from alliance_analysis.mixed.connected import Batch
from alliance_analysis.mixed.crossproducts import Problem, build_problem
from alliance_analysis.mixed.design import Design
from alliance_analysis.mixed.marginal import relative_covariances
from alliance_analysis.mixed.refits import dense_batches, model_rows
from alliance_analysis.mixed.whitening import whiten

MAX_ENTRIES = 250_000_000  # of all dense blocks together: 2 GB


@dataclass(frozen=True)
class IndependentRows:
    """The same model with residuals sigma^2 I: its rows, its internal columns, its blocks and relative covariances.

    Fixed and random effects are those of the fit; only rows of `design` are mixtures of the data's rows.
    """

    design: Design
    problem: Problem
    batches: tuple[Batch, ...]
    relative: tuple[np.ndarray, ...]


def independent_rows(
    design: Design,
    problem: Problem,
    attributes: Attributes | None,
    phi: np.ndarray,
    covariances: tuple[np.ndarray, ...],
    sigma: float,
) -> IndependentRows:
    """Multiply y, X and Z by the inverse root of the residual correlation; without a structure, leave them as they are.

    Check with `fits_in_blocks` first: the blocks are dense matrices.

    Parameters
    ----------
    design, problem
        Of the fit.
    attributes, phi
        Of the residual structure; None and an empty array without one.
    covariances : tuple of (q_k, q_k) arrays
        Of the random terms, in the outcome's unit squared; `sigma` the residual standard deviation.
    """
    if not design.random:
        return IndependentRows(design, problem, (), ())
    if attributes is None:
        return IndependentRows(
            design, problem, dense_batches(problem, design), relative_covariances(problem, covariances, sigma)
        )
    random = tuple(replace(block, Z=_whiten_columns(attributes, phi, block.Z)) for block in design.random)
    white = replace(
        design,
        y=whiten(attributes, phi, design.y),
        X=_whiten_columns(attributes, phi, design.X),
        random=random,
    )
    rebuilt = build_problem(model_rows(white), problem.criterion, path="block")
    return IndependentRows(white, rebuilt, rebuilt.batches, relative_covariances(rebuilt, covariances, sigma))


def fits_in_blocks(design: Design) -> bool:
    """Whether dense matrices over all random effects of each connected set of groups fit into memory.

    Not so for thousands of clients of one therapist: then the exact formulas over effects are out of reach, and small
    samples no concern.
    """
    if not design.random:
        return True
    coarsest = next(iter(design.groups.values()))
    size = np.zeros(coarsest.n_levels)
    for block in design.random:
        pairs = np.unique(coarsest.codes.astype(np.int64) * block.n_levels + block.codes)
        size += len(block.names) * np.bincount(pairs // block.n_levels, minlength=coarsest.n_levels)
    return bool((size**2).sum() <= MAX_ENTRIES)


def _whiten_columns(attributes: Attributes, phi: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return np.column_stack([whiten(attributes, phi, column) for column in columns.T])
