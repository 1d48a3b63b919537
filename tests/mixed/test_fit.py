"""The fit as a user meets it: tables, what does not change it, what it withholds, and whether it finds the truth."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.mixed import optimise
from alliance_analysis.mixed.descent import Descent, Objective
from alliance_analysis.mixed.fit import MixedFit, fit_mixed
from alliance_analysis.result import TIDY_COLUMNS

SLOPES = "y ~ time + x + (1 + time | client) + (1 | therapist)"
GLANCE = [
    "n_obs",
    "n_dropped",
    "log_lik",
    "aic",
    "bic",
    "criterion",
    "sigma",
    "converged",
    "singular",
    "singular_level",
    "gradient_norm",
    "df_method",
    "df_basis",
    "path",
    "n_therapist",
    "n_client",
]


@pytest.fixture(scope="module")
def fit(sessions: pd.DataFrame) -> MixedFit:
    return fit_mixed(SLOPES, sessions)


def assert_same_fit(one: MixedFit, other: MixedFit, rtol: float = 1e-6) -> None:
    pd.testing.assert_frame_equal(one.tidy(), other.tidy(), rtol=rtol)
    pd.testing.assert_frame_equal(one.variance_components(), other.variance_components(), rtol=rtol)
    assert one.log_lik == pytest.approx(other.log_lik, abs=1e-8)


# Tables


def test_tables_have_their_columns(fit: MixedFit) -> None:
    assert tuple(fit.tidy().columns) == TIDY_COLUMNS
    assert list(fit.glance().columns) == GLANCE
    assert list(fit.variance_components().columns) == ["group", "term", "term2", "estimate", "std_dev"]
    assert len(fit.glance()) == 1


def test_variance_components_name_every_variance_and_covariance(fit: MixedFit) -> None:
    table = fit.variance_components()
    assert list(zip(table["group"], table["term"], table["term2"], strict=True)) == [
        ("client", "(Intercept)", ""),
        ("client", "time", ""),
        ("client", "(Intercept)", "time"),
        ("therapist", "(Intercept)", ""),
        ("residual", "", ""),
    ]
    variances = table["estimate"].to_numpy()
    np.testing.assert_allclose(table["std_dev"][[0, 1, 3, 4]], np.sqrt(variances[[0, 1, 3, 4]]))
    assert table["std_dev"][2] == pytest.approx(variances[2] / np.sqrt(variances[0] * variances[1]))


def test_fitted_and_residuals_add_up_to_the_outcome(fit: MixedFit, sessions: pd.DataFrame) -> None:
    np.testing.assert_allclose(fit.fitted() + fit.residuals(), sessions["y"].to_numpy()[fit.rows])
    assert np.std(fit.residuals()) == pytest.approx(fit.sigma, rel=0.15)


def test_fitted_values_solve_the_mixed_model_equations(fit: MixedFit) -> None:
    # X'r = 0 at the solution: the fixed effects leave nothing of their columns in the conditional residuals.
    np.testing.assert_allclose(fit.design.X.T @ fit.residuals(), 0, atol=1e-7)


def test_levels_of_the_terms(fit: MixedFit) -> None:
    assert fit.term_levels == {"(Intercept)": "therapist", "time": "", "x": ""}
    assert fit.withheld == {}


def test_normal_df_change_tests_only(fit: MixedFit, sessions: pd.DataFrame) -> None:
    normal = fit_mixed(SLOPES, sessions, df="normal")
    kept = ["term", "estimate", "std_error", "statistic"]
    pd.testing.assert_frame_equal(normal.tidy()[kept], fit.tidy()[kept])
    assert np.isinf(normal.tidy()["df"]).all()
    assert normal.small_sample is None
    assert np.isinf(normal.contrast({"time": 1})["df"]).all()


def test_contrast_spells_itself_out_and_refuses_unknown_terms(fit: MixedFit) -> None:
    assert fit.contrast({"x": 1, "time": -2})["term"].tolist() == ["+1*x -2*time"]
    with pytest.raises(ModelError) as caught:
        fit.contrast({"z": 1})
    assert str(caught.value) == "contrast: 'z' is not a term of the model; its terms are (Intercept), time, x."
    with pytest.raises(ModelError) as caught:
        fit.contrast({"x": 0})
    assert str(caught.value) == (
        "contrast: the weights must be finite and not all zero. Write {'term': 1, 'other': -1}."
    )
    with pytest.raises(ModelError) as caught:
        fit.contrast({"x": "a"})  # type: ignore[dict-item]
    assert str(caught.value) == "contrast: the weights must be numbers, got ['a']."
    with pytest.raises(ModelError) as caught:
        fit.contrast(["x"])  # type: ignore[arg-type]
    assert str(caught.value) == "contrast: the weights must be a mapping such as {'time': 1}, got ['x']."
    with pytest.raises(ModelError) as caught:
        fit.test(None)  # type: ignore[arg-type]
    assert str(caught.value) == "test: name at least one term of the model, for example 'time'."


def test_a_search_that_breaks_down_is_told_without_a_traceback(
    sessions: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr("alliance_analysis.mixed.fit.maximise_likelihood", break_down)
    with pytest.raises(ModelError) as caught:
        fit_mixed(SLOPES, sessions)
    assert str(caught.value) == (
        "y: no maximum of the likelihood can be found (Singular matrix); a variance runs to zero or a correlation to "
        "one. Simplify the random terms or the residual structure."
    )


def test_icc_is_for_intercepts_only(fit: MixedFit, sessions: pd.DataFrame) -> None:
    shares = fit_mixed("y ~ 1 + (1 | client) + (1 | therapist)", sessions).icc()
    assert set(shares) == {"client", "therapist"}
    assert 0 < sum(shares.values()) < 1
    with pytest.raises(ModelError) as caught:
        fit.icc()
    assert str(caught.value) == "icc: with random slopes the share depends on the predictors. Fit '(1 | group)' for it."


def test_representation_shows_the_table_and_escapes_html(sessions: pd.DataFrame, fit: MixedFit) -> None:
    assert repr(fit).startswith(f"MixedFit('{SLOPES}', REML, {len(sessions)} rows)\n")
    mode = np.where(sessions["client"] % 2, "<script>", "0")
    shown = fit_mixed("y ~ mode + (1 | client)", sessions.assign(mode=mode))._repr_html_()
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown


def test_a_fit_is_frozen(fit: MixedFit) -> None:
    with pytest.raises(AttributeError, match="cannot assign to field 'sigma'"):
        fit.sigma = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"criterion": "reml"}, "criterion must be 'REML' or 'ML', got 'reml'."),
        ({"df": "wald"}, "df must be 'satterthwaite', 'kenward-roger' or 'normal', got 'wald'."),
        (
            {"residual": "AR1"},
            "residual must be None, AR1(...), ByGroup(...), SameSession(...), Unstructured(...) or a list of them, got 'AR1'.",
        ),
    ],
)
def test_options_outside_their_values_are_refused(option: dict, message: str, sessions: pd.DataFrame) -> None:
    with pytest.raises(ModelError) as caught:
        fit_mixed(SLOPES, sessions, **option)
    assert str(caught.value) == message


# What changes nothing, or only what it must


def test_row_order_changes_nothing(fit: MixedFit, sessions: pd.DataFrame) -> None:
    shuffled = sessions.sample(frac=1, random_state=2)
    other = fit_mixed(SLOPES, shuffled)
    assert_same_fit(other, fit)
    by_row = pd.Series(other.residuals(), index=shuffled.index).sort_index()
    np.testing.assert_allclose(by_row, fit.residuals(), atol=1e-6)


def test_relabelling_groups_changes_nothing(fit: MixedFit, sessions: pd.DataFrame) -> None:
    renamed = sessions.assign(
        client=sessions["client"].map(lambda i: f"c{997 * i % 101}"), therapist=(-sessions["therapist"]).astype(str)
    )
    assert_same_fit(fit_mixed(SLOPES, renamed), fit)


def test_nested_notation_equals_the_terms_written_out(sessions: pd.DataFrame) -> None:
    nested = fit_mixed("y ~ time + (1 | therapist/client)", sessions)
    written = fit_mixed("y ~ time + (1 | client) + (1 | therapist)", sessions)
    pd.testing.assert_frame_equal(nested.tidy(), written.tidy(), rtol=1e-6)
    assert nested.log_lik == pytest.approx(written.log_lik, abs=1e-8)


@pytest.mark.parametrize("shift", [10_000.0, -1e6])
def test_adding_a_constant_to_the_outcome_moves_only_the_intercept(
    shift: float, fit: MixedFit, sessions: pd.DataFrame
) -> None:
    own, moved = fit.tidy(), fit_mixed(SLOPES, sessions.assign(y=sessions["y"] + shift)).tidy()
    np.testing.assert_allclose(moved["estimate"] - own["estimate"], [shift, 0, 0], atol=1e-6)
    np.testing.assert_allclose(moved[["std_error", "df"]], own[["std_error", "df"]], rtol=1e-5)


@pytest.mark.parametrize("scale", [1e6, 1e-6])
def test_the_unit_of_the_outcome_only_rescales(scale: float, fit: MixedFit, sessions: pd.DataFrame) -> None:
    other = fit_mixed(SLOPES, sessions.assign(y=sessions["y"] * scale))
    np.testing.assert_allclose(other.tidy()["estimate"], fit.tidy()["estimate"] * scale, rtol=1e-6)
    np.testing.assert_allclose(other.tidy()["df"], fit.tidy()["df"], rtol=1e-6)
    np.testing.assert_allclose(other.sigma, fit.sigma * scale, rtol=1e-6)
    jacobian = (fit.problem.n - fit.problem.p) * np.log(scale)
    assert other.log_lik == pytest.approx(fit.log_lik - jacobian, abs=1e-6)


@pytest.mark.parametrize("shift", [100.0, 10_000.0])
def test_the_origin_of_time_changes_only_what_belongs_to_it(
    shift: float, fit: MixedFit, sessions: pd.DataFrame
) -> None:
    other = fit_mixed(SLOPES, sessions.assign(time=sessions["time"] + shift))
    pd.testing.assert_frame_equal(other.tidy().iloc[1:], fit.tidy().iloc[1:], rtol=1e-4)
    assert other.log_lik == pytest.approx(fit.log_lik, abs=1e-6)
    table, own = other.variance_components(), fit.variance_components()
    np.testing.assert_allclose(table["estimate"][[1, 3, 4]], own["estimate"][[1, 3, 4]], rtol=1e-4)


def test_uncorrelated_slopes_do_depend_on_the_origin_of_time(sessions: pd.DataFrame) -> None:
    formula = "y ~ time + (1 + time || client)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        near, far = (fit_mixed(formula, sessions.assign(time=sessions["time"] + by)) for by in (0.0, 10.0))
    assert abs(near.log_lik - far.log_lik) > 0.1


def test_the_unit_of_a_random_slope_only_rescales_it(fit: MixedFit, sessions: pd.DataFrame) -> None:
    other = fit_mixed(SLOPES, sessions.assign(time=sessions["time"] * 1e5))
    np.testing.assert_allclose(other.covariances[0][1, 1] * 1e10, fit.covariances[0][1, 1], rtol=1e-5)
    np.testing.assert_allclose(other.tidy()["df"], fit.tidy()["df"], rtol=1e-5)


# Other implementations


@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize("random", ["1", "1 + time"])
def test_statsmodels_agrees_on_regular_two_level_models(criterion: str, random: str, sessions: pd.DataFrame) -> None:
    own = fit_mixed(f"y ~ time + x + ({random} | client)", sessions, criterion=criterion)
    exog = np.column_stack([np.ones(len(sessions)), sessions["time"], sessions["x"]])
    random_columns = exog[:, : 1 + random.count("time")]
    model = MixedLM(sessions["y"].to_numpy(), exog, groups=sessions["client"].to_numpy(), exog_re=random_columns)
    other = model.fit(reml=criterion == "REML", method=["lbfgs"])
    assert own.log_lik == pytest.approx(other.llf, abs=1e-4)
    np.testing.assert_allclose(own.tidy()["estimate"], other.fe_params, rtol=1e-4)
    np.testing.assert_allclose(own.covariances[0], other.cov_re, rtol=5e-3, atol=5e-3)
    assert own.sigma**2 == pytest.approx(other.scale, rel=1e-3)


# Designs that are not nested


def test_crossed_groups_are_fitted_exactly(sessions: pd.DataFrame) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        fit = fit_mixed("y ~ x + (1 | client) + (1 | time)", sessions)
    assert fit.converged
    assert fit.glance().loc[0, "n_time"] == 9
    # The same model with V written out in full.
    client, time = (pd.factorize(sessions[name], sort=True)[0] for name in ("client", "time"))
    variance = {block.group: cov[0, 0] for block, cov in zip(fit.design.random, fit.covariances, strict=True)}
    V = fit.sigma**2 * np.eye(len(sessions))
    V += variance["client"] * (client[:, None] == client) + variance["time"] * (time[:, None] == time)
    X = fit.design.X
    covariance = np.linalg.inv(X.T @ np.linalg.solve(V, X))
    np.testing.assert_allclose(fit.fixed_covariance, covariance, rtol=1e-7)


def test_a_client_who_changes_therapist_is_fitted(sessions: pd.DataFrame) -> None:
    changed = sessions.copy()
    changed.loc[changed["client"].eq(0) & changed["time"].gt(4), "therapist"] = 5
    fit = fit_mixed(SLOPES, changed)
    assert fit.converged
    assert fit.tidy()["std_error"].gt(0).all()


# Singular and failed fits


def test_a_variance_at_zero_warns_once_and_withholds_its_level(simulate_sessions: Callable) -> None:
    frame = simulate_sessions(8, 6, 9, sd=(0.0, 2.0, 0.0), seed=2)
    frame["y"] -= frame.groupby("therapist")["y"].transform("mean")
    frame["office"] = frame["therapist"] % 3
    frame["age"] = (frame["client"] * 7) % 11
    with pytest.warns(FitWarning) as caught:
        fit = fit_mixed("y ~ time + office + age + (1 | client) + (1 | therapist)", frame)
    assert [str(warning.message) for warning in caught] == [
        "the therapist variance is estimated at zero (singular fit); standard errors of therapist-level terms are not "
        "to be trusted."
    ]
    assert fit.singular_level == ("therapist",)
    reason = "the therapist variance is estimated at zero (singular fit)"
    assert fit.withheld == {"(Intercept)": reason, "office": reason}
    assert fit.glance().loc[0, "singular_level"] == "therapist"
    assert fit.glance().loc[0, "converged"]
    # Numbers are still there, and equal those of the model without that variance.
    without = fit_mixed("y ~ time + office + age + (1 | client)", frame)
    pd.testing.assert_frame_equal(fit.tidy(), without.tidy(), rtol=1e-6)


def test_perfectly_correlated_random_effects_are_singular_but_withhold_nothing(sessions: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    level = rng.standard_normal(48)[sessions["client"]]
    y = level * (1 + 0.3 * sessions["time"]) + 0.5 * rng.standard_normal(len(sessions))
    with pytest.warns(FitWarning) as caught:
        fit = fit_mixed("y ~ time + (1 + time | client)", sessions.assign(y=y))
    assert [str(warning.message) for warning in caught] == [
        "random effects of client depend linearly on each other (singular fit); standard errors of client-level terms "
        "are not to be trusted."
    ]
    assert fit.variance_components().loc[2, "std_dev"] == pytest.approx(1.0, abs=1e-6)
    assert fit.withheld == {}


def test_a_slope_variance_at_zero_is_named(simulate_sessions: Callable) -> None:
    frame = simulate_sessions(1, 40, 8, sd=(0.0, 2.0, 0.0), seed=3)
    trend = frame["time"] - frame.groupby("client")["time"].transform("mean")
    slope = (frame["y"] * trend).groupby(frame["client"]).transform("sum") / (trend**2).groupby(
        frame["client"]
    ).transform("sum")
    flat = frame.assign(y=frame["y"] - slope * trend, trend=trend)
    with pytest.warns(FitWarning, match="^the client variance of trend is estimated at zero"):
        fit = fit_mixed("y ~ x + (1 + trend || client)", flat)
    assert fit.withheld == {}


def test_a_fit_that_did_not_converge_withholds_everything(
    sessions: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(
        objective: Objective, start: np.ndarray, metric: np.ndarray | None = None, *, enough: float = 0.0
    ) -> Descent:
        return Descent(objective.evaluate(start), np.eye(len(start)), False)

    monkeypatch.setattr(optimise, "descend", stopped)
    monkeypatch.setattr(optimise, "MAX_NEWTON", 0)
    monkeypatch.setattr(optimise, "MAX_RESTARTS", 0)
    with pytest.warns(FitWarning, match="did not converge") as caught:
        fit = fit_mixed(SLOPES, sessions)
    assert len(caught) == 1
    assert not fit.glance().loc[0, "converged"]
    assert set(fit.withheld) == {"(Intercept)", "time", "x"}
    assert len(set(fit.withheld.values())) == 1


# Recovery of a known truth


def coverage(simulate_sessions: Callable, runs: int) -> tuple[np.ndarray, np.ndarray]:
    truth = np.array([10.0, -0.5, 0.4])
    inside, estimates = [], []
    for seed in range(runs):
        frame = simulate_sessions(12, 5, 6, seed=1000 + seed, sd=(1.0, 1.5, 0.4))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)
            table = fit_mixed(SLOPES, frame).tidy()
        inside.append((table["conf_low"] <= truth) & (truth <= table["conf_high"]))
        estimates.append(table["estimate"] - truth)
    return np.mean(inside, axis=0), np.mean(estimates, axis=0)


def test_intervals_contain_the_truth_about_as_often_as_they_say(simulate_sessions: Callable) -> None:
    share, bias = coverage(simulate_sessions, 30)
    assert (share >= 0.83).all()
    assert np.abs(bias).max() < 0.25


@pytest.mark.slow
def test_intervals_contain_the_truth_at_the_nominal_rate(simulate_sessions: Callable) -> None:
    share, bias = coverage(simulate_sessions, 600)
    # Three binomial standard errors around .95; Satterthwaite with 12 therapists is slightly conservative.
    assert (share >= 0.95 - 0.027).all()
    assert (share <= 0.95 + 0.027).all()
    assert np.abs(bias).max() < 0.06
