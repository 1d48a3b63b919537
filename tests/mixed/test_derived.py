"""Functions of a fit's parameters: delta-method errors against closed forms, scales, and where there is no limit."""

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.mixed.derived import Derived
from alliance_analysis.mixed.fit import fit_mixed
from alliance_analysis.mixed.residuals import AR1, SameSession


def balanced(n=30, t=6, between=1.0, within=0.7, seed=1):
    rng = np.random.default_rng(seed)
    client, session = (part.ravel() for part in np.indices((n, t)))
    y = 5 + between * rng.standard_normal(n)[client] + within * rng.standard_normal(n * t)
    return pd.DataFrame({"client": client, "session": session, "time": session - 2.5, "y": y - 0.3 * session})


def variances(at):
    client, residual = float(at.covariances[0][0, 0]), at.sigma**2
    return {"client": client, "residual": residual, "icc": client / (client + residual)}


def test_fixed_effects_and_their_contrasts_are_those_of_the_fit():
    fit = fit_mixed("y ~ time + (1 | client)", balanced())
    found = fit.derive(lambda at: {"slope": at.beta[1], "end": at.beta[0] + 2.5 * at.beta[1]})
    end = fit.contrast({"(Intercept)": 1, "time": 2.5}).loc[0]
    table = found.tidy()
    assert table["estimate"].tolist() == pytest.approx([fit.estimates.estimate[1], end["estimate"]], rel=1e-8)
    assert table["std_error"].tolist() == pytest.approx([fit.estimates.std_error[1], end["std_error"]], rel=1e-6)


@pytest.mark.parametrize("within", [0.7, 0.01, 30.0])
def test_errors_of_variances_of_balanced_data_are_their_closed_form(within):
    """Analysis of variance: MSB / E(MSB) and MSW / E(MSW) are chi-squares over their df."""
    n, t = 30, 6
    found = fit_mixed("y ~ time + (1 | client)", balanced(n, t, within=within, between=2 * within)).derive(variances)
    residual, client = found.estimate[1], found.estimate[0]
    msb, df = residual + t * client, n * (t - 1) - 1
    error_residual = residual * np.sqrt(2 / df)
    error_client = np.sqrt(2 * msb**2 / (n - 1) + 2 * residual**2 / df) / t
    errors = np.sqrt(np.diag(found.covariance))
    assert errors[:2].tolist() == pytest.approx([error_client, error_residual], rel=1e-5)
    assert found.covariance[0, 1] == pytest.approx(-2 * residual**2 / df / t, rel=1e-5)


def test_the_error_of_a_share_is_the_delta_methods_of_the_variances():
    found = fit_mixed("y ~ time + (1 | client)", balanced()).derive(variances)
    client, residual, _ = found.estimate
    slope = np.array([residual, -client]) / (client + residual) ** 2
    assert np.sqrt(found.covariance[2, 2]) == pytest.approx(np.sqrt(slope @ found.covariance[:2, :2] @ slope), rel=1e-6)


def test_residual_parameters_have_their_names_and_a_scale_of_the_outcome_scales_them():
    data = balanced(40)
    stacked = pd.concat([data.assign(rater=name) for name in ("a", "b")], ignore_index=True)
    rng = np.random.default_rng(2)
    stacked["y"] += 0.5 * rng.standard_normal((80, 1)).repeat(6) + 0.5 * rng.standard_normal(len(stacked))

    def parts(at):
        return {"sd": at.sigma, "ratio": at.residual["sd_ratio[b]"], "r": at.residual["correlation"]}

    def derive(scale):
        structure = SameSession(rater="rater", by=["client", "session"])
        frame = stacked.assign(y=scale * stacked["y"])
        return fit_mixed("y ~ 0 + rater + (0 + rater | client)", frame, criterion="ML", residual=structure).derive(
            parts
        )

    one, ten = derive(1.0), derive(10.0)
    np.testing.assert_allclose(ten.estimate, one.estimate * [10, 1, 1], rtol=1e-5)
    np.testing.assert_allclose(
        np.sqrt(np.diag(ten.covariance)), np.sqrt(np.diag(one.covariance)) * [10, 1, 1], rtol=1e-3
    )


def test_an_ar1_correlation_is_handed_over_by_name():
    fit = fit_mixed("y ~ time + (1 | client)", balanced(60, 10, seed=3), residual=AR1(time="session", by="client"))
    found = fit.derive(lambda at: {"rho": at.residual["rho"]})
    assert found.estimate[0] == pytest.approx(fit.residual_parameters()["estimate"].iloc[0], rel=1e-8)


def test_a_test_agrees_with_its_interval_on_fishers_scale():
    for r, error in ((0.3, 0.2), (0.6, 0.2), (0.95, 0.4), (-0.5, 0.2)):
        row = Derived(("r",), np.array([r]), np.array([[error**2]])).tidy(scales={"r": "fisher"}).loc[0]
        assert (row["p_value"] < 0.05) == (row["conf_low"] > 0 or row["conf_high"] < 0)
        assert -1 <= row["conf_low"] <= r <= row["conf_high"] <= 1
        assert row["std_error"] == error


@pytest.mark.parametrize(("scale", "value"), [("log", 2.0), ("logit", 0.4), ("fisher", 0.4), ("identity", -3.0)])
def test_limits_are_made_on_the_scale_asked_for_and_turned_back(scale, value):
    forward = {"log": np.log, "logit": lambda x: np.log(x / (1 - x)), "fisher": np.arctanh, "identity": lambda x: x}[
        scale
    ]
    slope = {"log": 1 / value, "logit": 1 / (value * (1 - value)), "fisher": 1 / (1 - value**2), "identity": 1.0}[scale]
    row = Derived(("x",), np.array([value]), np.array([[0.01]])).tidy(scales={"x": scale}).loc[0]
    reach = 1.959963984540054 * 0.1 * slope
    expected = [forward(value) - reach, forward(value) + reach]
    assert [forward(row["conf_low"]), forward(row["conf_high"])] == pytest.approx(expected)
    assert np.isnan(row["p_value"]) == (scale in ("log", "logit"))


@pytest.mark.parametrize(
    ("scale", "value"), [("log", 0.0), ("logit", 1.0), ("logit", 0.0), ("fisher", 1.0), ("fisher", -1.2), ("log", -0.1)]
)
def test_a_number_at_the_edge_of_its_scale_has_no_limits(scale, value):
    row = Derived(("x",), np.array([value]), np.array([[0.01]])).tidy(scales={"x": scale}).loc[0]
    assert np.isnan(row["conf_low"]) or np.isnan(row["conf_high"])


def test_an_unknown_scale_is_refused():
    with pytest.raises(ModelError) as error:
        Derived(("x",), np.array([1.0]), np.array([[0.01]])).tidy(scales={"x": "sqrt"})
    assert str(error.value) == "scales: x has 'sqrt'; allowed are identity, fisher, log, logit. Correct it."


@pytest.mark.filterwarnings("ignore::alliance_analysis.errors.FitWarning")
def test_a_variance_at_zero_has_no_limits_that_look_certain():
    frame = balanced()
    frame["y"] -= frame.groupby("client")["y"].transform("mean")
    fit = fit_mixed("y ~ time + (1 | client)", frame)
    assert fit.singular
    row = fit.derive(variances).tidy(scales={"icc": "logit"}).set_index("term").loc["icc"]
    assert row["estimate"] == pytest.approx(0, abs=1e-8)
    assert np.isnan(row["conf_low"]) or row["conf_high"] - row["conf_low"] > 0.01 or np.isnan(row["conf_high"])


def test_a_singular_fit_is_said_by_the_fit():
    frame = balanced()
    frame["y"] -= frame.groupby("client")["y"].transform("mean")
    with pytest.warns(FitWarning):
        fit_mixed("y ~ time + (1 | client)", frame)
