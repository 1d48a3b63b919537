"""Likelihood-ratio tests against R, and every comparison that has no answer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.compare import compare_fits
from alliance_analysis.mixed.fit import fit_mixed
from alliance_analysis.mixed.residuals import AR1, ByGroup, SameSession

GOLDEN = Path(__file__).parents[1] / "golden"
COLUMNS = [
    "model",
    "n_obs",
    "n_parameters",
    "log_lik",
    "aic",
    "bic",
    "chisq",
    "df",
    "p_value",
    "p_mixture",
    "p_bootstrap",
    "note",
]


def golden(case: str, key: str) -> tuple[dict, pd.DataFrame]:
    stored = json.loads((GOLDEN / case / "reference.json").read_text(encoding="utf-8"))[key]
    return stored, pd.read_csv(GOLDEN / case / "derived.csv")


@pytest.mark.parametrize("case", ["mlm2_regular", "mlm2_tiny_constant"])
def test_test_of_the_within_effect_agrees_with_r(case: str) -> None:
    stored, frame = golden(case, "lrt_within")
    frame = frame.dropna(subset=["sym", "a_w", "a_bgm"])
    fits = [
        fit_mixed(f"sym ~ {terms} + (1 | dyad)", frame, criterion="ML")
        for terms in ("time + a_w + a_bgm", "time + a_bgm")
    ]
    table = compare_fits(*fits)
    assert table.columns.tolist() == COLUMNS
    assert table["model"].tolist() == [fits[1].formula, fits[0].formula]
    row = table.loc[1]
    assert row["chisq"] == pytest.approx(stored["chisq"], abs=4e-6)
    assert row["df"] == stored["df"]
    assert row["p_value"] == pytest.approx(stored["p"], rel=1e-4)
    assert np.isnan(row["p_mixture"])
    assert row["note"] == ""
    assert table.loc[0, ["chisq", "df", "p_value", "p_mixture"]].isna().all()


@pytest.mark.parametrize("case", ["mlm3_regular", "mlm3_singular"])
@pytest.mark.filterwarnings("ignore::alliance_analysis.errors.FitWarning")
def test_test_of_the_therapist_variance_agrees_with_r(case: str) -> None:
    stored, frame = golden(case, "lrt_therapist")
    fixed = "sym ~ time + a_w + a_bd + a_bt"
    table = compare_fits(fit_mixed(f"{fixed} + (1 | dyad)", frame), fit_mixed(f"{fixed} + (1 | therapist/dyad)", frame))
    row = table.loc[1]
    assert row["chisq"] == pytest.approx(max(stored["chisq"], 0), abs=4e-6)
    expected = 0.5 * chi2.sf(row["chisq"], 1) if row["chisq"] > 0 else 1.0
    assert row["p_mixture"] == pytest.approx(expected, rel=1e-9)
    assert row["note"] == "one variance: p_mixture from the mean of chi-square 0 and 1"


def test_a_slope_brings_a_variance_and_a_covariance(arms: pd.DataFrame) -> None:
    table = compare_fits(fit_mixed("y ~ time + (1 | client)", arms), fit_mixed("y ~ time + (1 + time | client)", arms))
    chisq, df, p_value, mixture = table.loc[1, ["chisq", "df", "p_value", "p_mixture"]]
    # R: m <- lmer(...); anova(m1, m2, refit = FALSE); mean(pchisq(chisq, 1:2, lower = FALSE))
    assert df == 2
    assert p_value == pytest.approx(chi2.sf(chisq, 2))
    assert mixture == pytest.approx((chi2.sf(chisq, 1) + chi2.sf(chisq, 2)) / 2)


def test_several_variances_have_no_known_mixture(arms: pd.DataFrame) -> None:
    row = compare_fits(
        fit_mixed("y ~ time + (1 | client)", arms), fit_mixed("y ~ time + (1 | therapist) + (1 + time || client)", arms)
    ).loc[1]
    assert row["df"] == 2
    assert np.isnan(row["p_mixture"])
    assert row["note"] == "2 variances at once: their mixture is unknown, p_value is conservative"


def test_a_correlation_is_an_ordinary_parameter(arms: pd.DataFrame) -> None:
    row = compare_fits(
        fit_mixed("y ~ time + (1 + time || client)", arms), fit_mixed("y ~ time + (1 + time | client)", arms)
    ).loc[1]
    assert row["df"] == 1
    assert row["note"] == ""
    assert np.isnan(row["p_mixture"])


def test_shifted_time_spans_the_same_model(arms: pd.DataFrame) -> None:
    moved = arms.assign(later=arms["time"] - 3)
    row = compare_fits(
        fit_mixed("y ~ later + (1 | client)", moved, criterion="ML"),
        fit_mixed("y ~ time + x + (1 + time | client)", moved, criterion="ML"),
    ).loc[1]
    assert row["df"] == 3


NESTED = "compare_fits: the models are not nested: "
AIC = " Compare their AIC instead (glance)."
REFUSED = [
    (
        ("y ~ time + (1 | client)", {}),
        ("x ~ time + (1 + time | client)", {}),
        "compare_fits: the outcomes differ ('y' and 'x'); one outcome is allowed.",
    ),
    (
        ("y ~ time + (1 | client)", {}),
        ("y ~ time + gaps + (1 | client)", {}),
        "compare_fits: the fits use different rows (269 and 259, 259 in common). Drop rows with a missing value in either model's columns first, then fit both.",
    ),
    (
        ("y ~ time + (1 | client)", {}),
        ("y ~ time + x + (1 | client)", {"criterion": "ML"}),
        "compare_fits: one fit is by REML, the other by ML. Fit both with the same criterion.",
    ),
    (
        ("y ~ time + (1 | client)", {}),
        ("y ~ time + x + (1 | client)", {}),
        "compare_fits: the fixed terms differ, and REML likelihoods of different fixed terms cannot be compared. Fit both with criterion='ML'.",
    ),
    (
        ("y ~ time + (1 | client)", {"criterion": "ML"}),
        ("y ~ x + arm + (1 | client)", {"criterion": "ML"}),
        f"{NESTED}the fixed term time of the smaller one is not in the larger.{AIC}",
    ),
    (
        ("y ~ time + (1 | therapist)", {}),
        ("y ~ time + (1 + time | client)", {}),
        f"{NESTED}((Intercept) | therapist) of the smaller one is not in the larger.{AIC}",
    ),
    (
        ("y ~ time + (1 + time | client)", {}),
        ("y ~ time + (1 + time + x || client) + (1 | therapist) ", {}),
        f"{NESTED}((Intercept) + time | client) of the smaller one is not in the larger.{AIC}",
    ),
    (
        ("y ~ time + (1 | client)", {"criterion": "ML"}),
        ("y ~ x + (1 | client)", {"criterion": "ML"}),
        f"compare_fits: both models have 4 parameters; one must have more.{AIC}",
    ),
]


@pytest.mark.parametrize(("first", "second", "message"), REFUSED)
@pytest.mark.filterwarnings("ignore::alliance_analysis.errors.FitWarning")
def test_what_cannot_be_compared_is_refused(
    arms: pd.DataFrame, first: tuple[str, dict], second: tuple[str, dict], message: str
) -> None:
    frame = arms.assign(gaps=arms["x"].where(arms.index >= 10))
    fits = [fit_mixed(formula, frame, **options) for formula, options in (first, second)]
    for pair in (fits, fits[::-1]):
        with pytest.raises(ModelError) as caught:
            compare_fits(*pair)
        assert str(caught.value).split("(")[0] == message.split("(")[0]
    with pytest.raises(ModelError) as caught:
        compare_fits(*fits)
    assert str(caught.value) == message


def test_another_frame_with_the_same_rows_is_noticed(arms: pd.DataFrame) -> None:
    other = arms.assign(y=arms["y"] + arms["x"])
    with pytest.raises(ModelError) as caught:
        compare_fits(fit_mixed("y ~ time + (1 | client)", arms), fit_mixed("y ~ time + (1 + time | client)", other))
    assert str(caught.value) == "compare_fits: the values of 'y' differ. Fit both models to the same data."


def test_a_fit_that_did_not_converge_is_refused(arms: pd.DataFrame) -> None:
    from dataclasses import replace

    small, large = (fit_mixed(f"y ~ time + ({terms} | client)", arms) for terms in ("1", "1 + time"))
    stuck = replace(large, solution=replace(large.solution, converged=False))
    with pytest.raises(ModelError) as caught:
        compare_fits(small, stuck)
    assert (
        str(caught.value)
        == "compare_fits: 'y ~ time + (1 + time | client)' did not converge. Simplify its random terms."
    )


def test_distinguishability_of_client_and_therapist_agrees_with_nlme() -> None:
    stored, frame = golden("apim_longitudinal", "lrt_distinguishability_ap")
    residual = SameSession("role", ["dyad", "session"])
    roles = "y ~ 0 + client + therap + client:time + therap:time"
    random = "(0 + client + therap | dyad)"
    equal = fit_mixed(f"{roles} + act + par + {random}", frame, criterion="ML", residual=residual)
    free = fit_mixed(
        f"{roles} + client:act + client:par + therap:act + therap:par + {random}",
        frame,
        criterion="ML",
        residual=residual,
    )
    row = compare_fits(equal, free).loc[1]
    assert row["chisq"] == pytest.approx(stored["chisq"], abs=1e-4)
    assert row["df"] == stored["df"]
    assert row["p_value"] == pytest.approx(stored["p"], rel=1e-3)


def test_a_residual_structure_is_tested_against_none(arms: pd.DataFrame) -> None:
    formula = "y ~ time + (1 | client)"
    plain = fit_mixed(formula, arms)
    whole = fit_mixed(formula, arms, residual=AR1("time", "client"))
    row = compare_fits(whole, plain).loc[1]
    assert (row["df"], row["note"]) == (1, "")
    assert row["p_value"] == pytest.approx(chi2.sf(2 * (whole.log_lik - plain.log_lik), 1))
    real = fit_mixed(formula, arms.assign(later=arms["time"] * 1.3), residual=AR1("later", "client"))
    assert compare_fits(plain, real).loc[1, "note"] == "a serial correlation of at least 0: p_value is conservative"


def test_one_residual_structure_is_no_case_of_another(arms: pd.DataFrame) -> None:
    formula = "y ~ time + (1 | client)"
    serial = fit_mixed(formula, arms, residual=AR1("time", "client"))
    grouped = fit_mixed(formula, arms, residual=ByGroup("arm"))
    with pytest.raises(ModelError) as caught:
        compare_fits(serial, grouped)
    assert str(caught.value) == (
        f"{NESTED}the residual structure AR1(time='time', by='client') of the smaller one is not in the larger.{AIC}"
    )


def test_bootstrap_p_lies_near_that_of_the_mixture(arms: pd.DataFrame) -> None:
    formula = "y ~ time + x + (1 | client)"
    fits = fit_mixed(formula, arms), fit_mixed(f"{formula} + (1 | therapist)", arms)
    row = compare_fits(*fits, bootstrap=100).loc[1]
    assert row["p_bootstrap"] == pytest.approx(row["p_mixture"], abs=0.12)  # 100 draws: error .04
    assert row["p_bootstrap"] == compare_fits(*fits, bootstrap=100).loc[1, "p_bootstrap"]
    assert np.isnan(compare_fits(*fits).loc[1, "p_bootstrap"])


def test_something_else_than_a_fit_is_refused(sessions: pd.DataFrame) -> None:
    fit = fit_mixed("y ~ time + (1 | client)", sessions)
    with pytest.raises(ModelError) as caught:
        compare_fits(fit, None)  # type: ignore[arg-type]
    assert str(caught.value) == "compare_fits: two fits of fit_mixed are compared, got NoneType."
