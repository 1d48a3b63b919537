"""Centres, scales and orthogonalises columns, so that no unit and no origin changes a number the likelihood sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

LARGE = 400_000  # entries of a matrix beyond which its Gram matrix takes the place of a QR decomposition
NARROW = 8
PASS = 8_192  # rows worked on at a time: a few columns of them fit into the processor's cache
CLEAR = 1e-4  # share of the outcome's square left by the columns above which differences of sums are exact enough
WELL_CONDITIONED = 1e8  # of the standardised columns' Gram matrix


@dataclass(frozen=True)
class Columns:
    """The map of c raw columns to internal ones of mean square 1: (raw - means) @ inner.

    `matrix` (c, c) is the same map without centring, the constant column standing in for the means.
    """

    means: np.ndarray
    inner: np.ndarray
    matrix: np.ndarray
    constant: int | None  # position of the constant column

    def apply(self, raw: np.ndarray) -> np.ndarray:
        """Map raw columns (n, c) to internal ones, laid out (c, n)."""
        centred = raw.T - self.means[:, None]
        if len(self.means) > NARROW:
            return self.inner.T @ centred
        # The map is upper triangular, and a few columns are too narrow a matrix for BLAS.
        out = np.empty_like(centred)
        for j, weights in enumerate(self.inner.T):
            np.multiply(centred[j], weights[j], out=out[j])
            for i in range(j):
                if weights[i]:
                    out[j] += weights[i] * centred[i]
        return out


@dataclass(frozen=True)
class Outcome:
    """The outcome less its least-squares fit: (y - mean - internal' projection) / scale."""

    mean: float
    projection: np.ndarray
    scale: float

    def apply(self, y: np.ndarray, internal: np.ndarray) -> np.ndarray:
        """Map outcomes (n,) beside the internal columns (p, n) to residuals of mean square 1."""
        return (y - self.mean - self.projection @ internal) / self.scale


def orthogonal_columns(raw: np.ndarray) -> Columns:
    """Find the map that makes columns (n, c) orthogonal; beside a constant column the others are centred first.

    Notes
    -----
    Centred and scaled columns are Q R; a Cholesky factor of their Gram matrix is R too, and one pass over the rows
    instead of a decomposition. It loses twice the digits, which only well-conditioned columns can afford.
    """
    n, c = raw.shape
    means, constant = _means(raw)
    inner = _from_gram(raw, means) if raw.size > LARGE else None
    if inner is None:
        centred = raw - means
        scale = np.sqrt(np.mean(centred**2, axis=0))
        inner = _inverse_of_root(np.asarray(np.linalg.qr(centred / scale, mode="r")), n) / scale[:, None]
    centre = np.eye(c)
    if constant is not None:
        centre[constant] -= means
    return Columns(means, inner, centre @ inner, constant)


def project_outcome(y: np.ndarray, raw: np.ndarray, columns: Columns) -> Outcome:
    """Take the least-squares fit on the internal columns, and the unit, out of the outcome (n,)."""
    n = len(y)
    # Without a constant column there is no coefficient that could take the mean back.
    mean = float(y.mean()) if columns.constant is not None else 0.0
    projection, square = np.zeros(raw.shape[1]), 0.0
    if raw.size > LARGE:
        product, before = np.zeros(raw.shape[1]), 0.0
        for rows in passes(n):
            centred = y[rows] - mean
            product += [float(column @ centred) for column in raw[rows].T] - columns.means * centred.sum()
            before += float(centred @ centred)
        projection = columns.inner.T @ product / n
        square = before - n * float(projection @ projection)
        if square > CLEAR * before:
            return Outcome(mean, projection, float(np.sqrt(square / n)))
        projection = np.zeros(raw.shape[1])
    for _ in range(2):  # twice, for what rounding left when the columns explain nearly all of it
        internal = columns.apply(raw)
        rest = y - mean - projection @ internal
        projection = projection + internal @ rest / n
    rest = y - mean - projection @ internal
    return Outcome(mean, projection, float(np.sqrt(np.mean(rest**2))))


def unexplained_shares(raw: np.ndarray) -> np.ndarray:
    """Share (c,) of every column's square that the other columns leave, from the Gram matrix of (n, c) columns.

    Beside a constant column it is the square around the mean; right to about 1e-8.
    """
    means, _ = _means(raw)
    standard, _ = _gram(raw, means)
    with np.errstate(all="ignore"):
        if np.linalg.cond(standard) > 1 / np.finfo(float).eps:
            return np.zeros(raw.shape[1])
        shares: np.ndarray = 1 / np.diagonal(np.linalg.inv(standard))
    return shares


def _means(raw: np.ndarray) -> tuple[np.ndarray, int | None]:
    """What is taken off the columns, and where the constant column stands."""
    constant = next((i for i, column in enumerate(raw.T) if column[0] == 1 and (column == 1).all()), None)
    means = np.zeros(raw.shape[1])
    if constant is not None:
        means = raw.mean(axis=0)
        means[constant] = 0.0
    return means, constant


def passes(n: int) -> Iterator[slice]:
    """Cut n rows into slices that fit into the cache."""
    return (slice(start, min(start + PASS, n)) for start in range(0, n, PASS))


def _gram(raw: np.ndarray, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gram matrix (c, c) of the centred columns scaled to mean square 1, and those scales (c,)."""
    n, c = raw.shape
    gram = np.zeros((c, c))
    for rows in passes(n):
        centred = raw[rows].T - means[:, None]
        gram += centred @ centred.T
    scale = np.sqrt(np.diagonal(gram) / n)
    with np.errstate(all="ignore"):
        return gram / np.outer(scale, scale) / n, scale


def _from_gram(raw: np.ndarray, means: np.ndarray) -> np.ndarray | None:
    standard, scale = _gram(raw, means)
    if not np.linalg.cond(standard) <= WELL_CONDITIONED:
        return None
    return _inverse_of_root(np.linalg.cholesky(standard).T, 1) / scale[:, None]


def _inverse_of_root(R: np.ndarray, n: int) -> np.ndarray:
    """sqrt(n) R^-1 with the signs that make R's diagonal positive."""
    return np.linalg.inv(R) * np.sign(np.diagonal(R)) * np.sqrt(n)
