"""Computes the residuals' precision matrix from its few different blocks, and how it moves with its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import expit, logit

from alliance_analysis.mixed.vectors import lower_triangle


@dataclass(frozen=True)
class Pairs:
    """Which rows a residual weight joins: `first` and `second` (pairs,), the same row for a diagonal entry of R^-1.

    An entry off the diagonal stands for itself and its mirror image. `kinds` (pairs,) says whose weight it has.
    """

    first: np.ndarray
    second: np.ndarray
    kinds: np.ndarray


@dataclass(frozen=True)
class Patterns:
    """The P different blocks of d rows: what the covariance of a block's rows depends on.

    `times` (P, d) relative to the block's first row; `raters`, `visits` (P, d) codes; `levels` one (P, d) per grouping
    of the residual variance; `counts` (P,) how many blocks there are of each, negative for blocks taken off again.
    """

    counts: np.ndarray
    times: np.ndarray | None
    raters: np.ndarray | None
    visits: np.ndarray | None
    levels: tuple[np.ndarray, ...]

    @property
    def size(self) -> int:
        """Rows in a block, d."""
        first = next(a for a in (self.times, self.raters, self.visits, *self.levels) if a is not None)
        return int(first.shape[1])


@dataclass(frozen=True)
class CovarianceModel:
    """The parameters phi of a residual covariance relative to sigma^2, on scales without bounds.

    In this order: per grouping the log ratios of its levels' standard deviations to the first level's (`n_levels`
    holds the numbers of levels); with two raters the log ratio of the second's to the first's and atanh of their
    correlation; the serial correlation, as atanh(rho), or, where gaps are no whole numbers, as the logit of the
    correlation at the usual gap (so that the unit of time does not matter). Or the
    lower triangle of the Cholesky factor over `n_visits` visits, its first entry 1, with logarithms on the diagonal.
    """

    n_levels: tuple[int, ...] = ()
    two_raters: bool = False
    serial: str = ""  # "", "whole" or "real"
    gap: float = 1.0  # between neighbours of a series, usually
    n_visits: int = 0

    @property
    def size(self) -> int:
        """How many parameters there are."""
        groups = sum(n - 1 for n in self.n_levels)
        visits = self.n_visits * (self.n_visits + 1) // 2 - 1 if self.n_visits else 0
        return groups + 2 * self.two_raters + bool(self.serial) + visits

    @property
    def start(self) -> np.ndarray:
        """Equal variances, no correlation between raters, a serial correlation of .2 at the usual gap."""
        return self.starts[0]

    @property
    def starts(self) -> list[np.ndarray]:
        """Where to begin: one start, or several for a serial correlation, whose likelihood may have several maxima."""
        if not self.serial:
            return [np.zeros(self.size)]
        negative = [-0.5] if self.serial == "whole" and self.gap == 1 else []
        out = []
        for correlation in (0.2, 0.8, *negative):
            rho = np.sign(correlation) * abs(correlation) ** (1 / self.gap)
            phi = np.zeros(self.size)
            phi[-1] = np.arctanh(rho) if self.serial == "whole" else logit(correlation)
            out.append(phi)
        return out

    def rho(self, phi: np.ndarray) -> float:
        """Serial correlation at distance 1."""
        return float(np.tanh(phi[-1]) if self.serial == "whole" else expit(phi[-1]) ** (1 / self.gap))

    def rater_correlation(self, phi: np.ndarray) -> float:
        """Correlation of the two raters in the same session."""
        return float(np.tanh(phi[sum(n - 1 for n in self.n_levels) + 1]))

    def ratios(self, phi: np.ndarray) -> list[np.ndarray]:
        """Standard deviations relative to the first level's, per grouping (levels,)."""
        ends = np.cumsum([0, *(n - 1 for n in self.n_levels)])
        return [np.exp(np.append(0.0, phi[a:b])) for a, b in pairwise(ends)]

    def rater_ratio(self, phi: np.ndarray) -> float:
        """The second rater's standard deviation relative to the first's."""
        return float(np.exp(phi[sum(n - 1 for n in self.n_levels)]))

    def visit_factor(self, phi: np.ndarray) -> np.ndarray:
        """Cholesky factor (visits, visits) of the covariance over visits, relative to the first visit's variance."""
        v = self.n_visits
        L = np.zeros((v, v))
        L[np.tril_indices(v)] = np.append(0.0, phi)
        L[np.diag_indices(v)] = np.exp(np.diagonal(L))
        return L

    def evaluate(self, patterns: Patterns, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Covariances R (P, d, d) of every pattern relative to sigma^2, and their derivatives (k, P, d, d) in phi."""
        if self.n_visits:
            return self._over_visits(patterns, phi)
        P, d = len(patterns.counts), patterns.size
        R, slopes, at = np.ones((P, d, d)), [], 0
        for levels, ratio in zip(patterns.levels, self.ratios(phi), strict=True):
            R = R * ratio[levels][:, :, None] * ratio[levels][:, None, :]
            slopes += [_both(levels == level) for level in range(1, len(ratio))]
            at += len(ratio) - 1
        differ = np.zeros((P, d, d), dtype=bool)
        if patterns.raters is not None:
            ratio = np.array([1.0, self.rater_ratio(phi)])[patterns.raters]
            R = R * ratio[:, :, None] * ratio[:, None, :]
            slopes.append(_both(patterns.raters == 1))
            differ = patterns.raters[:, :, None] != patterns.raters[:, None, :]
        if patterns.times is not None and self.serial:
            serial, serial_slope = self._serial(patterns.times, phi)
        else:
            serial, serial_slope = np.ones((P, d, d)), None
        r = self.rater_correlation(phi) if self.two_raters else 0.0
        uncorrelated = R * serial
        scaled = [uncorrelated * np.where(differ, r, 1.0) * slope for slope in slopes]
        if self.two_raters:
            scaled.append(uncorrelated * differ * (1 - r * r))
        if serial_slope is not None:
            scaled.append(R * np.where(differ, r, 1.0) * serial_slope)
        return uncorrelated * np.where(differ, r, 1.0), np.array(scaled).reshape(self.size, P, d, d)

    def _serial(self, times: np.ndarray, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gap = np.abs(times[:, :, None] - times[:, None, :])
        if self.serial == "real":
            steps, at_gap = gap / self.gap, expit(phi[-1])
            serial = np.power(at_gap, steps)
            return serial, steps * serial * (1 - at_gap)
        rho = self.rho(phi)
        below = np.power(rho, np.maximum(gap - 1, 0), where=gap >= 1, out=np.zeros_like(gap))
        return np.power(rho, gap), gap * below * (1 - rho**2)

    def _over_visits(self, patterns: Patterns, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        visits, L = patterns.visits, self.visit_factor(phi)
        here = (visits[:, :, None], visits[:, None, :])  # type: ignore[index]
        slopes = []
        for a, b in list(zip(*np.tril_indices(self.n_visits), strict=True))[1:]:
            dL = np.zeros_like(L)
            dL[a, b] = L[a, b] if a == b else 1.0
            slopes.append((dL @ L.T + L @ dL.T)[here])
        return (L @ L.T)[here], np.array(slopes).reshape(self.size, *here[0].shape[:1], patterns.size, patterns.size)


@dataclass(frozen=True)
class Weights:
    """R^-1 by kind: `c` (kinds,) and log|R|, both relative to sigma^2, with derivatives (k, kinds) and (k,) in phi."""

    c: np.ndarray
    log_det: float
    c_slopes: np.ndarray
    log_det_slopes: np.ndarray


@dataclass(frozen=True)
class Precision:
    """R^-1 as a sum over blocks of rows: the same pattern, the same block.

    Notes
    -----
    R^-1 = sum_b s_b E_b R_b^-1 E_b', log|R| = sum_b s_b log|R_b|. For independent blocks every s_b is 1. A first-order
    Markov chain (serial correlation, one row per occasion) has its consecutive pairs as blocks, and the rows that two
    pairs share are taken off once (s_b = -1): so its cost is linear in the rows, and the gaps may be anything.
    """

    pairs: Pairs
    patterns: tuple[Patterns, ...]
    model: CovarianceModel

    @property
    def n_kinds(self) -> int:
        """How many different weights there are."""
        return sum(len(p.counts) * p.size * (p.size + 1) // 2 for p in self.patterns)

    def evaluate(self, phi: np.ndarray) -> Weights:
        """Compute all weights at phi (k,)."""
        c, c_slopes, log_det, log_det_slopes = [], [], 0.0, np.zeros(len(phi))
        for patterns in self.patterns:
            R, dR = self.model.evaluate(patterns, phi)
            sign = np.sign(patterns.counts)[:, None]
            inverse, size = _invert(R)
            log_det += float(patterns.counts @ size)
            change = inverse @ dR
            log_det_slopes += np.einsum("kpii,p->k", change, patterns.counts)
            lower = lower_triangle(patterns.size)
            c.append((sign * inverse[:, *lower]).ravel())
            c_slopes.append(-(sign * (change @ inverse)[:, :, *lower]).reshape(len(phi), c[-1].size))
        return Weights(np.concatenate(c), log_det, np.concatenate(c_slopes, axis=1), log_det_slopes)


def _invert(R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R^-1 (P, d, d) and log|R| (P,), NaN where R is not positive; blocks of one or two rows by hand."""
    d = R.shape[1]
    with np.errstate(all="ignore"):
        if d == 1:
            return 1 / R, np.log(R[:, 0, 0])
        if d == 2:
            det = R[:, 0, 0] * R[:, 1, 1] - R[:, 0, 1] ** 2
            inverse = np.empty_like(R)
            inverse[:, 0, 0], inverse[:, 1, 1] = R[:, 1, 1] / det, R[:, 0, 0] / det
            inverse[:, 0, 1] = inverse[:, 1, 0] = -R[:, 0, 1] / det
            return inverse, np.log(det)
        sign, size = np.linalg.slogdet(R)
        return np.linalg.inv(R), np.where(sign > 0, size, np.nan)


def _both(member: np.ndarray) -> np.ndarray:
    """How often a level's ratio enters each covariance (P, d, d): 0, 1 or 2 times."""
    return member[:, :, None].astype(float) + member[:, None, :]
