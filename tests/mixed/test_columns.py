"""Centring and scaling: large matrices go through sums of products, and nothing may show that they do."""

from __future__ import annotations

import numpy as np
import pytest

from alliance_analysis.mixed import columns
from alliance_analysis.mixed.columns import orthogonal_columns, project_outcome, unexplained_shares


@pytest.fixture
def raw() -> np.ndarray:
    rng = np.random.default_rng(1)
    time = np.tile(np.arange(20.0), 50) + 5_000
    return np.column_stack([np.ones(1000), time, 1e-4 * rng.standard_normal(1000), time + rng.standard_normal(1000)])


@pytest.mark.parametrize("large", [False, True])
def test_internal_columns_are_orthogonal_and_map_back(
    large: bool, raw: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:
        monkeypatch.setattr(columns, "LARGE", 0)
    found = orthogonal_columns(raw)
    internal = found.apply(raw)
    np.testing.assert_allclose(internal @ internal.T / 1000, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(internal.T, raw @ found.matrix, atol=1e-6)


def test_sums_of_products_give_the_map_that_decompositions_give(
    raw: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = orthogonal_columns(raw)
    monkeypatch.setattr(columns, "LARGE", 0)
    np.testing.assert_allclose(orthogonal_columns(raw).inner, small.inner, rtol=1e-8, atol=1e-9)


def test_nearly_collinear_columns_are_decomposed_however_large(
    raw: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "LARGE", 0)
    close = np.column_stack([raw, raw[:, 3] + 1e-6 * np.random.default_rng(2).standard_normal(1000)])
    internal = orthogonal_columns(close).apply(close)
    np.testing.assert_allclose(internal @ internal.T / 1000, np.eye(5), atol=1e-6)


def test_many_columns_are_mapped_as_few_are() -> None:
    raw = np.random.default_rng(3).standard_normal((200, 12))
    internal = orthogonal_columns(raw).apply(raw)
    np.testing.assert_allclose(internal @ internal.T / 200, np.eye(12), atol=1e-12)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("noise", [1.0, 1e-6])
def test_the_outcome_keeps_what_the_columns_leave(
    large: bool, noise: float, raw: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:
        monkeypatch.setattr(columns, "LARGE", 0)
    y = 1e5 + raw @ np.array([0.0, 2.0, -3e4, 1.0]) + noise * np.random.default_rng(4).standard_normal(1000)
    found = orthogonal_columns(raw)
    internal = found.apply(raw)
    outcome = project_outcome(y, raw, found)
    rest = outcome.apply(y, internal)
    np.testing.assert_allclose(rest @ rest / 1000, 1, rtol=1e-5)
    np.testing.assert_allclose(internal @ rest / 1000, 0, atol=1e-5)


def test_without_a_constant_column_nothing_is_centred() -> None:
    raw = np.random.default_rng(5).standard_normal((100, 2)) + 3
    found = orthogonal_columns(raw)
    np.testing.assert_array_equal(found.means, 0)
    assert found.constant is None
    assert project_outcome(raw[:, 0] + 1, raw, found).mean == 0


def test_shares_left_by_the_other_columns(raw: np.ndarray) -> None:
    shares = unexplained_shares(raw)
    coefficients, *_ = np.linalg.lstsq(raw[:, [0, 2, 3]], raw[:, 1], rcond=None)
    rest = raw[:, 1] - raw[:, [0, 2, 3]] @ coefficients
    assert shares[1] == pytest.approx(rest @ rest / (1000 * raw[:, 1].var()), rel=1e-6)
    assert unexplained_shares(np.column_stack([raw, raw[:, 1]])).min() < 1e-6
