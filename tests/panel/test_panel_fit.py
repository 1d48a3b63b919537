"""fit_panel_var: the truth, what must not change it, what is flagged, and the tables it hands out."""

import numpy as np
import pandas as pd
import pytest
from panel_study import COLUMNS, TRENDS, simulate_panel_frame

from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.panel.draw import draw_ratings
from alliance_analysis.panel.fit import fit_panel_var, refit_panel_var
from alliance_analysis.result import TIDY_COLUMNS
from alliance_analysis.study.simulate import SeriesParameters, simulate_example

CROSS = "alliance_client -> symptoms"
# variances at zero are common in small studies and are asserted where they matter
AT_BOUNDARY = "ignore:.*covariance is estimated at the boundary:alliance_analysis.errors.FitWarning"
pytestmark = pytest.mark.filterwarnings(AT_BOUNDARY)


@pytest.fixture(scope="module")
def frame():
    return simulate_panel_frame(n_clients=80, n_sessions=10)


@pytest.fixture(scope="module")
def fit(frame):
    return fit_panel_var(frame, COLUMNS)


def cross_lag(fit, metric="deviations"):
    table = fit.standardised()
    return table[(table["term"] == CROSS) & (table["metric"] == metric)].iloc[0]


def test_the_truth_of_the_example_study_is_recovered():
    study = simulate_example()
    truth = study.truth["series"]
    fit = fit_panel_var(study.sessions, COLUMNS)
    found = fit.standardised().query("metric == 'deviations'").set_index("term")
    wanted = {
        CROSS: truth["prospective"],
        "symptoms -> symptoms": truth["autoregression_symptoms"],
        # in the VAR's form, the same session's feedback carries symptoms' own past into the alliance
        "symptoms -> alliance_client": truth["feedback"] * truth["autoregression_symptoms"],
        "alliance_client -> alliance_client": truth["autoregression_alliance"]
        + truth["feedback"] * truth["prospective"],
    }
    for term, value in wanted.items():
        assert abs(found.loc[term, "estimate"] - value) < 2 * found.loc[term, "std_error"], term
    reaction = fit.same_session_slope("alliance_client", "symptoms").iloc[0]
    assert reaction["conf_low"] < truth["feedback"] < reaction["conf_high"]
    components = fit.variance_components().set_index(["group", "term"])["std_dev"]
    slope = components["client", "symptoms: time"] / components["deviation", "symptoms"]
    assert slope == pytest.approx(truth["trend_sd_symptoms"], abs=0.12)


def test_what_must_not_change_the_answer_does_not(frame, fit):
    shuffled = frame.sample(frac=1, random_state=1)
    relabelled = frame.assign(client=frame["client"].map("c{}".format).str[::-1])
    scaled = frame.assign(symptoms=1e6 * frame["symptoms"] + 5e7, alliance_client=1e-6 * frame["alliance_client"])
    for other in (shuffled, relabelled, scaled):
        again = fit_panel_var(other, COLUMNS)
        for metric in ("deviations", "observed"):
            np.testing.assert_allclose(
                cross_lag(again, metric)[["estimate", "std_error"]].astype(float),
                cross_lag(fit, metric)[["estimate", "std_error"]].astype(float),
                rtol=2e-4,
            )
    assert again.log_lik == pytest.approx(
        fit.log_lik
        - np.log(1e6) * frame["symptoms"].notna().sum()
        + np.log(1e6) * frame["alliance_client"].notna().sum()
    )


def test_later_session_numbers_change_only_the_origin_of_time(frame):
    here = fit_panel_var(frame, COLUMNS, time_shape="linear")
    later = fit_panel_var(frame.assign(session=frame["session"] + 10_000), COLUMNS, time_shape="linear")
    assert later.log_lik == pytest.approx(here.log_lik, abs=1e-5)
    np.testing.assert_allclose(later.parameters.transition, here.parameters.transition, atol=1e-4)


def test_the_order_of_the_series_changes_nothing(frame, fit):
    turned = fit_panel_var(frame, COLUMNS[::-1])
    assert turned.log_lik == pytest.approx(fit.log_lik, abs=1e-6)
    assert cross_lag(turned)["estimate"] == pytest.approx(cross_lag(fit)["estimate"], abs=1e-4)


def test_a_gap_is_a_gap_and_not_the_row_before():
    gappy = simulate_panel_frame(SeriesParameters(autoregression_symptoms=0.6), n_clients=300, n_sessions=16, missing=1)
    closed = gappy.assign(session=gappy.groupby("client").cumcount() + 1)
    here, packed = (fit_panel_var(f, COLUMNS, time_shape="none").tidy().set_index("term") for f in (gappy, closed))
    own = "symptoms -> symptoms"
    assert here.loc[own, "estimate"] == pytest.approx(0.6, abs=3 * here.loc[own, "std_error"])
    assert packed.loc[own, "estimate"] < here.loc[own, "estimate"] - 2 * here.loc[own, "std_error"]


def test_three_series_fit_and_the_two_that_matter_keep_their_names(frame):
    noise = np.random.default_rng(3).normal(size=len(frame))
    fit = fit_panel_var(frame.assign(noise=noise), [*COLUMNS, "noise"], random=("intercept",), time_shape="linear")
    assert fit.converged
    assert len(fit.tidy()) == 9
    row = fit.tidy().set_index("term").loc["noise -> symptoms"]
    assert abs(row["statistic"]) < 3.5
    assert row["outcome"] == "symptoms"
    assert row["predictor"] == "noise"


@pytest.mark.parametrize("shape", ["none", "linear", "quadratic", "factor"])
def test_every_time_shape_fits(frame, shape):
    fit = fit_panel_var(frame, COLUMNS, time_shape=shape)
    assert fit.converged
    terms = {"none": 2, "linear": 4, "quadratic": 6, "factor": 20}[shape]
    assert len(fit.trends()) == terms


def test_no_time_term_makes_two_changing_series_look_related():
    unrelated = SeriesParameters(
        prospective=0, feedback=0, trend_symptoms=-0.9, trend_alliance=0.9, stable_correlation=0
    )
    frame = simulate_panel_frame(unrelated, n_clients=100, n_sessions=10)
    log, none = (cross_lag(fit_panel_var(frame, COLUMNS, time_shape=shape)) for shape in ("log", "none"))
    assert abs(log["statistic"]) < 2.5
    assert none["statistic"] < -4


def test_courses_are_in_the_datas_units(frame, fit):
    table = fit.trends().set_index("term")
    assert list(table.index[2:]) == ["symptoms: intercept", "symptoms: log_time"]
    assert table.loc["symptoms: log_time", "estimate"] == pytest.approx(TRENDS.trend_symptoms, abs=0.2)
    means = fit_panel_var(frame, COLUMNS, time_shape="factor").trends().set_index("term")["estimate"]
    assert means["symptoms: session 1"] == pytest.approx(frame.loc[frame["session"] == 1, "symptoms"].mean(), abs=0.25)


def test_the_tables_have_the_houses_columns(fit):
    assert tuple(fit.tidy())[:8] == TIDY_COLUMNS
    assert list(fit.tidy()["term"]) == list(fit.terms)
    assert fit.tidy()["df"].eq(np.inf).all()
    components = fit.variance_components()
    assert list(components) == ["group", "term", "term2", "estimate", "std_dev"]
    assert components.groupby("group").size().to_dict() == {"client": 10, "deviation": 3, "innovation": 3}
    glance = fit.glance().iloc[0]
    assert glance["n_client"] == 80
    assert glance["aic"] == pytest.approx(-2 * fit.log_lik + 2 * 21)
    assert glance["largest_eigenvalue"] < 1
    assert repr(fit).startswith("PanelVarFit(alliance_client, symptoms ~ log(session); intercept and time vary between")
    assert "<table" in fit._repr_html_()


def test_a_standardised_slope_is_scaled_by_both_sds_and_its_interval_alike(frame, fit):
    from alliance_analysis.prepare import within_sd

    raw = fit.tidy().set_index("term").loc[CROSS]
    observed = cross_lag(fit, "observed")
    ratio = within_sd(frame, "alliance_client") / within_sd(frame, "symptoms")
    for column in ("estimate", "std_error", "conf_low", "conf_high"):
        assert observed[column] == pytest.approx(raw[column] * ratio)
    assert observed["p_value"] == pytest.approx(raw["p_value"])


def test_the_same_session_correlation_is_that_of_the_new_parts(fit):
    row = fit.same_session().iloc[0]
    S = fit.parameters.innovation
    assert row["estimate"] == pytest.approx(S[0, 1] / np.sqrt(S[0, 0] * S[1, 1]))
    assert row["covariance"] == pytest.approx(S[0, 1])
    assert -1 < row["conf_low"] < row["estimate"] < row["conf_high"] < 1
    with pytest.raises(ModelError, match="'mood' is no series of the model"):
        fit.same_session_slope("mood", "symptoms")


def test_a_free_start_is_allowed_and_named(frame):
    fit = fit_panel_var(frame, COLUMNS, initial="free")
    assert fit.glance()["initial"].iloc[0] == "free"
    assert fit.parameters.start is not None
    with pytest.raises(ModelError) as caught:
        fit_panel_var(frame, COLUMNS, initial="zero")
    assert str(caught.value) == "fit_panel_var: initial must be 'stationary' or 'free', got 'zero'."


def test_dynamics_near_a_unit_root_are_withheld():
    rng = np.random.default_rng(1)
    walk = rng.normal(size=(60, 12, 2))
    walk[:, 0] *= 10  # whoever starts far out stays there
    walk = walk.cumsum(axis=1)
    client, session = (index.ravel() for index in np.indices((60, 12)))
    frame = pd.DataFrame(
        {"client": client, "session": session + 1, "x": walk[..., 0].ravel(), "y": walk[..., 1].ravel()}
    )
    with pytest.warns(FitWarning, match="close to a unit root"):
        fit = fit_panel_var(frame, ["x", "y"], time_shape="none")
    assert set(fit.withheld) == set(fit.terms)


def test_few_clients_and_variances_at_zero_are_said():
    few = simulate_panel_frame(n_clients=20, n_sessions=10)
    with pytest.warns(FitWarning, match="20 clients; below 30 the intervals are too narrow"):
        fit_panel_var(few, COLUMNS, random=("intercept",))
    flat = simulate_panel_frame(SeriesParameters(stable_sd_alliance=0, stable_sd_symptoms=0), n_clients=60)
    with pytest.warns(FitWarning, match="clients' covariance is estimated at the boundary"):
        fit = fit_panel_var(flat, COLUMNS)
    assert fit.converged
    assert fit.withheld == {}
    assert fit.glance()["singular_level"].iloc[0] == "client"


def test_a_refit_to_the_same_ratings_is_the_same_fit(frame, fit):
    ratings = frame[COLUMNS].to_numpy()
    again = refit_panel_var(fit, ratings)
    np.testing.assert_allclose(again.parameters.transition, fit.parameters.transition, atol=1e-4)
    assert again.log_lik == pytest.approx(fit.log_lik, abs=1e-4)


def test_a_quick_refit_to_a_simulated_study_is_near_the_full_fit(frame, fit):
    for seed in range(4):
        drawn = draw_ratings(fit.series, fit.course, fit.parameters, np.random.default_rng(seed))
        quick = refit_panel_var(fit, drawn).tidy()
        full = fit_panel_var(frame.assign(alliance_client=drawn[:, 0], symptoms=drawn[:, 1]), COLUMNS).tidy()
        assert ((quick["estimate"] - full["estimate"]).abs() < 0.05 * full["std_error"]).all()
        np.testing.assert_allclose(quick["std_error"], full["std_error"], rtol=0.02)


def test_the_callers_frame_is_not_changed(frame):
    before = frame.copy()
    fit_panel_var(frame, COLUMNS)
    pd.testing.assert_frame_equal(frame, before)
