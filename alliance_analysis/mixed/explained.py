"""How much of the outcome's variance lies at each level, and how much of it the model explains there."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from alliance_analysis.mixed.design import Design, RandomBlock

ROUNDING = 1e-12  # share of the random variance that counts as none
WITHIN, RESIDUAL = "within", "residual"


@dataclass(frozen=True)
class VarianceParts:
    """The model's variance of the outcome, split by source and level; all in the outcome's unit squared.

    `fixed` level -> variance of the fixed part there; `random` (group, level) -> variance by that group's effects at
    that level; levels are "within" and "between_<group>", `residual` is within.
    """

    levels: tuple[str, ...]
    fixed: dict[str, float]
    random: dict[tuple[str, str], float]
    residual: float


def share_variance(
    design: Design, covariances: tuple[np.ndarray, ...], residual: float, withheld: dict[str, str]
) -> pd.DataFrame:
    """Share the variance that the fixed part leaves among the grouping factors and the residual.

    Parameters
    ----------
    design : Design
    covariances : tuple of (q_k, q_k) arrays
    residual : float
        Residual variance.
    withheld : dict
        Grouping factor -> why its share may not be shown.

    Returns
    -------
    pandas.DataFrame
        `level estimate share note`, the coarsest group first, "residual" last.
    """
    variances = dict.fromkeys(design.groups, 0.0)
    for block, covariance in zip(design.random, covariances, strict=True):
        variances[block.group] += mean_variance(block, covariance)
    variances[RESIDUAL] = residual
    total = sum(variances.values())
    rows = [
        (level, np.nan, np.nan, withheld[level]) if level in withheld else (level, value, value / total, "")
        for level, value in variances.items()
    ]
    return pd.DataFrame(rows, columns=["level", "estimate", "share", "note"])


def mean_variance(block: RandomBlock, covariance: np.ndarray) -> float:
    """Variance that a random term adds to an outcome, averaged over the rows: mean of z'Gz (Johnson 2014)."""
    return float(np.einsum("ij,jk,ik->", block.Z, covariance, block.Z)) / len(block.Z)


def nakagawa(design: Design, covariances: tuple[np.ndarray, ...], beta: np.ndarray, residual: float) -> pd.DataFrame:
    """R2 of Nakagawa and Schielzeth with Johnson's extension: `measure level source estimate`, two rows."""
    fixed = float(np.var(design.X @ beta, ddof=1))
    random = sum(mean_variance(*pair) for pair in zip(design.random, covariances, strict=True))
    total = fixed + random + residual
    rows = [
        ("nakagawa_marginal", "total", "fixed", fixed / total),
        ("nakagawa_conditional", "total", "fixed + random", (fixed + random) / total),
    ]
    return pd.DataFrame(rows, columns=["measure", "level", "source", "estimate"])


def rights_sterba(parts: VarianceParts) -> pd.DataFrame:
    """Relate every part to the total and to its own level: `measure level source estimate`.

    Sources are "fixed", "random <group>" and "residual"; shares of one level add up to 1, so do those of "total".
    """
    at: list[tuple[str, str, float]] = [(level, "fixed", value) for level, value in parts.fixed.items()]
    at += [(level, f"random {group}", value) for (group, level), value in parts.random.items()]
    at += [(WITHIN, RESIDUAL, parts.residual)]
    total = sum(value for _, _, value in at)
    rows = [("rights_sterba", "total", f"{source} {level}", value / total) for level, source, value in at]
    for level in parts.levels:
        here = [(source, value) for where, source, value in at if where == level]
        sum_here = sum(value for _, value in here)
        share = [(source, value / sum_here if sum_here > 0 else np.nan) for source, value in here]
        rows += [("rights_sterba", level, source, value) for source, value in share]
    return pd.DataFrame(rows, columns=["measure", "level", "source", "estimate"])


def split_variance(
    design: Design, covariances: tuple[np.ndarray, ...], beta: np.ndarray, residual: float
) -> VarianceParts:
    """Split fixed and random parts of nested groups into what varies within clients, between them, between therapists.

    Notes
    -----
    Each column is split as w = (w - client mean) + (client mean - therapist mean) + therapist mean, over the rows used.
    Fixed: f_l = var(x_l' beta). Random effects of group g on z: tr(G_g cov(z_l)) at every level l below g; at g itself
    the mean of z_g'G_g z_g, z_g being the group's mean (the intercept's variance when z is centred within the group).
    """
    groups = list(design.groups.values())
    fixed_by_level = _split_columns((design.X @ beta)[:, None], groups)
    fixed = {level: float(part.var(ddof=1)) for level, part in fixed_by_level.items()}
    random: dict[tuple[str, str], float] = {}
    order = [f"between_{block.group}" for block in groups] + [WITHIN]
    for block, covariance in zip(design.random, covariances, strict=True):
        own = order.index(f"between_{block.group}")
        at_and_above = _group_means(block.Z, block)
        split = _split_columns(block.Z, groups)
        found = {order[own]: float(np.einsum("ij,jk,ik->", at_and_above, covariance, at_and_above)) / len(block.Z)}
        found |= {level: float(np.sum(covariance * _covariance(split[level]))) for level in order[own + 1 :]}
        for level, value in found.items():
            random[block.group, level] = random.get((block.group, level), 0.0) + value
    # A group without random slopes has nothing below its own level, but for rounding.
    nothing = ROUNDING * sum(random.values())
    kept = {key: value for key, value in random.items() if value > nothing or key[1] == f"between_{key[0]}"}
    return VarianceParts((WITHIN, *reversed(order[:-1])), fixed, kept, residual)


def is_nested(groups: list[RandomBlock]) -> bool:
    """Whether each level of a finer grouping factor lies in one level of the coarser; the coarsest comes first."""
    return all(
        len(np.unique(fine.codes.astype(np.int64) * coarse.n_levels + coarse.codes)) == fine.n_levels
        for coarse, fine in pairwise(groups)
    )


def _split_columns(columns: np.ndarray, groups: list[RandomBlock]) -> dict[str, np.ndarray]:
    """Split columns (n, c) by level: the coarsest group's means, finer means around them, what is left within."""
    parts, above = {}, np.zeros_like(columns)
    for block in groups:
        means = _group_means(columns, block)
        parts[f"between_{block.group}"] = means - above
        above = means
    return {WITHIN: columns - above, **parts}


def _group_means(columns: np.ndarray, block: RandomBlock) -> np.ndarray:
    counts = np.bincount(block.codes, minlength=block.n_levels)
    sums = np.column_stack([np.bincount(block.codes, column, minlength=block.n_levels) for column in columns.T])
    return (sums / counts[:, None])[block.codes]


def _covariance(columns: np.ndarray) -> np.ndarray:
    return np.atleast_2d(np.cov(columns, rowvar=False, ddof=1))
