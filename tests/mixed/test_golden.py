"""Every model of the mlm2 and mlm3 cases against R's lme4 and lmerTest, with the tolerances of golden/TOLERANCES.md."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.mixed.fit import MixedFit, fit_mixed

GOLDEN = Path(__file__).parents[1] / "golden"
TWO_LEVEL = (
    "null",
    "contemporaneous",
    "contemporaneous_ML",
    "lagged_random_slope",
    "detrended_lagged",
    "mundlak",
    "lagged_dv",
)
THREE_LEVEL = ("null", "within_between_3level", "within_between_3level_ML", "lagged_slopes")
MODELS = [
    *((case, model) for case in ("mlm2_regular", "mlm2_tiny_constant") for model in TWO_LEVEL),
    *((case, model) for case in ("mlm3_regular", "mlm3_singular") for model in THREE_LEVEL),
    ("mlm3_two_therapists", "null"),
]
LEVEL_NAMES = {"dyad:therapist": "therapist:dyad", "Residual": "residual"}
CONTRASTS = [
    ("mlm2_regular", "contemporaneous", ("contextual_between_minus_within",), {"a_w": -1, "a_bgm": 1}),
    ("mlm2_tiny_constant", "contemporaneous", ("contextual_between_minus_within",), {"a_w": -1, "a_bgm": 1}),
    ("mlm3_regular", "within_between_3level", ("contrasts", "bt_minus_bd"), {"a_bd": -1, "a_bt": 1}),
    ("mlm3_regular", "within_between_3level", ("contrasts", "bd_minus_w"), {"a_w": -1, "a_bd": 1}),
    ("mlm3_singular", "within_between_3level", ("contrasts", "bt_minus_bd"), {"a_bd": -1, "a_bt": 1}),
    ("mlm3_singular", "within_between_3level", ("contrasts", "bd_minus_w"), {"a_w": -1, "a_bd": 1}),
]


@cache
def reference(case: str) -> dict:
    return json.loads((GOLDEN / case / "reference.json").read_text(encoding="utf-8"))


@cache
def derived(case: str) -> pd.DataFrame:
    return pd.read_csv(GOLDEN / case / "derived.csv")


@cache
def refit(case: str, model: str, formula: str | None = None) -> MixedFit:
    stored = reference(case)[model]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        criterion = "REML" if stored["REML"] else "ML"
        return fit_mixed(formula or " ".join(stored["formula"].split()), derived(case), criterion=criterion)


def coefficients(stored: dict) -> pd.DataFrame:
    return pd.DataFrame(stored["satterthwaite"]).T


def components(stored: dict) -> dict[tuple[str, str, str], float]:
    return {
        (LEVEL_NAMES.get(row["grp"], row["grp"]), row["var1"] or "", row["var2"] or ""): row["vcov"]
        for row in stored["varcorr"]
    }


def assert_same_coefficients(own: pd.DataFrame, stored: pd.DataFrame) -> None:
    assert list(own["term"]) == list(stored.index)
    error = stored["Std. Error"].to_numpy()
    assert np.abs(own["estimate"] - stored["Estimate"].to_numpy()).le(1e-4 * error).all()
    np.testing.assert_allclose(own["std_error"], error, rtol=1e-4)
    np.testing.assert_allclose(own["df"], stored["df"], rtol=1e-3)
    np.testing.assert_allclose(own["p_value"], stored["Pr(>|t|)"], rtol=5e-3)


@pytest.mark.parametrize(("case", "model"), MODELS)
def test_log_likelihood_reaches_that_of_lme4_with_zero_gradient(case: str, model: str) -> None:
    stored, glance = reference(case)[model], refit(case, model).glance().iloc[0]
    assert glance["log_lik"] >= stored["logLik"] - 1e-6
    assert glance["gradient_norm"] < 1e-6
    assert glance["converged"]
    # None of these cases is one where R stopped early: the likelihoods and what follows from them are equal.
    assert glance["log_lik"] == pytest.approx(stored["logLik"], abs=1e-6)
    assert glance["aic"] == pytest.approx(stored["AIC"], abs=1e-5)
    assert glance["bic"] == pytest.approx(stored["BIC"], abs=1e-5)
    assert glance["n_obs"] == stored["nobs"]
    for group, levels in stored["ngrps"].items():
        assert glance[f"n_{LEVEL_NAMES.get(group, group)}"] == levels


@pytest.mark.parametrize(("case", "model"), MODELS)
def test_estimates_standard_errors_and_df_agree_with_lmertest(case: str, model: str) -> None:
    assert_same_coefficients(refit(case, model).tidy(), coefficients(reference(case)[model]))


@pytest.mark.parametrize(("case", "model"), MODELS)
def test_covariance_of_the_fixed_effects_agrees_with_lme4(case: str, model: str) -> None:
    stored = np.array(reference(case)[model]["vcov_fixed"]["values"])
    scale = np.sqrt(np.outer(np.diag(stored), np.diag(stored)))
    np.testing.assert_allclose(refit(case, model).fixed_covariance / scale, stored / scale, atol=2e-4, rtol=0)


@pytest.mark.parametrize(("case", "model"), MODELS)
def test_variance_components_agree_with_lme4(case: str, model: str) -> None:
    stored, own = components(reference(case)[model]), refit(case, model).variance_components()
    table = {(row.group, row.term, row.term2): row.estimate for row in own.itertuples()}
    assert set(table) == set(stored)
    near_zero = 1e-4 * table["residual", "", ""]
    for key, value in stored.items():
        assert table[key] == pytest.approx(value, rel=1e-3, abs=near_zero if abs(value) < near_zero else 0)


@pytest.mark.parametrize(("case", "model"), MODELS)
def test_singular_fits_are_those_lme4_calls_singular(case: str, model: str) -> None:
    assert refit(case, model).singular is reference(case)[model]["is_singular"]


@pytest.mark.parametrize(("case", "model"), MODELS)
def test_random_effects_agree_with_lme4(case: str, model: str) -> None:
    stored, fit = reference(case)[model], refit(case, model)
    own = fit.random_effects().pivot(index=["group", "level"], columns="term", values="estimate")
    used = derived(case).iloc[fit.rows]
    for group, head in stored["ranef_head"].items():
        name = LEVEL_NAMES.get(group, group)
        numbered = sorted(set(used[name.split(":")].itertuples(index=False, name=None)))
        for row in head:
            # R writes dyad:therapist, the levels here are numbered by therapist, then dyad.
            level = numbered.index(tuple(int(part) for part in reversed(row["level"].split(":"))))
            for term in (key for key in row if key not in ("level", "_row")):
                assert own.loc[(name, level), term] == pytest.approx(row[term], abs=1e-3 * fit.sigma)


@pytest.mark.parametrize(("case", "model", "key", "weights"), CONTRASTS)
def test_contrasts_agree_with_lmertest(case: str, model: str, key: tuple[str, ...], weights: dict) -> None:
    stored = reference(case)
    for part in key:
        stored = stored[part]
    own = refit(case, model).contrast(weights).iloc[0]
    assert own["estimate"] == pytest.approx(stored["Estimate"], abs=1e-4 * stored["Std. Error"])
    assert own["std_error"] == pytest.approx(stored["Std. Error"], rel=1e-4)
    assert own["df"] == pytest.approx(stored["df"], rel=1e-3)
    assert own["p_value"] == pytest.approx(stored["Pr(>|t|)"], rel=5e-3)


@pytest.mark.parametrize("case", ["mlm2_regular", "mlm2_tiny_constant"])
def test_likelihood_ratio_of_the_within_effect_agrees(case: str) -> None:
    stored = reference(case)["lrt_within"]
    complete = derived(case).dropna(subset=["sym", "a_w", "a_bgm"])
    smaller = fit_mixed("sym ~ time + a_bgm + (1 | dyad)", complete, criterion="ML")
    chisq = 2 * (refit(case, "contemporaneous_ML").log_lik - smaller.log_lik)
    assert chisq == pytest.approx(stored["chisq"], abs=4e-6)
    assert chi2.sf(chisq, stored["df"]) == pytest.approx(stored["p"], rel=1e-4)


@pytest.mark.parametrize("case", ["mlm3_regular", "mlm3_singular"])
def test_likelihood_ratio_of_the_therapist_variance_agrees(case: str) -> None:
    smaller = refit(case, "within_between_3level", "sym ~ time + a_w + a_bd + a_bt + (1 | dyad)")
    chisq = 2 * (refit(case, "within_between_3level").log_lik - smaller.log_lik)
    assert chisq == pytest.approx(reference(case)["lrt_therapist"]["chisq"], abs=4e-6)


@pytest.mark.parametrize("case", ["mlm2_regular", "mlm2_tiny_constant"])
def test_icc_of_two_levels_agrees(case: str) -> None:
    assert refit(case, "null").icc()["dyad"] == pytest.approx(reference(case)["icc_null"], rel=1e-6)


@pytest.mark.parametrize("case", ["mlm3_regular", "mlm3_singular", "mlm3_two_therapists"])
def test_icc_of_three_levels_agrees(case: str) -> None:
    shares, stored = refit(case, "null").icc(), reference(case)["icc"]
    assert shares["therapist"] == pytest.approx(stored["therapist"], rel=1e-6, abs=1e-12)
    assert sum(shares.values()) == pytest.approx(stored["dyad_plus_therapist"], rel=1e-6)


@pytest.mark.parametrize("model", ["within_between_3level", "within_between_3level_ML", "lagged_slopes"])
def test_two_therapists_with_a_therapist_level_predictor_are_refused(model: str) -> None:
    with pytest.raises(ModelError) as caught:
        refit("mlm3_two_therapists", model)
    assert str(caught.value) == (
        "2 therapists and the therapist-level predictor a_bt: its effect and the therapist variance cannot be told "
        "apart. Drop one of them."
    )


@pytest.mark.parametrize(
    ("model", "formula"),
    [
        ("within_between_3level", "sym ~ time + a_w + a_bd + a_bt + (1 | dyad)"),
        ("within_between_3level_ML", "sym ~ time + a_w + a_bd + a_bt + (1 | dyad)"),
        ("lagged_slopes", "sym ~ time + a_w_lag + a_bd + a_bt + (1 + time | dyad)"),
    ],
)
def test_without_the_therapist_variance_the_other_terms_agree(model: str, formula: str) -> None:
    own = refit("mlm3_two_therapists", model, formula).tidy()
    other = ~own["term"].isin(["(Intercept)", "a_bt"])
    stored = coefficients(reference("mlm3_two_therapists")[model])
    assert_same_coefficients(own[other], stored.loc[list(own.loc[other, "term"])])
