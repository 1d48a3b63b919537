"""Weighted kappa of two raters on an ordinal scale, alone and where a client is rated several times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_analysis.analyses.jackknife import spread_of
from alliance_analysis.errors import ModelError

MOST_CATEGORIES = 10  # answer steps; scores with more of them are not ordinal categories but measurements


@dataclass(frozen=True)
class Kappa:
    """Agreement beyond chance on ordered categories.

    Attributes
    ----------
    estimate : float
    std_error : float
        Of independent pairs where every client has one; else by a jackknife that leaves out one client at a time.
    df : float
        Clients minus 1 for the jackknife; infinite for independent pairs.
    n_pairs, n_categories : int
    """

    estimate: float
    std_error: float
    df: float
    n_pairs: int
    n_categories: int


def quadratic_weights(categories: np.ndarray) -> np.ndarray:
    """Return the weights (k, k) of agreement: 1 on the diagonal, less by the squared distance of two answer steps (k,).

    Steps that nobody used leave a gap, not a shorter scale.

    Examples
    --------
    >>> quadratic_weights(np.array([1.0, 2.0, 5.0]))[0].tolist()
    [1.0, 0.9375, 0.0]
    """
    return 1 - ((categories[:, None] - categories) / np.ptp(categories)) ** 2


def weighted_kappa(table: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Compute weighted kappa and its standard error for independent pairs, from a table of counts (k, k).

    Both are missing where all pairs are in one cell of the diagonal: chance alone would agree as well.

    References
    ----------
    Fleiss, Cohen & Everitt 1969, 10.1037/h0028106.

    Examples
    --------
    >>> table = np.array([[20.0, 5], [10, 15]])
    >>> round(weighted_kappa(table, np.eye(2))[0], 2)
    0.4
    """
    n = table.sum()
    shares = table / n
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    observed, expected = float((weights * shares).sum()), float(rows @ weights @ columns)
    if 1 - expected < 1e-12:
        return np.nan, np.nan
    kappa = (observed - expected) / (1 - expected)
    typical = (weights @ columns)[:, None] + rows @ weights
    spread = (shares * (weights - typical * (1 - kappa)) ** 2).sum() - (kappa - expected * (1 - kappa)) ** 2
    return kappa, float(np.sqrt(max(spread, 0.0) / n) / (1 - expected))


def measure_kappa(first: np.ndarray, second: np.ndarray, clients: np.ndarray) -> Kappa:
    """Compute quadratically weighted kappa of two raters' scores (n,), with client codes (n,).

    Raises
    ------
    ModelError
        When there are fewer than two categories, or more than ten: such scores are measurements. When all differences
        between ratings are those of one client.

    Examples
    --------
    >>> measure_kappa(np.array([1, 2, 3, 2]), np.array([1, 2, 3, 3]), np.arange(4)).n_categories
    3
    """
    categories, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    k = len(categories)
    if not 1 < k <= MOST_CATEGORIES:
        raise ModelError(
            f"measure_kappa: the scores take {k} different values; 2 to {MOST_CATEGORIES} ordered categories are "
            "needed. Use an intraclass correlation for means and sums of items."
        )
    cells = codes[: len(first)] * k + codes[len(first) :]
    sizes = np.bincount(clients)
    weights = quadratic_weights(categories)
    whole = np.bincount(cells, minlength=k * k).astype(float)
    estimate, error = weighted_kappa(whole.reshape(k, k), weights)
    df = np.inf
    if sizes.max() > 1:
        per_client = np.zeros((len(sizes), k * k))
        np.add.at(per_client, (clients, cells), 1.0)
        left_out = np.array([weighted_kappa((whole - own).reshape(k, k), weights)[0] for own in per_client])
        error, df = spread_of(left_out), len(sizes) - 1.0
    if np.isnan(error):
        raise ModelError(
            "measure_kappa: all ratings but those of one client are the same; ratings that differ in several clients "
            "are needed. Describe the ratings instead."
        )
    return Kappa(float(estimate), error, df, len(first), k)
