"""Predictions for new rows, with what is uncertain in each: the mean, a known client's mean, a new client's score."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Literal, get_args

import numpy as np
import pandas as pd

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.coding import check_columns, encode, find_groups
from alliance_analysis.mixed.design import Design
from alliance_analysis.mixed.independent import IndependentRows
from alliance_analysis.mixed.marginal import MarginalBlocks, conditional_covariance, marginal_blocks
from alliance_analysis.mixed.small_sample import SmallSample

Effects = Literal["fixed", "known", "new"]


@dataclass(frozen=True)
class Rows:
    """New rows coded like the fit's: X (r, p), one Z (r, q_k) and one vector of levels (r,) per random term.

    Z is empty where only the fixed terms are asked for; levels are there for known groups only.
    """

    X: np.ndarray
    Z: tuple[np.ndarray, ...]
    codes: tuple[np.ndarray, ...]


def code_rows(design: Design, new: pd.DataFrame | None, effects: Effects) -> Rows:
    """Code new rows as the fit coded its own; None stands for the fit's rows.

    Raises
    ------
    ModelError
        For an `effects` that is not allowed, a missing column, an unknown level of a factor, or unknown groups where
        the effects of known ones are asked for.
    """
    if effects not in get_args(Effects):
        raise ModelError(f"predict: effects must be 'fixed', 'known' or 'new', got {effects!r}.")
    if new is None:
        blocks = design.random if effects != "fixed" else ()
        return Rows(design.X, tuple(b.Z for b in blocks), tuple(b.codes for b in blocks))
    if not isinstance(new, pd.DataFrame):
        raise ModelError(f"predict: new must be a pandas DataFrame, got {type(new).__name__}.")
    if design.coding is None:
        raise ModelError("predict: this design does not say how its columns were coded. Fit the model with fit_mixed.")
    X = encode(design.coding, design.coding.fixed, len(design.terms), new, "predict")
    if effects == "fixed":
        return Rows(X, (), ())
    codes = tuple(_known_groups(design, new)) if effects == "known" else ()
    return Rows(X, tuple(_code_random(design, new)), codes)


def _code_random(design: Design, new: pd.DataFrame) -> list[np.ndarray]:
    coding, columns = design.coding, []
    for block in design.random:
        width = sum(len(other.names) for other in design.random if other.term == block.term)
        Z = encode(coding, coding.random[block.term].expression, width, new, "predict")  # type: ignore[union-attr,arg-type]
        columns.append(Z[:, block.column : block.column + len(block.names)])
    return columns


def _known_groups(design: Design, new: pd.DataFrame) -> list[np.ndarray]:
    found = []
    for block in design.random:
        check_columns(block.keys.columns, new, "predict")  # type: ignore[union-attr]
        codes = find_groups(block.keys, new)  # type: ignore[arg-type]
        unknown = int((codes < 0).sum())
        if unknown:
            raise ModelError(
                f"predict: {unknown} of {len(new)} rows have a {block.group} the fit does not know. "
                "Use effects='new' for them, or effects='fixed'."
            )
        found.append(codes)
    return found


def row_df(X: np.ndarray, small_sample: SmallSample | None) -> np.ndarray:
    """Degrees of freedom (r,) of the mean at each row of X (r, p); infinite for the normal distribution."""
    if small_sample is None:
        return np.full(len(X), np.inf)
    variance = np.einsum("ij,jk,ik->i", X, small_sample.fixed_covariance, X)
    gradient = np.einsum("kjl,ij,il->ik", small_sample.slopes, X, X, optimize=True)
    spread = np.einsum("ij,jk,ik->i", gradient, small_sample.parameters, gradient)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 0, 2 * variance**2 / spread, np.where(np.isnan(spread), np.nan, np.inf))


def fixed_variance(X: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Variance (r,) of x'beta."""
    return np.einsum("ij,jk,ik->i", X, covariance, X)


def random_variance(Z: tuple[np.ndarray, ...], covariances: tuple[np.ndarray, ...]) -> np.ndarray:
    """Variance (r,) that the effects of new groups add: z'Gz over all random terms."""
    parts = [np.einsum("ij,jk,ik->i", z, covariance, z) for z, covariance in zip(Z, covariances, strict=True)]
    return np.sum(parts, axis=0)


def known_variance(rows: Rows, own: IndependentRows, fixed_covariance: np.ndarray, sigma: float) -> np.ndarray:
    """Variance (r,) of the prediction error of x'beta + z'b, the variance parameters taken as known.

    Notes
    -----
    Henderson's: z'Cz + (x - F'Gz)' Phi (x - F'Gz), C = (G^-1 + Z'Z / sigma^2)^-1 the covariance of the effects given
    beta and F = Z'V^-1 X. Effects of groups that share no row are independent given beta.
    """
    problem = own.problem
    Z = [z @ np.linalg.inv(rotation) for z, rotation in zip(rows.Z, problem.rotations, strict=True)]
    given_beta, shift = np.zeros(len(rows.X)), np.zeros((len(rows.X), problem.p))
    for blocks in marginal_blocks(own.batches, own.relative):
        C = conditional_covariance(blocks)
        GF = blocks.covariance @ blocks.ZVU[:, :, : problem.p]
        places = [_find_effects(blocks, k, codes) for k, codes in enumerate(rows.codes)]
        for k, (block, effects) in enumerate(places):
            here = block >= 0
            shift[here] += np.einsum("ia,iap->ip", Z[k][here], GF[block[here, None], effects[here]])
        for k, other in combinations_with_replacement(range(len(places)), 2):
            here = (places[k][0] >= 0) & (places[k][0] == places[other][0])
            block, left, right = places[k][0][here], places[k][1][here], places[other][1][here]
            pairs = C[block[:, None, None], left[:, :, None], right[:, None, :]]
            given_beta[here] += (1 + (k != other)) * np.einsum("ia,iab,ib->i", Z[k][here], pairs, Z[other][here])
    mean = rows.X - np.linalg.solve(problem.coefficients.T, shift.T).T
    return given_beta * sigma**2 + fixed_variance(mean, fixed_covariance)


def _find_effects(blocks: MarginalBlocks, term: int, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row the block (r,) of its level, -1 if it is in none of these, and its effects' places (r, q_k)."""
    table, width, start = blocks.batch.levels[term], blocks.batch.widths[term], blocks.batch.slices[term].start
    size = max(int(codes.max(initial=0)), int(table.max(initial=0))) + 1
    block, place = np.full(size, -1), np.zeros(size, dtype=int)
    block[table] = np.arange(len(table))[:, None]
    place[table] = np.arange(table.shape[1])[None, :]
    return block[codes], start + place[codes][:, None] * width + np.arange(width)
