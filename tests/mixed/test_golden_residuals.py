"""Every golden model with a residual structure against nlme, with the tolerances of golden/TOLERANCES.md."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from alliance_analysis.errors import FitWarning
from alliance_analysis.mixed.fit import MixedFit, fit_mixed
from alliance_analysis.mixed.residuals import AR1, ByGroup, SameSession, Unstructured

GOLDEN = Path(__file__).parents[1] / "golden"
LAGGED = "sym ~ time + a_w_lag + a_bc"
SERIES = AR1(time="session", by="dyad")
OWN = "y ~ 0 + client + therap + client:time + therap:time + "
ACTOR_PARTNER = OWN + "client:act + client:par + therap:act + therap:par + (0 + client + therap | dyad)"
EQUAL = OWN + "act + par + (0 + client + therap | dyad)"
PAIR = SameSession(rater="role", by=["dyad", "session"])
MEDIATION = "z ~ 0 + Smx + Sym + Syx"
VISITS = Unstructured(visit="visit", by="id")
MODELS = {
    ("lme_ar1_gaps", "ri_iid_reml"): (f"{LAGGED} + (1 | dyad)", None),
    ("lme_ar1_gaps", "ri_ar1_reml"): (f"{LAGGED} + (1 | dyad)", SERIES),
    ("lme_ar1_gaps", "ri_ar1_ml"): (f"{LAGGED} + (1 | dyad)", SERIES),
    ("lme_ar1_gaps", "ri_car1_reml"): (f"{LAGGED} + (1 | dyad)", SERIES),
    ("lme_ar1_gaps", "ri_car1_ml"): (f"{LAGGED} + (1 | dyad)", SERIES),
    ("lme_ar1_gaps", "gls_ar1_reml"): (LAGGED, SERIES),
    ("lme_ar1_gaps", "nested3_ar1_reml"): (f"{LAGGED} + (1 | therapist/dyad)", SERIES),
    ("lme_ar1_gaps", "nested3_car1_reml"): (f"{LAGGED} + (1 | therapist/dyad)", SERIES),
    ("truth_bias", "tracking_ar1"): ("judge ~ truth_w + (1 | dyad)", SERIES),
    ("apim_longitudinal", "two_intercept_reml"): (ACTOR_PARTNER, PAIR),
    ("apim_longitudinal", "two_intercept_ml"): (ACTOR_PARTNER, PAIR),
    ("apim_longitudinal", "equal_actor_partner_ml"): (EQUAL, PAIR),
    ("one_with_many", "model"): (
        "y ~ 0 + rc + rt + (0 + rc + rt | therapist)",
        SameSession(rater="role", by=["therapist", "dyad"]),
    ),
    ("mediation_111", "model"): (f"{MEDIATION} + (0 + Smx + Sym | dyad)", ByGroup("o")),
    ("mediation_111", "model_uncorrelated"): (f"{MEDIATION} + (0 + Smx + Sym || dyad)", ByGroup("o")),
    ("trial_ppt_tau", "mmrm_unstructured"): ("y ~ vf * gf", VISITS),
    ("trial_ppt_tau", "mmrm_cond_baseline"): ("y ~ vf * gf + bc * vf", VISITS),
}
# nlme names a level vf2 where the column here is vf[2]; the order of a product's factors may differ too.
SPELLINGS = {f"{name}{level}": f"{name}[{level}]" for name in ("vf", "gf") for level in range(5)}


@cache
def stored(case: str, model: str) -> dict:
    return json.loads((GOLDEN / case / "reference.json").read_text(encoding="utf-8"))[model]


@cache
def frame_of(case: str, model: str) -> pd.DataFrame:
    if case != "trial_ppt_tau":
        return pd.read_csv(GOLDEN / case / "derived.csv")
    wide = pd.read_csv(GOLDEN / case / "data.csv")
    long = wide.melt(id_vars=["id", "group"], value_vars=["y1", "y2", "y3", "y4"], var_name="visit", value_name="y")
    long = long.assign(visit=long["visit"].str[1:].astype(int)).dropna(subset=["y"])
    long = long.assign(vf=long["visit"].astype(str), gf=long["group"].astype(str))
    baseline = wide.set_index("id")["y1"]
    long["bc"] = long["id"].map(baseline) - baseline.mean()
    return long[long["visit"] > 1] if model == "mmrm_cond_baseline" else long


@cache
def refit(case: str, model: str) -> MixedFit:
    formula, residual = MODELS[case, model]
    criterion = stored(case, model)["method"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        return fit_mixed(formula, frame_of(case, model), residual=residual, criterion=criterion)


def same_name(term: str) -> frozenset[str]:
    return frozenset(SPELLINGS.get(part, part) for part in term.split(":"))


def in_the_order_of(case: str, model: str) -> list[int]:
    """Positions of nlme's coefficients among ours."""
    own = [same_name(term) for term in refit(case, model).design.terms]
    return [own.index(same_name(term)) for term in stored(case, model)["coef"]]


@pytest.mark.parametrize(("case", "model"), MODELS)
def test_log_likelihood_is_that_of_nlme_or_higher_with_zero_gradient(case: str, model: str) -> None:
    glance, reference = refit(case, model).glance().iloc[0], stored(case, model)
    assert glance["log_lik"] >= reference["logLik"] - 1e-6
    # Where nlme stopped early it was by less than this; the gradient here is zero.
    assert glance["log_lik"] == pytest.approx(reference["logLik"], abs=1e-6)
    assert glance["converged"]
    assert glance["gradient_norm"] < 1e-6
    assert glance["n_obs"] == reference["nobs"]
    assert glance["aic"] == pytest.approx(reference["AIC"], abs=1e-5)


@pytest.mark.parametrize(("case", "model"), MODELS)
def test_coefficients_and_standard_errors_agree_with_nlme(case: str, model: str) -> None:
    fit, reference, order = refit(case, model), stored(case, model), in_the_order_of(case, model)
    covariance = np.array(reference["vcov_fixed"]["values"])
    errors = np.sqrt(np.diag(covariance))
    estimates = np.array([row["Value"] for row in reference["coef"].values()])
    assert (np.abs(fit.estimates.estimate[order] - estimates) <= 1e-3 * errors).all()
    scale = np.outer(errors, errors)
    np.testing.assert_allclose(fit.fixed_covariance[np.ix_(order, order)] / scale, covariance / scale, atol=2e-3)


@pytest.mark.parametrize(("case", "model"), MODELS)
def test_variances_and_residual_parameters_agree_with_nlme(case: str, model: str) -> None:
    fit, reference = refit(case, model), stored(case, model)
    variance = fit.sigma**2
    assert fit.sigma == pytest.approx(reference["sigma"], rel=1e-3)
    for group, matrix in reference.get("random", {}).items():
        own = [c for block, c in zip(fit.design.random, fit.covariances, strict=True) if block.group.endswith(group)]
        joint = own[0] if len(own) == 1 else np.diag([float(c[0, 0]) for c in own])
        np.testing.assert_allclose(joint, matrix["values"], rtol=1e-3, atol=1e-4 * variance)
    parameters = fit.residual_parameters().set_index("parameter")["estimate"]
    correlations = [value for name, value in parameters.items() if not str(name).startswith("sd_ratio")]
    np.testing.assert_allclose(correlations, np.atleast_1d(reference.get("corStruct", [])), rtol=1e-3)
    for level, ratio in reference.get("varStruct_sd_ratio", {}).items():
        assert parameters.get(f"sd_ratio[{level}]", 1.0) == pytest.approx(ratio, rel=1e-3)


def test_likelihood_ratio_of_distinguishability_agrees() -> None:
    reference = stored("apim_longitudinal", "lrt_distinguishability_ap")
    larger, smaller = (refit("apim_longitudinal", m) for m in ("two_intercept_ml", "equal_actor_partner_ml"))
    chisq = 2 * (larger.log_lik - smaller.log_lik)
    assert chisq == pytest.approx(reference["chisq"], abs=4e-6)
    assert chi2.sf(chisq, reference["df"]) == pytest.approx(reference["p"], rel=1e-4)


def test_one_with_many_partition_agrees() -> None:
    reference = stored("one_with_many", "variance_partition")
    table = refit("one_with_many", "model").variance_components().set_index(["group", "term", "term2"])
    client, therapist = reference["client_rating"], reference["therapist_rating"]
    assert table.loc[("therapist", "rc", ""), "estimate"] == pytest.approx(client["therapist_partner_var"], rel=1e-3)
    assert table.loc[("residual", "client", ""), "estimate"] == pytest.approx(
        client["relationship_error_var"], rel=1e-3
    )
    assert table.loc[("therapist", "rt", ""), "estimate"] == pytest.approx(therapist["therapist_actor_var"], rel=1e-3)
    assert table.loc[("residual", "therapist", ""), "estimate"] == pytest.approx(
        therapist["relationship_error_var"], rel=1e-3
    )
    assert table.loc[("therapist", "rc", "rt"), "std_dev"] == pytest.approx(
        reference["generalized_reciprocity_r"], rel=1e-3
    )
    assert table.loc[("residual", "client", "therapist"), "std_dev"] == pytest.approx(
        reference["dyadic_reciprocity_r"], rel=1e-3
    )
