"""Tests and intervals of the lagged coefficients: Wald, likelihood ratio, profile, clustered by therapist."""

import numpy as np
import pandas as pd
import pytest
from panel_study import COLUMNS, simulate_panel_frame
from scipy.special import chdtri

from alliance_analysis.errors import ModelError
from alliance_analysis.panel.fit import fit_panel_var
from alliance_analysis.panel.inference import constrain

CROSS, REVERSE = "alliance_client -> symptoms", "symptoms -> alliance_client"


@pytest.fixture(scope="module")
def frame():
    return simulate_panel_frame(n_clients=80, n_sessions=10).assign(
        therapist=lambda f: "t" + (f["client"] % 25).astype(str)
    )


@pytest.fixture(scope="module")
def fit(frame):
    return fit_panel_var(frame, COLUMNS)


def test_the_likelihood_ratio_and_walds_test_agree_where_the_likelihood_is_a_parabola(fit):
    wald = fit.tidy().set_index("term").loc[CROSS, "statistic"] ** 2
    ratio = fit.test(CROSS).iloc[0]
    assert ratio["chisq"] == pytest.approx(wald, rel=0.15)
    assert ratio["df"] == 1
    both = fit.test([CROSS, REVERSE]).iloc[0]
    assert both["chisq"] >= ratio["chisq"]
    assert both["df"] == 2
    assert both["term"] == f"{CROSS}, {REVERSE}"


def test_at_a_profile_limit_the_likelihood_has_fallen_by_the_quantile(fit):
    row = fit.profile(CROSS, conf_level=0.9).iloc[0]
    unit = fit.scale[1] / fit.scale[0]
    for limit in (row["conf_low"], row["conf_high"]):
        rise, theta = constrain(fit.problem, fit.solution, np.array([2]), np.array([limit / unit]))
        assert rise == pytest.approx(chdtri(1, 0.1), abs=1e-3)
        assert theta[2] == pytest.approx(limit / unit)
    assert row["conf_low"] < row["estimate"] < row["conf_high"]


def test_profile_intervals_lie_near_walds_and_cover_all_terms(fit):
    profile = fit.profile()
    wald = fit.tidy()
    assert list(profile["term"]) == list(fit.terms)
    reach = (wald["conf_high"] - wald["conf_low"]) / 2
    assert ((profile["conf_low"] - wald["conf_low"]).abs() < 0.2 * reach).all()
    assert ((profile["conf_high"] - wald["conf_high"]).abs() < 0.2 * reach).all()


def test_clustered_standard_errors_have_therapists_less_one_df(frame, fit):
    clustered = fit_panel_var(frame, COLUMNS, by="client", cluster="therapist")
    assert clustered.glance()["se_method"].iloc[0] == "clustered by therapist"
    assert clustered.glance()["n_therapist"].iloc[0] == 25
    assert clustered.tidy()["df"].eq(24).all()
    np.testing.assert_allclose(clustered.tidy()["estimate"], fit.tidy()["estimate"], atol=1e-6)
    ratio = clustered.tidy()["std_error"] / fit_panel_var(frame, COLUMNS, by="client").tidy()["std_error"]
    assert ratio.between(0.6, 1.6).all()  # clients were drawn one by one


def test_clustered_standard_errors_see_copied_clients(frame):
    """Two copies of every client with one therapist each pair: the sandwich does not fall for them."""
    copy = frame.assign(client=frame["client"] + 1000)
    doubled = pd.concat([frame, copy], ignore_index=True)
    doubled["therapist"] = "t" + (doubled["client"] % 1000).astype(str)
    single = frame.assign(therapist="t" + frame["client"].astype(str))
    once = fit_panel_var(single, COLUMNS, by="client", cluster="therapist").tidy()
    twice = fit_panel_var(doubled, COLUMNS, by="client", cluster="therapist").tidy()
    plain = fit_panel_var(doubled, COLUMNS, by="client").tidy()
    np.testing.assert_allclose(twice["std_error"], once["std_error"], rtol=1e-3)
    assert (plain["std_error"] < 0.9 * twice["std_error"]).any()


def test_few_therapists_are_not_clustered_by_and_it_is_said(frame):
    few = frame.assign(therapist="t" + (frame["client"] % 8).astype(str))
    fit = fit_panel_var(few, COLUMNS, by="client", cluster="therapist")
    assert fit.glance()["se_method"].iloc[0] == "observed information (8 therapists are too few to cluster by)"
    assert fit.tidy()["df"].eq(np.inf).all()


def test_unknown_terms_and_levels_are_refused(fit):
    with pytest.raises(ModelError) as caught:
        fit.test("symptoms -> alliance")
    assert str(caught.value).startswith("panel VAR: 'symptoms -> alliance' is not a term of the model; its terms are ")
    with pytest.raises(ModelError, match="conf_level must lie between 0 and 1"):
        fit.profile(CROSS, conf_level=95)
