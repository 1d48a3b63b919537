"""Early alliance and end state: definitions, standard errors, who is lost, and recovery of a known correlation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_analysis.analyses.early import EARLY_SESSIONS, fit_early_alliance
from alliance_analysis.resources import data_folder
from alliance_analysis.study.simulate import (
    EXAMPLE_SERIES,
    StudyDesign,
    load_truth,
    simulate_population_r,
    simulate_study,
)


@pytest.fixture(scope="module")
def study():
    return simulate_study(1)


@pytest.fixture(scope="module")
def fit(study):
    return fit_early_alliance(study.sessions, study.clients)


def by_hand(study):
    sessions = study.sessions.astype({"symptoms": float})
    early = (
        sessions[sessions["session"].between(*EARLY_SESSIONS)].groupby("client")[["alliance_client", "symptoms"]].mean()
    )
    table = early.rename(columns={"symptoms": "so_far"})
    table["baseline"] = sessions[sessions["session"] <= 2].sort_values("session").groupby("client")["symptoms"].first()
    table["end"] = study.clients.set_index("client")["symptoms_post"].astype(float)
    return table.dropna()


def test_r_is_the_correlation_of_the_clients_that_have_everything(study, fit):
    table = by_hand(study)
    assert fit.n_clients == len(table)
    assert fit.tidy()["estimate"].iloc[0] == pytest.approx(
        np.corrcoef(table["alliance_client"], table["end"])[0, 1], rel=1e-12
    )


def test_partial_correlations_are_those_of_the_inverse_correlation_matrix(study, fit):
    precision = np.linalg.inv(by_hand(study)[["alliance_client", "end", "baseline", "so_far"]].corr())
    expected = -precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1])
    assert fit.tidy()["estimate"].iloc[2] == pytest.approx(expected, rel=1e-10)


def test_without_therapist_ids_the_standard_error_is_fishers(study):
    fit = fit_early_alliance(study.sessions.drop(columns="therapist"), study.clients)
    n = fit.n_clients
    assert fit.se_method == "independent clients"
    np.testing.assert_allclose(fit.tidy()["std_error"], 1 / np.sqrt([n - 3, n - 4, n - 5]))
    r, low = fit.tidy().loc[0, ["estimate", "conf_low"]]
    assert low == pytest.approx(np.tanh(np.arctanh(r) - stats.norm.ppf(0.975) / np.sqrt(n - 3)))


def test_the_jackknife_leaves_out_one_therapist_at_a_time(study, fit):
    table = by_hand(study).join(study.sessions.groupby("client")["therapist"].first())
    left_out = [
        np.arctanh(np.corrcoef(table.loc[table["therapist"] != t, ["alliance_client", "end"]].T)[0, 1])
        for t in table["therapist"].unique()
    ]
    count = len(left_out)
    assert fit.se_method == "therapist jackknife"
    assert fit.tidy()["std_error"].iloc[0] == pytest.approx(
        np.sqrt((count - 1) ** 2 / count * np.var(left_out, ddof=1))
    )
    assert fit.tidy()["df"].iloc[0] == count - 1


def test_few_therapists_get_no_jackknife():
    study = simulate_study(2, StudyDesign(n_clients=60, n_therapists=4))
    fit = fit_early_alliance(study.sessions, study.clients)
    assert fit.se_method == "independent clients"
    assert "too few therapists" in fit.method


def test_without_a_post_measure_the_end_state_is_the_last_later_session(study):
    fit = fit_early_alliance(study.sessions, study.clients[["client"]])
    later = study.sessions[study.sessions["session"] > 5].dropna(subset=["symptoms"])
    assert fit.end_state == "symptoms at the last rating after session 5"
    assert fit.n_clients <= later["client"].nunique()


def test_the_flow_ends_with_the_clients_of_the_fit(fit):
    assert fit.flow["clients"].iloc[-1] == fit.n_clients
    assert fit.flow["lost"].sum() == fit.flow["clients"].iloc[0] - fit.n_clients


def test_row_order_and_labels_change_nothing(study, fit):
    shuffled = study.sessions.sample(frac=1, random_state=3)
    relabelled = shuffled.assign(client="x" + shuffled["client"])
    clients = study.clients.assign(client="x" + study.clients["client"])
    pd.testing.assert_frame_equal(fit_early_alliance(relabelled, clients).tidy(), fit.tidy(), rtol=1e-10)


def test_reversing_the_alliance_turns_only_the_sign(study, fit):
    turned = study.sessions.assign(alliance_client=6 - study.sessions["alliance_client"])
    np.testing.assert_allclose(fit_early_alliance(turned, study.clients).tidy()["estimate"], -fit.tidy()["estimate"])


def test_too_few_clients_withhold_everything(study):
    few = study.sessions[study.sessions["client"].isin(study.sessions["client"].unique()[:8])]
    fit = fit_early_alliance(few, study.clients)
    assert set(fit.withheld) == {"r", "r_given_baseline", "r_given_change_so_far"}
    assert fit.withheld["r"].endswith(
        "clients have an early rating, symptoms at the start and an end state; 10 are needed"
    )
    assert not fit.glance()["converged"].item()
    assert fit.tidy().drop(columns="term").isna().all(axis=None)


def test_a_constant_alliance_and_a_copied_column_have_no_correlation(study):
    constant = fit_early_alliance(study.sessions.assign(alliance_client=4.0), study.clients)
    assert set(constant.withheld) == {"r", "r_given_baseline", "r_given_change_so_far"}
    early = (
        study.sessions[study.sessions["session"].between(*EARLY_SESSIONS)].groupby("client")["alliance_client"].mean()
    )
    copied = study.clients.assign(symptoms_post=-3 * study.clients["client"].map(early))
    assert (
        fit_early_alliance(study.sessions, copied)
        .withheld["r"]
        .startswith("the alliance and the end state are the same")
    )


def test_an_end_state_that_is_the_baseline_leaves_nothing_to_correlate(study):
    baseline = study.sessions[study.sessions["session"] <= 2].groupby("client")["symptoms"].first()
    same = study.clients.assign(symptoms_post=study.clients["client"].map(baseline))
    fit = fit_early_alliance(study.sessions, same)
    assert set(fit.withheld) == {"r_given_baseline", "r_given_change_so_far"}
    assert fit.tidy()["estimate"].notna().tolist() == [True, False, False]


def test_follow_up_scores_are_no_end_of_treatment(study):
    later = study.sessions.drop_duplicates("client").assign(session=99, phase="follow_up", symptoms=2)
    both = pd.concat([study.sessions.assign(phase="treatment"), later])
    expected = fit_early_alliance(study.sessions, study.clients[["client"]]).tidy()
    pd.testing.assert_frame_equal(fit_early_alliance(both, study.clients[["client"]]).tidy(), expected)


def test_the_shipped_truth_is_the_populations():
    truth = load_truth(data_folder() / "example")
    assert truth["early_alliance"] == simulate_population_r(StudyDesign(), EXAMPLE_SERIES)


@pytest.mark.slow
def test_intervals_cover_the_truth_at_the_nominal_rate():
    truth = simulate_population_r(StudyDesign(), EXAMPLE_SERIES)
    inside = []
    for seed in range(200):
        study = simulate_study(1000 + seed)
        table = fit_early_alliance(study.sessions, study.clients).tidy().set_index("term")
        inside.append([table.loc[t, "conf_low"] <= truth[t] <= table.loc[t, "conf_high"] for t in truth])
    coverage = np.mean(inside, axis=0)
    assert (coverage >= 0.90).all(), coverage  # 200 replicates: 0.95 - 3 Monte Carlo standard errors
    assert (coverage <= 0.99).all(), coverage


def test_clients_are_not_counted_as_sessions(fit):
    assert "n_obs" not in fit.glance()
    assert fit.glance()["n_client"].item() == fit.n_clients
