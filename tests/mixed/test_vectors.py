"""The small matrices of every group, against numpy's inverse of each."""

from __future__ import annotations

import numpy as np
import pytest

from alliance_analysis.mixed.vectors import dampen, dampen_by_roots, times_constant


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
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_dampening_inverts_every_group_and_sums_its_log_determinant(q: int, singular: bool, scale: float) -> None:
    S, L = make_groups(q, scale), make_factor(q, singular=singular)
    each = np.eye(q) + S.transpose(2, 0, 1) @ (L @ L.T)
    K, log_det = dampen(S, L) if q <= 2 else dampen_by_roots(S, L)[::2]
    allowed = 1e-14 * max(1.0, np.abs(each).max())  # rounding in S G, S being of deficient rank
    np.testing.assert_allclose(K.transpose(2, 0, 1), np.linalg.inv(each), rtol=0, atol=allowed)
    assert log_det == pytest.approx(np.linalg.slogdet(each)[1].sum(), rel=1e-9)


@pytest.mark.parametrize("singular", [False, True])
def test_by_roots_two_columns_give_what_the_closed_form_gives(singular: bool) -> None:
    S, L = make_groups(2, 1.0), make_factor(2, singular=singular)
    K, H, log_det = dampen_by_roots(S, L)
    np.testing.assert_allclose(K, dampen(S, L)[0], rtol=0, atol=1e-13)
    np.testing.assert_allclose(H, times_constant(L @ L.T, K), rtol=0, atol=1e-13)
    assert log_det == pytest.approx(dampen(S, L)[1], rel=1e-13)
