"""Covariances that the dynamics w_t = A w_(t-1) + e_t imply over sessions, and their derivatives run backwards."""

from __future__ import annotations

import numpy as np


def stationary_covariance(A: np.ndarray, S: np.ndarray) -> np.ndarray:
    """Solve P = A P A' + S for the covariance (K, K) that no longer changes from session to session.

    It is a covariance only if every eigenvalue of A is inside the unit circle.

    Examples
    --------
    >>> stationary_covariance(np.array([[0.5]]), np.array([[3.0]]))
    array([[4.]])
    """
    K = len(A)
    return np.linalg.solve(np.eye(K * K) - np.kron(A, A), S.ravel()).reshape(K, K)


def occasion_covariances(A: np.ndarray, S: np.ndarray, start: np.ndarray, n_occasions: int) -> np.ndarray:
    """Return V_t = A V_(t-1) A' + S from V_1 = start, shape (T, K, K)."""
    levels = [start]
    for _ in range(n_occasions - 1):
        levels.append(A @ levels[-1] @ A.T + S)
    return np.array(levels)


def lagged_covariances(A: np.ndarray, levels: np.ndarray) -> list[np.ndarray]:
    """Return for each lag h = 0 .. T-1 the covariances A^h V_s of w_(s+h) and w_s, shape (T - h, K, K)."""
    lags = [levels]
    for _ in range(len(levels) - 1):
        lags.append(A @ lags[-1][:-1])
    return lags


def grid_covariance(lags: list[np.ndarray]) -> np.ndarray:
    """Arrange the lagged covariances as the covariance (T * K, T * K) of a whole series."""
    T, K = lags[0].shape[:2]
    grid = np.empty((T, T, K, K))
    for h, blocks in enumerate(lags):
        s = np.arange(T - h)
        grid[s, s + h] = blocks.swapaxes(1, 2)
        grid[s + h, s] = blocks
    return grid.swapaxes(1, 2).reshape(T * K, T * K)


def pull_back(
    slope: np.ndarray, A: np.ndarray, lags: list[np.ndarray], *, stationary: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Carry the slope of a function in the grid covariance back to A, S and the first session's covariance.

    Parameters
    ----------
    slope : ndarray, shape (..., T * K, T * K)
        Symmetric; leading axes are independent functions.
    A : ndarray, shape (K, K)
    lags : list of ndarray
        Of `lagged_covariances`.
    stationary : bool
        Whether the first covariance is itself made from A and S.

    Returns
    -------
    by_A, by_S, by_start : ndarray, shape (..., K, K)
        `by_start` is zero when stationary.

    Notes
    -----
    The steps of the three functions above in reverse; for P = A P A' + S with slope F, Q = A' Q A + F gives
    by_S = Q and by_A = 2 Q A P.
    """
    levels = lags[0]
    T, K = levels.shape[:2]
    M = slope.reshape(*slope.shape[:-2], T, K, T, K).swapaxes(-3, -2)
    by_A, by_S = np.zeros((2, *slope.shape[:-2], K, K))
    later = M[..., [T - 1], [0], :, :] * (2 if T > 1 else 1)
    for h in range(T - 1, 0, -1):
        by_A = by_A + np.einsum("...sij,skj->...ik", later, lags[h - 1][: T - h])
        s = np.arange(T - h + 1)
        sooner = M[..., s + h - 1, s, :, :] * (2 if h > 1 else 1)
        sooner[..., :-1, :, :] += A.T @ later
        later = sooner
    later = (later + later.swapaxes(-1, -2)) / 2
    carried = later[..., T - 1, :, :]
    for t in range(T - 1, 0, -1):
        by_A, by_S = by_A + 2 * carried @ A @ levels[t - 1], by_S + carried
        carried = later[..., t - 1, :, :] + A.T @ carried @ A
    if not stationary:
        return by_A, by_S, carried
    flat = carried.reshape(*carried.shape[:-2], K * K)
    Q = np.linalg.solve(np.eye(K * K) - np.kron(A.T, A.T), flat[..., None])[..., 0].reshape(carried.shape)
    return by_A + 2 * Q @ A @ levels[0], by_S + Q, np.zeros_like(by_S)
