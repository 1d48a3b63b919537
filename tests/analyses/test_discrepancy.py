"""Difference scores: their artefact, their reliability, and the family of simpler surfaces."""

import numpy as np
import pandas as pd
import pytest
from rated_study import CLIENT, THERAPIST, rated
from statsmodels.api import OLS, add_constant

from alliance_analysis.analyses.discrepancy import (
    compare_surface_models,
    describe_difference,
    difference_reliability,
    show_discrepancy_scores,
)
from alliance_analysis.analyses.two_raters import fit_two_raters
from alliance_analysis.errors import ModelError

FAMILY = {
    "no rating": 2,
    "first rating only": 3,
    "second rating only": 3,
    "both ratings": 4,
    "first rating, curved": 4,
    "second rating, curved": 4,
    "both ratings and their product": 5,
    "squared difference": 3,
    "squared difference, shifted": 4,
    "squared difference and level": 4,
    "squared difference, shifted, and level": 5,
    "full surface": 7,
}


def drawn(b=(0.0, 0.0, 1.0, -2.0, 1.0), n=300, noise=1.0, seed=1):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, n))
    z = np.column_stack([x, y, x * x, x * y, y * y]) @ b + noise * rng.normal(size=n)
    return pd.DataFrame({"client": range(n), "first": x, "second": y, "symptoms": z})


def family(data, **options):
    return compare_surface_models(data, "symptoms", "first", "second", **options)


def test_an_outcome_of_one_rating_alone_goes_with_the_difference_as_much_as_the_product_says():
    rng = np.random.default_rng(2)
    data = pd.DataFrame(rng.normal(size=(4000, 2)), columns=["first", "second"])
    data["symptoms"] = -data["first"] + 0.5 * rng.normal(size=4000)
    row = show_discrepancy_scores(data, "symptoms", "first", "second").iloc[0]
    assert row["r"] == pytest.approx(row["expected_first_only"], abs=0.02)
    assert abs(row["expected_second_only"]) < 0.1
    assert row["conf_low"] < row["r"] < row["conf_high"]


def test_the_expected_correlation_is_a_product_of_two():
    data = drawn((1.0, 0.5, 0, 0, 0))
    row = show_discrepancy_scores(data, "symptoms", "first", "second").iloc[2]
    square = (data["second"] - data["first"]) ** 2
    for name in ("first", "second"):
        expected = data["symptoms"].corr(data[name]) * data[name].corr(square)
        assert row[f"expected_{name}_only"] == pytest.approx(expected, rel=1e-10)


def test_scores_that_do_not_vary_or_have_no_outcome_give_no_row():
    assert show_discrepancy_scores(drawn().assign(symptoms=1.0), "symptoms", "first", "second").empty
    assert show_discrepancy_scores(drawn().assign(symptoms=np.nan), "symptoms", "first", "second").empty
    same = drawn().assign(second=lambda f: f["first"] + 1)
    assert (
        show_discrepancy_scores(same, "symptoms", "first", "second").empty
        or (show_discrepancy_scores(same, "symptoms", "first", "second")["r"].abs() < 1).all()
    )


def test_the_reliability_of_a_difference_is_that_of_simulated_true_scores():
    rng = np.random.default_rng(3)
    true = rng.multivariate_normal([0, 0], [[0.8, 0.5], [0.5, 1.8]], size=200_000)
    seen = true + rng.normal(size=true.shape) * np.sqrt([0.2, 0.7])
    gap = np.corrcoef(np.diff(true)[:, 0], np.diff(seen)[:, 0])[0, 1] ** 2
    correlation = np.corrcoef(seen.T)[0, 1]
    found = difference_reliability(0.8, 1.8 / 2.5, correlation, 1.0, np.sqrt(2.5))
    assert found == pytest.approx(gap, abs=0.01)


def test_the_formula_for_equal_deviations_is_the_one_in_every_textbook():
    assert difference_reliability(0.9, 0.8, 0.6) == pytest.approx((0.9 + 0.8 - 2 * 0.6) / (2 - 2 * 0.6))
    assert difference_reliability(0.9, 0.8, 0.6, 3, 3) == pytest.approx(difference_reliability(0.9, 0.8, 0.6))
    assert difference_reliability(0.8, 0.9, 0.6, 2, 1) == difference_reliability(0.9, 0.8, 0.6, 1, 2)


@pytest.mark.parametrize("numbers", [(0.7, 0.7, 0.8), (1.0, 1.0, 1.0), (1.2, 1.2, 0.5)])
def test_numbers_that_cannot_go_together_are_refused(numbers):
    with pytest.raises(ModelError) as error:
        difference_reliability(*numbers)
    one, two, r = numbers
    assert str(error.value) == (
        f"difference_reliability: reliabilities {one} and {two} cannot go with a correlation of {r}; the difference needs a "
        "true variance of 0 or more. Correct them."
    )


def test_the_difference_is_never_more_reliable_than_the_model_says():
    raters = fit_two_raters(rated(80, 6, seed=2).drop(columns="therapist"), CLIENT, THERAPIST)
    between, within = raters.covariances()
    table = describe_difference(raters, (1, 4)).set_index("sessions")
    w = np.array([-1.0, 1.0])
    for k in (1, 4):
        expected = w @ between @ w / (w @ between @ w + w @ within @ w / k)
        assert table.loc[k, "difference"] == pytest.approx(expected)
    assert (table.loc[4] > table.loc[1]).all()
    assert describe_difference(None).empty


def test_every_model_has_as_many_parameters_as_its_definition():
    table = family(drawn()).set_index("model")
    assert table["parameters"].to_dict() == FAMILY
    assert table["weight"].sum() == pytest.approx(1)
    assert table["difference"].min() == 0


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("squared difference", lambda x, y: [(x - y) ** 2]),
        ("squared difference, shifted", lambda x, y: [x - y, (x - y) ** 2]),
        ("squared difference and level", lambda x, y: [x + y, (x - y) ** 2]),
        ("squared difference, shifted, and level", lambda x, y: [x - y, x + y, (x - y) ** 2]),
        ("both ratings and their product", lambda x, y: [x, y, x * y]),
        ("full surface", lambda x, y: [x, y, x * x, x * y, y * y]),
    ],
)
def test_models_are_those_of_rsa_ssqd_rr_srr_ia_and_full(name, columns):
    data = drawn((0.5, -0.2, 1.0, -1.0, 0.3))
    middle = data[["first", "second"]].to_numpy().mean()
    design = np.column_stack(columns(data["first"] - middle, data["second"] - middle))
    other = OLS(data["symptoms"], add_constant(design)).fit()
    row = family(data).set_index("model").loc[name]
    assert row["log_lik"] == pytest.approx(other.llf, rel=1e-10)
    k, n = design.shape[1] + 2, len(data)
    assert row["aicc"] == pytest.approx(-2 * other.llf + 2 * k + 2 * k * (k + 1) / (n - k - 1), rel=1e-10)


def test_only_models_that_may_curve_along_disagreement_alone_are_called_so():
    flags = family(drawn()).set_index("model")["disagreement"]
    assert set(flags.index[flags]) == {name for name in FAMILY if name.startswith("squared")} | {"full surface"}
    assert not flags["both ratings and their product"]


@pytest.mark.parametrize(
    ("b", "best"),
    [
        ((0.0, 0.0, 1.0, -2.0, 1.0), "squared difference"),
        ((1.0, -1.0, 1.0, -2.0, 1.0), "squared difference, shifted"),
        ((1.0, 1.0, 1.0, -2.0, 1.0), "squared difference and level"),
        ((0.0, 0.0, 0.0, 2.0, 0.0), "both ratings and their product"),
        ((-1.0, 0.0, 0.0, 0.0, 0.0), "first rating only"),
    ],
)
def test_the_model_that_made_the_data_is_among_the_best(b, best):
    table = family(drawn(b, seed=4)).set_index("model")
    assert table.loc[best, "difference"] < 4


def test_a_common_constant_and_scale_leave_the_differences_between_models():
    data = drawn((0.5, -0.2, 1.0, -1.0, 0.3))
    before = family(data).set_index("model")["difference"]
    moved = data.assign(first=10 * data["first"] + 3, second=10 * data["second"] + 3)
    after = family(moved).set_index("model")["difference"]
    np.testing.assert_allclose(after[before.index], before, atol=1e-6)


def test_mixed_models_are_compared_by_maximum_likelihood_on_the_same_rows():
    frame = rated(30, 5, 6).drop(columns="therapist")
    frame.loc[0, CLIENT] = np.nan
    table = compare_surface_models(frame, "symptoms", CLIENT, THERAPIST, beside=("session",), random="(1 | client)")
    assert table.set_index("model")["parameters"].to_dict() == {name: k + 2 for name, k in FAMILY.items()}
    assert np.isfinite(table["aicc"]).all()
    assert table.set_index("model").loc["full surface", "log_lik"] >= table["log_lik"].max() - 1e-6


def test_no_data_give_no_number():
    table = family(drawn().assign(symptoms=np.nan))
    assert table[["parameters", "log_lik", "aicc", "difference", "weight"]].isna().all(axis=None)
    assert len(table) == len(FAMILY)


def test_an_outcome_named_like_a_column_of_the_models_is_refused():
    with pytest.raises(ModelError) as error:
        compare_surface_models(drawn().rename(columns={"symptoms": "difference"}), "difference", "first", "second")
    assert str(error.value) == (
        "compare_surface_models: a column is named difference; x, y, x_squared, x_by_y, y_squared, difference, "
        "squared_difference, total are the surface's own names. Rename the column."
    )
