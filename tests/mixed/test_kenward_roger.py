"""Kenward and Roger's standard errors, df and joint tests against R's pbkrtest, as lmerTest prints them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.mixed.fit import MixedFit, fit_mixed

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = [
    *(
        (case, model)
        for case in ("mlm2_regular", "mlm2_tiny_constant")
        for model in ("null", "contemporaneous", "lagged_random_slope", "detrended_lagged", "mundlak", "lagged_dv")
    ),
    *(
        (case, model)
        for case in ("mlm3_regular", "mlm3_singular")
        for model in ("null", "within_between_3level", "lagged_slopes")
    ),
    ("mlm3_two_therapists", "null"),
    ("growth_strong_slopes", "linear_REML"),
    ("growth_strong_slopes", "time_varying_effect"),
    ("growth_strong_slopes", "random_alliance_slope"),
    ("growth_strong_slopes", "alliance_growth"),
    ("collinear_subscales", "model"),
    ("truth_bias", "tracking_random_slope"),
    ("truth_bias", "temporal_and_between"),
    ("truth_bias", "moderated_by_time"),
    ("truth_bias", "three_level"),
    ("rsa", "multilevel"),
    ("trial_ppt_tau", "group_time_lmm"),
]


def golden_frame(case: str) -> pd.DataFrame:
    if case != "trial_ppt_tau":
        frame = pd.read_csv(GOLDEN / case / "derived.csv")
        return frame.assign(time=frame["session"] - 1)
    wide = pd.read_csv(GOLDEN / case / "data.csv")
    tall = wide.melt(id_vars=["id", "group"], value_vars=["y1", "y2", "y3", "y4"], var_name="visit", value_name="y")
    return tall.assign(time=tall["visit"].str[1].astype(float) - 1, gf1=tall["group"])


@cache
def stored(case: str, model: str) -> dict:
    found = json.loads((GOLDEN / case / "reference.json").read_text(encoding="utf-8"))[model]
    return found["model"] if case == "rsa" else found


@cache
def refit(case: str, model: str) -> MixedFit:
    formula = " ".join(stored(case, model)["formula"].split())
    formula = formula.replace("gf", "gf1") if case == "trial_ppt_tau" else formula
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        return fit_mixed(formula, golden_frame(case), df="kenward-roger")


@pytest.mark.parametrize(("case", "model"), CASES)
def test_standard_errors_df_and_p_agree_with_pbkrtest(case: str, model: str) -> None:
    expected = pd.DataFrame(stored(case, model)["kenward_roger"]).T
    own = refit(case, model).tidy().set_index("term")
    assert sorted(own.index) == sorted(expected.index)
    expected = expected.loc[own.index]
    assert np.abs(own["estimate"] - expected["Estimate"]).le(1e-4 * expected["Std. Error"]).all()
    np.testing.assert_allclose(own["std_error"], expected["Std. Error"], rtol=2e-6)
    np.testing.assert_allclose(own["df"], expected["df"], rtol=2e-6)
    np.testing.assert_allclose(own["p_value"], expected["Pr(>|t|)"], rtol=1e-4)


@pytest.mark.parametrize(("case", "model"), CASES)
def test_a_fit_at_the_boundary_says_so(case: str, model: str) -> None:
    basis = refit(case, model).glance().loc[0, "df_basis"]
    assert basis == ("at the boundary" if stored(case, model)["is_singular"] else "regular")


# lmer(formula, control = lmerControl("bobyqa", optCtrl = list(rhobeg = .01, rhoend = 1e-10))), then
# summary(ddf = "Kenward-Roger") and contestMD(L, ddf = "Kenward-Roger"): std_error, df; F, ddf. R 4.2.2, pbkrtest 0.5.2.
DESIGNS = [
    (
        "y ~ time + x + arm + (1 + time | therapist) + (1 + time | client)",
        ["arm"],
        [0.677089585811, 0.139897434823, 0.114156415564, 0.931192905488, 0.934257660634],
        [30.61914756682, 8.00689387505, 208.84505558234, 35.85647954474, 36.40450430469],
        (0.0493705549232, 36.1440235198, 0.951892433787),
        (0.053638748194, 36.582080626, 0.947848828168),
    ),
    (
        "y ~ time + x + arm + (1 | therapist) + (1 | item)",
        ["arm"],
        [0.8586560354946, 0.0841189706852, 0.1645064363625, 0.4145318099945, 0.4159807409811],
        [15.9241090117, 252.3080102076, 253.1465838104, 254.1960594496, 253.8703984676],
        (0.707283668971, 253.715356853, 0.49395084606),
        (0.710048030167, 253.637285642, 0.492595136757),
    ),
    (
        "y ~ time * arm + (1 + time + x | client)",
        ["arm", "time:arm"],
        [0.697670834751, 0.160912017729, 0.987463358424, 0.991301253613, 0.223848433159, 0.226273763137],
        [40.8302535897, 41.6181949558, 41.3230021999, 41.8018458300, 40.7022578997, 42.2542644390],
        (1.35783017514, 47.8017348964, 0.262607538154),
        (1.48390944883, 39.6690731928, 0.225391451998),
    ),
    (
        "y ~ time + x + arm + (1 | therapist) + (1 + time || client)",
        ["arm"],
        [0.6805247170251, 0.0963058622918, 0.1137760844554, 0.9108708285268, 0.9158067872985],
        [31.1379575702, 47.8818080016, 207.0570750100, 35.6896205979, 36.4283533785],
        (0.0558842364294, 36.0727520693, 0.945730306843),
        (0.0572917504134, 36.3152408474, 0.944403700593),
    ),
]


@pytest.mark.parametrize(("formula", "factor", "errors", "df", "joint", "joint_satterthwaite"), DESIGNS)
def test_slopes_at_two_levels_crossed_and_unbalanced_designs_agree_with_pbkrtest(
    arms: pd.DataFrame,
    formula: str,
    factor: list[str],
    errors: list[float],
    df: list[float],
    joint: tuple[float, ...],
    joint_satterthwaite: tuple[float, ...],
) -> None:
    fit = fit_mixed(formula, arms, df="kenward-roger")
    own = fit.tidy()
    np.testing.assert_allclose(own["std_error"], errors, rtol=1e-6)
    np.testing.assert_allclose(own["df"], df, rtol=1e-6)
    columns = ["statistic", "df_denominator", "p_value"]
    np.testing.assert_allclose(fit.test(factor).loc[0, columns].astype(float), joint, rtol=2e-6)
    by_satterthwaite = fit_mixed(formula, arms).test(factor).loc[0, columns].astype(float)
    np.testing.assert_allclose(by_satterthwaite, joint_satterthwaite, rtol=2e-6)


def test_joint_test_of_one_term_is_its_t_test_squared(arms: pd.DataFrame) -> None:
    formula = "y ~ time + x + (1 | therapist) + (1 + time | client)"
    for method in ("kenward-roger", "satterthwaite", "normal"):
        fit = fit_mixed(formula, arms, df=method)
        row, joint = fit.tidy().loc[1], fit.test("time").loc[0]
        assert joint["statistic"] == pytest.approx(row["statistic"] ** 2, rel=1e-9)
        assert joint["df_denominator"] == pytest.approx(row["df"], rel=1e-9)
        assert joint["p_value"] == pytest.approx(row["p_value"], rel=1e-6)


def test_contrast_uses_the_adjusted_covariance(arms: pd.DataFrame) -> None:
    fit = fit_mixed(DESIGNS[0][0], arms, df="kenward-roger")
    alone, row = fit.contrast({"arm[b]": 1}).loc[0], fit.tidy().loc[3]
    assert alone["std_error"] == pytest.approx(row["std_error"], rel=1e-12)
    assert alone["df"] == pytest.approx(row["df"], rel=1e-12)
    assert row["std_error"] > np.sqrt(fit.fixed_covariance[3, 3])


def test_origin_and_unit_of_time_change_nothing_but_the_intercept(arms: pd.DataFrame) -> None:
    formula = "y ~ time + x + (1 | therapist) + (1 + time | client)"
    own = fit_mixed(formula, arms, df="kenward-roger").tidy()
    moved = fit_mixed(formula, arms.assign(time=arms["time"] * 7 + 10_000), df="kenward-roger").tidy()
    columns = ["statistic", "df", "p_value"]
    np.testing.assert_allclose(moved.loc[1:, columns], own.loc[1:, columns], rtol=1e-5)


def test_hundreds_of_therapists_take_seconds(simulate_sessions: Callable[..., pd.DataFrame]) -> None:
    frame = simulate_sessions(300, 10, 6)
    formula = "y ~ time + x + (1 | therapist) + (1 + time | client)"
    own = fit_mixed(formula, frame, df="kenward-roger")
    other = fit_mixed(formula, frame)
    assert own.estimates.df[0] == pytest.approx(other.estimates.df[0], rel=0.02)


def test_ml_is_refused(arms: pd.DataFrame) -> None:
    with pytest.raises(ModelError) as caught:
        fit_mixed("y ~ time + (1 | client)", arms, criterion="ML", df="kenward-roger")
    assert str(caught.value) == "df: Kenward–Roger needs REML, got criterion 'ML'. Use 'satterthwaite' under ML."


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ("arms", "test: 'arms' is not a term of the model; its terms are (Intercept), time, arm[b], arm[c]."),
        ([], "test: name at least one term of the model, for example 'time'."),
    ],
)
def test_unknown_terms_are_refused(arms: pd.DataFrame, terms: str | list[str], message: str) -> None:
    fit = fit_mixed("y ~ time + arm + (1 | client)", arms)
    with pytest.raises(ModelError) as caught:
        fit.test(terms)
    assert str(caught.value) == message


def test_a_joint_test_of_a_factor_leaves_its_interactions_out_and_finds_them_by_name() -> None:
    rng = np.random.default_rng(5)
    client = np.repeat(np.arange(30), 6)
    frame = pd.DataFrame(
        {"client": client, "time": np.tile(np.arange(6.0), 30), "arm": np.array(list("abc"))[client % 3]}
    )
    frame["y"] = rng.standard_normal(180) + rng.standard_normal(30)[client]
    fit = fit_mixed("y ~ arm * time + (1 | client)", frame)
    assert fit.test("arm")["df_numerator"].item() == 2
    assert fit.test("arm:time")["df_numerator"].item() == 2
    assert fit.test("time:arm")["statistic"].item() == fit.test("arm:time")["statistic"].item()
    assert fit.test("time")["df_numerator"].item() == 1
