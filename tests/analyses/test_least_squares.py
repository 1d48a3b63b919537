"""Least squares with one row per client: R's regression, refusals, resampling."""

import numpy as np
import pandas as pd
import pytest
from rated_study import golden
from statsmodels.api import OLS, add_constant

from alliance_analysis.analyses.least_squares import fit_least_squares
from alliance_analysis.errors import ModelError


def frame(n=40, seed=1):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(rng.normal(size=(n, 2)), columns=["a", "b"])
    return data.assign(z=1 + 2 * data["a"] - data["b"] + rng.normal(size=n))


def test_coefficients_errors_p_values_and_r2_are_rs():
    stored, data = golden("rsa")
    ols = stored["ols"]
    means = data.dropna().groupby("client")[["sym", "wai_c", "wai_t"]].mean()
    x, y = means["wai_c"] - stored["center"], means["wai_t"] - stored["center"]
    means = means.assign(X=x, Y=y, X2=x * x, XY=x * y, Y2=y * y)
    fit = fit_least_squares("sym", ("X", "Y", "X2", "XY", "Y2"), means)
    own = fit.tidy().set_index("term")
    for name, r in ols["coef"].items():
        row = own.loc[name, ["estimate", "std_error", "statistic", "p_value"]].tolist()
        assert row == pytest.approx([r["Estimate"], r["Std. Error"], r["t value"], r["Pr(>|t|)"]], rel=1e-8)
    assert fit.r2 == pytest.approx(ols["r2"], rel=1e-8)
    assert own["df"].unique().tolist() == [ols["df"]]
    assert fit.log_lik == pytest.approx(stored["lavaan_mlr"]["fit"]["logl"], rel=1e-8)


def test_likelihood_intervals_and_contrasts_are_statsmodels():
    data = frame()
    fit, other = fit_least_squares("z", ("a", "b"), data), OLS(data["z"], add_constant(data[["a", "b"]])).fit()
    assert fit.log_lik == pytest.approx(other.llf, rel=1e-10)
    np.testing.assert_allclose(fit.tidy(0.9)[["conf_low", "conf_high"]], other.conf_int(0.1), rtol=1e-9)
    test = other.t_test([0, 1, -1])
    row = fit.contrast({"a": 1, "b": -1}).loc[0]
    assert row["term"] == "+1*a -1*b"
    assert row[["estimate", "std_error", "p_value"]].tolist() == pytest.approx(
        [test.effect[0], test.sd[0, 0], float(test.pvalue)]
    )


def test_incomplete_rows_are_dropped_and_counted():
    data = frame()
    data.loc[[0, 5], "a"] = np.nan
    fit = fit_least_squares("z", ("a", "b"), data)
    assert fit.glance().loc[0, ["n_client", "n_dropped"]].tolist() == [38, 2]
    assert fit.n_parameters == 4


def test_resampled_coefficients_spread_like_the_estimates_and_can_be_drawn_again():
    fit = fit_least_squares("z", ("a", "b"), frame(200))
    draws = fit.resample(lambda beta: beta, 400, seed=3)
    np.testing.assert_array_equal(draws, fit.resample(lambda beta: beta, 400, seed=3))
    np.testing.assert_allclose(draws.std(axis=0), fit.estimates.std_error, rtol=0.2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.head(4), "z: 4 complete rows for 3 coefficients; at least 5 are needed. Use fewer terms."),
        (lambda f: f.assign(b=2 * f["a"]), "z: a, b are linearly dependent in these 40 rows. Drop one of them."),
        (
            lambda f: f.assign(z=3.0),
            "z: it is constant in these 40 rows; no error is left to judge by. Check the columns.",
        ),
        (
            lambda f: f.assign(z=1 + f["a"] - 2 * f["b"]),
            "z: it is reproduced exactly by the terms in these 40 rows; no error is left to judge by. Check the columns.",
        ),
    ],
)
def test_regressions_without_an_answer_are_refused(change, message):
    with pytest.raises(ModelError) as error:
        fit_least_squares("z", ("a", "b"), change(frame()))
    assert str(error.value) == message
