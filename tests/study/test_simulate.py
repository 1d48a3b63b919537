"""The generator: the same everywhere, with the dynamics it promises, and the files that ship."""

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
    simulate_series,
    simulate_study,
    write_simulated,
)

SMALL = StudyDesign(n_clients=30, n_therapists=5, n_sessions=8)


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
