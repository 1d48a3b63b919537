"""The response surface: R's parameters, axes of every shape, support, base rates."""

import numpy as np
import pytest
from rated_study import golden

from alliance_analysis.analyses.surface import (
    GRID,
    discrepancy_rates,
    find_support,
    polynomial,
    principal_axes,
    surface_parameters,
)

SHAPES = {
    "dome": [1.0, 2.0, -2.0, 1.5, -1.0],
    "dome, negative product": [1.0, 2.0, -2.0, -1.5, -1.0],
    "bowl": [1.0, -2.0, 2.0, -1.5, 1.0],
    "bowl, positive product": [1.0, -2.0, 2.0, 1.5, 1.0],
    "saddle": [1.0, 2.0, 1.0, 3.0, -1.0],
    "saddle, negative product": [1.0, 2.0, 1.0, -3.0, -1.0],
}


@pytest.mark.parametrize("model", ["ols", "multilevel"])
def test_parameters_and_axes_of_rs_coefficients_are_rs(model):
    stored = golden("rsa")[0][model]
    names = ("X", "Y", "X2", "XY", "Y2")
    coef = stored["coef"] if model == "ols" else stored["model"]["fixef"]
    b = np.array([coef[name]["Estimate"] if model == "ols" else coef[name] for name in names])
    a = [stored["a"][f"a{i}"]["est"] for i in range(1, 6)]
    assert surface_parameters(b).tolist() == pytest.approx(a, rel=1e-8)
    r = [stored["surface"][name] for name in ("X0", "Y0", "p10", "p11", "p20", "p21")]
    assert principal_axes(b).tolist() == pytest.approx(r, rel=1e-8)


def test_slopes_and_curvatures_are_derivatives_along_both_lines():
    b, h = np.array([0.4, -0.7, 1.1, -0.3, 0.6]), 1e-3

    def along(sign):
        low, middle, high = (float(polynomial(np.array(t), np.array(sign * t)) @ b) for t in (-h, 0.0, h))
        return (high - low) / (2 * h), (high - 2 * middle + low) / (2 * h * h)

    a1, a2, a3, a4, _ = surface_parameters(b)
    assert [*along(1), *along(-1)] == pytest.approx([a1, a2, a3, a4], rel=1e-6)


@pytest.mark.parametrize("name", list(SHAPES))
def test_the_surface_is_flat_at_its_stationary_point_and_both_axes_run_through_it(name):
    b = np.array(SHAPES[name])
    x0, y0, p10, p11, p20, p21 = principal_axes(b)
    assert b[0] + 2 * b[2] * x0 + b[3] * y0 == pytest.approx(0, abs=1e-10)
    assert b[1] + b[3] * x0 + 2 * b[4] * y0 == pytest.approx(0, abs=1e-10)
    assert [p10 + p11 * x0, p20 + p21 * x0] == pytest.approx([y0, y0])
    assert p11 * p21 == pytest.approx(-1)  # at right angles


@pytest.mark.parametrize("name", list(SHAPES))
def test_the_first_axis_is_the_ridge_where_high_is_good_and_the_second_the_valley_where_low_is(name):
    b = np.array(SHAPES[name])
    _, _, _, p11, _, p21 = principal_axes(b)
    hessian = np.array([[b[2], b[3] / 2], [b[3] / 2, b[4]]])
    curvature = [np.array([1, p]) @ hessian @ np.array([1, p]) / (1 + p * p) for p in (p11, p21)]
    low, high = np.linalg.eigvalsh(hessian)
    assert curvature == pytest.approx([high, low])


@pytest.mark.parametrize("name", list(SHAPES))
def test_the_valley_of_an_outcome_is_the_ridge_of_its_opposite(name):
    b = np.array(SHAPES[name])
    assert principal_axes(-b)[[2, 3]].tolist() == pytest.approx(principal_axes(b)[[4, 5]].tolist())
    assert principal_axes(-b)[:2].tolist() == pytest.approx(principal_axes(b)[:2].tolist())


def test_swapped_ratings_mirror_the_surface():
    b = np.array(SHAPES["bowl"])
    x0, y0, p10, p11, _, _ = principal_axes(b)
    mirrored = principal_axes(b[[1, 0, 4, 3, 2]])
    assert mirrored[:2].tolist() == pytest.approx([y0, x0])
    assert mirrored[[2, 3]].tolist() == pytest.approx([-p10 / p11, 1 / p11])


def test_without_a_product_the_axes_are_the_coordinates_and_have_no_slope():
    x0, y0, *axes = principal_axes(np.array([1.0, 2.0, -1.0, 0.0, -2.0]))
    assert [x0, y0] == [0.5, 0.5]
    assert np.isnan(axes).all()


@pytest.mark.parametrize("b", [[0.0, 0, 1, -2, 1], [0.0, 0, 0, 0, 0], [1.0, 2, 0, 0, 0]])
def test_troughs_and_planes_have_no_stationary_point(b):
    assert np.isnan(principal_axes(np.array(b))[:2]).all()


def test_base_rates_are_rs_and_add_up_to_one():
    stored, frame = golden("rsa")
    means = frame.dropna().groupby("client")[["wai_c", "wai_t"]].mean()
    found = discrepancy_rates(*means.to_numpy().T)
    assert list(found.values()) == pytest.approx(list(stored["discrepancy_half_sd"].values()), rel=1e-8)
    assert sum(found.values()) == pytest.approx(1)


def test_support_counts_a_client_once_and_never_shows_where_few_are():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 300))
    crowd = find_support(x, y, np.arange(300))
    assert crowd.inside.shape == (GRID, GRID)
    assert crowd.inside[GRID // 2, GRID // 2]
    assert not find_support(x, y, np.arange(300) % 4).inside.any()
    assert find_support(x, y, np.arange(300), min_cell=1).inside.sum() > crowd.inside.sum()
