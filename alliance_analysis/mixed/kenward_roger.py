"""Kenward and Roger's covariance of the fixed effects and their degrees of freedom, for few clients or therapists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from alliance_analysis.mixed.connected import Batch
from alliance_analysis.mixed.crossproducts import Problem
from alliance_analysis.mixed.marginal import MarginalBlocks, marginal_blocks, sum_marginal

SINGULAR_INFORMATION = 1e-10  # pbkrtest's limit below which the information is inverted in the generalised sense


@dataclass(frozen=True)
class KenwardRoger:
    """What tests by Kenward and Roger need, on the data's own columns.

    `fixed_covariance` (p, p) is the usual Phi = (X'V^-1 X)^-1, `adjusted_covariance` (p, p) the one to test with,
    `parameters` (k, k) the covariance of the variance parameters from the expected information, `slopes` (k, p, p) the
    derivatives of Phi in them.
    """

    fixed_covariance: np.ndarray
    adjusted_covariance: np.ndarray
    parameters: np.ndarray
    slopes: np.ndarray

    def df(self, weights: np.ndarray) -> float:
        """Degrees of freedom of one contrast: 2 v^2 / (g' W g), v = w' Phi w, g its slopes.

        Infinite when v does not depend on any variance parameter.
        """
        variance = float(weights @ self.fixed_covariance @ weights)
        gradient = self.slopes @ weights @ weights
        spread = float(gradient @ self.parameters @ gradient)
        return 2 * variance**2 / spread if spread > 0 else np.inf

    def joint_test(self, contrasts: np.ndarray, estimate: np.ndarray) -> tuple[float, float]:
        """F and its denominator df of `contrasts` (l, p) of full row rank against zero, `estimate` (p,).

        Notes
        -----
        Wald statistic on the adjusted covariance over l, times the scale that gives F its first two moments; equations
        in the order of the paper's section 3, as pbkrtest has them.
        """
        size = len(contrasts)
        inverse = np.linalg.inv(contrasts @ self.fixed_covariance @ contrasts.T)
        U = inverse @ (contrasts @ self.slopes @ contrasts.T)
        traces = np.trace(U, axis1=1, axis2=2)
        A1 = float(traces @ self.parameters @ traces)
        A2 = float(np.einsum("rs,rij,sji->", self.parameters, U, U))
        df, scale = _match_moments(size, A1, A2)
        difference = contrasts @ estimate
        wald = difference @ np.linalg.solve(contrasts @ self.adjusted_covariance @ contrasts.T, difference)
        return float(scale * wald / size), df


def kenward_roger(
    problem: Problem, batches: tuple[Batch, ...], covariances: tuple[np.ndarray, ...], sigma: float
) -> KenwardRoger:
    """Adjust the covariance of the fixed effects for the variance parameters' being estimated (REML).

    Parameters
    ----------
    problem : Problem
    batches : tuple of Batch
        Z'Z and Z'U of every connected block, on internal columns.
    covariances : tuple of (q_k, q_k) arrays
        As `relative_covariances` gives them.
    sigma : float
        Residual standard deviation in the outcome's unit.

    Notes
    -----
    V = sum_r s_r G_r over all variances and covariances, the residual's being s_e I. With Phi = (X'V^-1 X)^-1,
    P_r = -X'V^-1 G_r V^-1 X and Q_rs = X'V^-1 G_r V^-1 G_s V^-1 X:
    I_rs = tr(V^-1 G_r V^-1 G_s)/2 - tr(Phi Q_rs) + tr(Phi P_r Phi P_s)/2, W = I^-1,
    Phi_A = Phi + 2 Phi [sum_rs W_rs (Q_rs - P_r Phi P_s)] Phi.
    The residual's own P, Q and traces follow from sum_r s_r G_r = V, so that nothing of the size of V is ever made.
    At a variance of zero the formulas hold as they stand, as in pbkrtest; their justification does not.
    Validated against pbkrtest 0.5.2 (tests/golden).

    References
    ----------
    Kenward & Roger (1997), doi:10.2307/2533558. Halekoh & Højsgaard (2014), doi:10.18637/jss.v059.i09.
    """
    p = problem.p
    Phi, sums = _sum_over_blocks(problem, batches, covariances)
    P, Q, traces = _with_residual(np.linalg.inv(Phi), sums, _values(covariances), problem.n)
    PhiP = Phi @ P
    information = (
        traces - 2 * np.einsum("ij,rsji->rs", Phi, Q) + np.einsum("rij,sji->rs", PhiP, PhiP)
    )  # twice the expected information
    W = _inverse(information)
    change = np.einsum("rs,rsij->ij", W, Q) - np.einsum("rs,rij,sjk->ik", W, P, PhiP)
    adjusted = Phi + Phi @ (change + change.T) @ Phi
    T = problem.coefficients * sigma
    slopes = -Phi @ P @ Phi
    return KenwardRoger(T @ Phi @ T.T, T @ adjusted @ T.T, W, (T @ slopes.reshape(-1, p, p)) @ T.T)


@dataclass(frozen=True)
class _Sums:
    """Over all blocks, for the k random variance parameters r, s: X'V^-1 G_r V^-1 X, Q_rs, tr(V^-1 G_r), traces."""

    H: np.ndarray  # (k, p, p)
    Q: np.ndarray  # (k, k, p, p)
    single: np.ndarray  # (k,)
    double: np.ndarray  # (k, k)


def _sum_over_blocks(
    problem: Problem, batches: tuple[Batch, ...], covariances: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, _Sums]:
    p, k = problem.p, len(_values(covariances))
    XVX = sum_marginal(problem, batches, covariances)[:p, :p]
    H, Q, single, double = np.zeros((k, p, p)), np.zeros((k, k, p, p)), np.zeros(k), np.zeros((k, k))
    for blocks in marginal_blocks(batches, covariances):
        F, M = blocks.ZVU[:, :, :p], blocks.ZVZ
        swaps = list(_selections(blocks, len(covariances)))
        GF = np.stack([_select_rows(F, swap) for swap in swaps])
        GM = np.stack([_select_rows(M, swap) for swap in swaps])
        H += np.einsum("rbqi,bqj->rij", GF, F, optimize=True)
        Q += np.einsum("rbqi,sbqj->rsij", GF, M @ GF, optimize=True)
        single += np.einsum("rbqq->r", GM)
        double += np.einsum("rbij,sbji->rs", GM, GM, optimize=True)
    return np.linalg.inv(XVX), _Sums(H, Q, single, double)


def _values(covariances: tuple[np.ndarray, ...]) -> np.ndarray:
    return np.concatenate([matrix[np.tril_indices(len(matrix))] for matrix in covariances])


def _selections(blocks: MarginalBlocks, n_terms: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each variance parameter the effects (source, target) that G_r = Z E_r Z' puts in each other's place."""
    batch = blocks.batch
    for k in range(n_terms):
        effects = np.arange(batch.slices[k].start, batch.slices[k].stop).reshape(-1, batch.widths[k])
        for a, b in zip(*np.tril_indices(batch.widths[k]), strict=True):
            if a == b:
                yield effects[:, a], effects[:, a]
            else:
                yield np.concatenate([effects[:, a], effects[:, b]]), np.concatenate([effects[:, b], effects[:, a]])


def _select_rows(matrix: np.ndarray, swap: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """E_r times a stack of matrices (b, q, c)."""
    source, target = swap
    out = np.zeros_like(matrix)
    out[:, target] = matrix[:, source]
    return out


def _with_residual(
    XVX: np.ndarray, sums: _Sums, values: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Append the residual variance (1 in relative units) to P (k+1, p, p), Q (k+1, k+1, p, p) and the double traces."""
    k, p = len(values), len(XVX)
    H_e = XVX - np.einsum("r,rij->ij", values, sums.H)
    H = np.concatenate([sums.H, H_e[None]])
    Q = np.zeros((k + 1, k + 1, p, p))
    Q[:k, :k] = sums.Q
    Q[:k, k] = sums.H - np.einsum("s,rsij->rij", values, sums.Q)
    Q[k, :k] = np.swapaxes(Q[:k, k], 1, 2)
    Q[k, k] = H_e - np.einsum("s,sij->ij", values, Q[:k, k])
    traces = np.zeros((k + 1, k + 1))
    traces[:k, :k] = sums.double
    traces[:k, k] = traces[k, :k] = sums.single - sums.double @ values
    traces[k, k] = n - values @ sums.single - values @ traces[:k, k]
    return -H, Q, traces


def _inverse(information: np.ndarray) -> np.ndarray:
    """2 times the inverse of twice the information; generalised where a variance parameter leaves no trace."""
    smallest = np.abs(np.linalg.eigvalsh(information)).min()
    if smallest > SINGULAR_INFORMATION:
        return 2 * np.linalg.inv(information)
    return 2 * np.linalg.pinv(information)


def _match_moments(size: int, A1: float, A2: float) -> tuple[float, float]:
    """Denominator df and scale of an F statistic of `size` contrasts, from Kenward and Roger's A1 and A2."""
    B = (A1 + 6 * A2) / (2 * size)
    g = ((size + 1) * A1 - (size + 4) * A2) / ((size + 2) * A2)
    divisor = 3 * size + 2 * (1 - g)
    c1, c2, c3 = g / divisor, (size - g) / divisor, (size + 2 - g) / divisor
    V0, V1, V2 = 1 + c1 * B, 1 - c2 * B, 1 - c3 * B
    V0 = 0.0 if abs(V0) < 1e-10 else V0
    rho = (1 - A2 / size) ** 2 / V1**2 * V0 / V2 / size
    df = 4 + (size + 2) / (size * rho - 1)
    scale = 1.0 if abs(df - 2) < 0.01 else df * (1 - A2 / size) / (df - 2)
    return df, scale
