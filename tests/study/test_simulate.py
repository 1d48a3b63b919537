"""The generator: the same everywhere, with the dynamics it promises, and the files that ship."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.errors import ModelError
from alliance_analysis.resources import data_folder
from alliance_analysis.study.simulate import (
    EXAMPLE_SERIES,
    SeriesParameters,
    StudyDesign,
    simulate_example,
    simulate_population_agreement,
    simulate_series,
    simulate_study,
    write_simulated,
)

SMALL = StudyDesign(n_clients=30, n_therapists=5, n_sessions=8)
WITHOUT_CONGRUENCE = {"congruence_within": 0.0, "congruence_between": 0.0}
RATINGS = ["alliance_client", "alliance_therapist"]
BEFORE_CONGRUENCE = {  # SHA-256 of the example's files before disagreement of the raters had any effect
    "sessions": "4a9af409f3311df0896ef3465186b18ebd5e976cbc11d3d27599e5d8e247763a",
    "clients": "b351d6350ef1976f8b6dffaba3052dd87eee8619c372719a12538e0bcffb729e",
}


@pytest.fixture(scope="module")
def crowds():
    """Simulate the same 4,000 clients with and without congruence: they differ by nothing else, and nobody leaves."""
    complete = {"n_clients": 4000, "n_therapists": 400} | dict.fromkeys(
        ("missing_sessions", "missing_ratings", "dropout_hazard"), 0.0
    )
    return simulate_study(11, StudyDesign(**complete)), simulate_study(
        11, StudyDesign(**complete, **WITHOUT_CONGRUENCE)
    )


def seen_throughout(study):
    """Return the sessions of the clients whose treatment was as long as the design."""
    planned = study.clients.set_index("client")["planned_sessions"]
    return study.sessions[study.sessions["client"].map(planned) == StudyDesign().n_sessions]


def client_means(sessions):
    return sessions[["client", *RATINGS]].dropna().groupby("client").mean()


def next_symptoms_and_deviations(sessions):
    """Pair both raters' deviations from their means for a client with the symptoms of the next session."""
    table = sessions.astype({"symptoms": float}).dropna(subset=RATINGS)
    table[RATINGS] -= client_means(table).loc[table["client"]].to_numpy()
    later = sessions[["client", "session", "symptoms"]].astype({"symptoms": float})
    later = later.assign(session=later["session"] - 1).rename(columns={"symptoms": "next"})
    return table.merge(later, on=["client", "session"]).dropna(subset=["next"])


def surface(ratings, outcome):
    """Fit a polynomial regression by least squares: (estimate, standard error) of a1 to a4."""
    x, y = ratings.to_numpy(float).T
    design = np.column_stack([np.ones(len(x)), x, y, x**2, x * y, y**2])
    inverse = np.linalg.inv(design.T @ design)
    slopes = inverse @ design.T @ outcome
    variance = ((outcome - design @ slopes) ** 2).sum() / (len(x) - 6)
    weights = {"a1": [0, 1, 1, 0, 0, 0], "a2": [0, 0, 0, 1, 1, 1], "a3": [0, 1, -1, 0, 0, 0], "a4": [0, 0, 0, 1, -1, 1]}
    return {
        name: (float(w @ slopes), float(np.sqrt(variance * (w @ inverse @ w))))
        for name, w in ((name, np.array(w)) for name, w in weights.items())
    }


def test_the_shipped_files_are_those_of_the_generator(tmp_path):
    write_simulated(simulate_example(), tmp_path)
    for name in ("sessions.csv", "clients.csv", "truth.json"):
        assert (tmp_path / name).read_bytes() == (data_folder() / "example" / name).read_bytes(), name


def test_same_seed_same_study_and_another_seed_another():
    first, second, other = (simulate_study(seed, SMALL) for seed in (4, 4, 5))
    pd.testing.assert_frame_equal(first.sessions, second.sessions)
    assert not first.sessions["symptoms"].equals(other.sessions["symptoms"])


def test_the_series_have_the_variances_and_dynamics_of_their_parameters():
    p = SeriesParameters(stable_sd_symptoms=0, stable_sd_alliance=0, prospective=-0.15, feedback=-0.25)
    s, a = simulate_series(p, 60_000, 6, np.random.default_rng(2))
    assert s.var(axis=0) == pytest.approx(np.ones(6), abs=0.03)
    assert a.var(axis=0) == pytest.approx(np.ones(6), abs=0.03)
    assert np.cov(s[:, 3], a[:, 3])[0, 1] == pytest.approx(p.same_session_covariance(), abs=0.02)
    slopes = np.linalg.lstsq(np.column_stack([s[:, 4], a[:, 4]]), s[:, 5], rcond=None)[0]
    assert slopes == pytest.approx([p.autoregression_symptoms, p.prospective], abs=0.02)
    slopes = np.linalg.lstsq(np.column_stack([a[:, 4], s[:, 5]]), a[:, 5], rcond=None)[0]
    assert slopes == pytest.approx([p.autoregression_alliance, p.feedback], abs=0.02)


def test_stable_parts_correlate_as_asked():
    p = SeriesParameters(stable_sd_symptoms=10, stable_sd_alliance=10, stable_correlation=-0.5)
    s, a = simulate_series(p, 20_000, 2, np.random.default_rng(3))
    assert np.corrcoef(s[:, 0], a[:, 0])[0, 1] == pytest.approx(-0.5, abs=0.03)


def test_a_series_that_would_explode_is_refused():
    with pytest.raises(ModelError, match=r"^simulate_series: no stationary series has these coefficients"):
        simulate_series(
            SeriesParameters(autoregression_symptoms=0.95, prospective=-0.9), 3, 3, np.random.default_rng(1)
        )


def test_a_study_keeps_the_data_contract():
    study = simulate_study(7, SMALL)
    sessions, clients = study.sessions, study.clients
    assert not sessions.duplicated(["client", "therapist", "session"]).any()
    assert set(sessions["client"]) == set(clients["client"])
    assert sessions.groupby("client")["therapist"].nunique().max() == 1
    assert sessions["session"].min() >= 1
    assert sessions["symptoms"].dropna().between(0, 40).all()
    ratings = sessions.filter(like="alliance")
    assert ratings.stack().dropna().between(1, 5).all()
    assert set(clients["status"]) <= {"completed", "dropout", "referred", "ongoing"}


def test_lower_alliance_goes_with_leaving():
    study = simulate_study(1)
    first = study.sessions.groupby("client")["alliance_client"].mean()
    left = study.clients.set_index("client")["status"] == "dropout"
    assert first[left].mean() < first[~left].mean()


def test_truth_says_what_made_the_example():
    truth = json.loads((data_folder() / "example" / "truth.json").read_text(encoding="utf-8"))
    assert truth["series"]["prospective"] == EXAMPLE_SERIES.prospective
    assert set(truth["early_alliance"]) == {"r", "r_given_baseline", "r_given_change_so_far"}
    assert set(truth["agreement"]) >= {"directional_bias", "correlation_between"}


def test_without_congruence_the_example_is_what_it_was_before():
    study = simulate_study(1, StudyDesign(**WITHOUT_CONGRUENCE))
    for name, digest in BEFORE_CONGRUENCE.items():
        text = getattr(study, name).to_csv(index=False, lineterminator="\n")
        assert hashlib.sha256(text.encode("utf-8")).hexdigest() == digest, name


def test_congruence_changes_symptoms_and_nothing_else(crowds):
    with_congruence, without = crowds
    for name, column in (("sessions", "symptoms"), ("clients", "symptoms_post")):
        one, other = getattr(with_congruence, name), getattr(without, name)
        assert not one[column].equals(other[column])
        assert one[column].isna().equals(other[column].isna())
        pd.testing.assert_frame_equal(one.drop(columns=column), other.drop(columns=column))


def test_congruence_leaves_the_mean_of_the_sessions_and_the_first_session_alone(crowds):
    sessions, before = (study.sessions.astype({"symptoms": float}) for study in crowds)
    assert sessions["symptoms"].mean() == pytest.approx(before["symptoms"].mean(), abs=0.02)
    assert sessions.loc[sessions["session"] == 1, "symptoms"].equals(before.loc[before["session"] == 1, "symptoms"])


def test_disagreement_within_clients_raises_the_next_symptoms_along_the_line_of_incongruence_only(crowds):
    now, before = (next_symptoms_and_deviations(seen_throughout(study)) for study in crowds)
    added = surface(now[RATINGS], (now["next"] - before["next"]).to_numpy())
    truth = 4 * StudyDesign().congruence_within
    assert 0.9 * truth < added["a4"][0] < 0.95 * truth  # deviations are small: rounding of the ratings blurs them
    for name in ("a1", "a2", "a3"):
        assert abs(added[name][0]) < 3 * added[name][1], name


def test_disagreement_between_clients_raises_the_end_state_along_the_line_of_incongruence(crowds):
    now, before = (study.clients.set_index("client")["symptoms_post"].astype(float) for study in crowds)
    table = (client_means(seen_throughout(crowds[0])) - 3.5).join((now - before).rename("added")).dropna()
    found = surface(table[RATINGS], table["added"].to_numpy())
    truth = 4 * StudyDesign().congruence_between
    assert found["a4"][0] == pytest.approx(truth, rel=0.01)
    assert found["a2"][0] == pytest.approx(0, abs=0.01 * truth)
    assert found["a1"][0] == pytest.approx(found["a3"][0], abs=0.01 * truth)  # what is given back is the client's alone


def test_congruence_leaves_the_relation_of_alliance_and_end_state_alone(crowds):
    alliance = client_means(crowds[0].sessions)["alliance_client"]
    now, before = (alliance.corr(study.clients.set_index("client")["symptoms_post"].astype(float)) for study in crowds)
    assert now == pytest.approx(before, abs=0.02)


def test_the_example_shows_both_effects_of_congruence():
    study = simulate_study(1)
    within = next_symptoms_and_deviations(study.sessions)
    centred = within["next"] - within.groupby("client")["next"].transform("mean")
    end = study.clients.set_index("client")["symptoms_post"].astype(float)
    between = (client_means(study.sessions) - 3.5).join(end).dropna()
    for level, (estimate, error) in {
        "within": surface(within[RATINGS], centred.to_numpy())["a4"],
        "between": surface(between[RATINGS], between["symptoms_post"].to_numpy())["a4"],
    }.items():
        assert estimate / error > 2.5, level
        assert abs(estimate - 4 * getattr(StudyDesign(), f"congruence_{level}")) < 2 * error, level


def test_agreement_in_the_truth_is_computed_and_close_to_the_design():
    truth = json.loads((data_folder() / "example" / "truth.json").read_text(encoding="utf-8"))["agreement"]
    design = StudyDesign()
    assert truth == simulate_population_agreement(design, EXAMPLE_SERIES)
    assert truth["truth_force_within"] == pytest.approx(design.rater_truth_force_within, abs=0.02)
    assert truth["truth_force_between"] == pytest.approx(design.rater_truth_force_between, abs=0.02)
    assert (truth["congruence_within_a4"], truth["congruence_between_a4"]) == (
        4 * design.congruence_within,
        4 * design.congruence_between,
    )
