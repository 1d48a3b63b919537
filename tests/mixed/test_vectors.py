"""The small matrices of every group, against numpy's inverse of each."""

from __future__ import annotations

import numpy as np
import pytest

from alliance_analysis.mixed.vectors import dampen


def make_groups(q: int, scale: float) -> np.ndarray:
    """S (q, q, 30): cross-products of 1 to 30 rows per group, the first ones of deficient rank."""
    rng = np.random.default_rng(q)
    Z = [rng.standard_normal((n, q)) for n in range(1, 31)]
    return np.stack([scale * z.T @ z for z in Z], axis=-1)


def make_factor(q: int, *, singular: bool) -> np.ndarray:
    L = np.tril(np.random.default_rng(10 + q).standard_normal((q, q)))
    L[-1, -1] = 0.0 if singular else L[-1, -1]
    return L


@pytest.mark.parametrize("q", [1, 2, 3, 4])
@pytest.mark.parametrize("singular", [False, True])
@pytest.mark.parametrize(("scale", "allowed"), [(1e-3, 1e-13), (1.0, 1e-12), (1e4, 1e-9)])
def test_dampening_inverts_every_group_and_sums_its_log_determinant(
    q: int, singular: bool, scale: float, allowed: float
) -> None:
    S, L = make_groups(q, scale), make_factor(q, singular=singular)
    K, log_det = dampen(S, L)
    each = np.eye(q) + S.transpose(2, 0, 1) @ (L @ L.T)
    np.testing.assert_allclose(K.transpose(2, 0, 1) @ each, np.broadcast_to(np.eye(q), each.shape), atol=allowed * 1e2)
    assert log_det == pytest.approx(np.linalg.slogdet(each)[1].sum(), rel=allowed)
