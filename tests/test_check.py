"""Checks: each turns amber or red for its own reason, and only then."""

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.analyses.prospective import RefusedFit
from alliance_analysis.check import COLUMNS, check_early_alliance, check_fit, check_measures, combine_checks
from alliance_analysis.mixed.fit import fit_mixed
from alliance_analysis.study.simulate import StudyDesign, simulate_study


def status(checks, start):
    return checks.loc[checks["check"].str.startswith(start), "status"].item()


def clean(n_clients=40, n_sessions=10, seed=1, noise=None):
    rng = np.random.default_rng(seed)
    client, session = (a.ravel() for a in np.indices((n_clients, n_sessions)))
    noise = rng.normal(size=client.size) if noise is None else noise(rng, client, session)
    frame = pd.DataFrame({"client": client, "session": session + 1, "x": rng.normal(size=client.size)})
    frame["y"] = rng.normal(size=n_clients)[client] + 0.1 * session + noise
    return frame


def checks_of(frame, **options):
    return check_fit(fit_mixed("y ~ session + x + (1 | client)", frame), frame, **options)


def test_a_regular_fit_is_green_throughout():
    checks = checks_of(clean(), exposure="x")
    assert list(checks.columns) == COLUMNS
    assert set(checks["status"]) == {"green"}
    assert set(checks["what_to_do"]) == {""}


def test_autocorrelated_residuals_are_amber():
    def walk(rng, client, session):
        steps = rng.normal(size=(client.max() + 1, session.max() + 1))
        for t in range(1, steps.shape[1]):
            steps[:, t] += 0.7 * steps[:, t - 1]
        return steps.ravel()

    assert status(checks_of(clean(noise=walk)), "residual correlation") == "amber"


@pytest.mark.parametrize("n_sessions", [3, 5, 8, 20])
def test_autocorrelation_is_seen_in_short_therapies_and_independence_is_not_blamed(n_sessions):
    def ar(phi):
        def noise(rng, client, session):
            steps = rng.normal(size=(client.max() + 1, session.max() + 1))
            for t in range(1, steps.shape[1]):
                steps[:, t] = phi * steps[:, t - 1] + np.sqrt(1 - phi**2) * steps[:, t]
            return steps.ravel()

        return noise

    dependent = checks_of(clean(n_clients=400, n_sessions=n_sessions, noise=ar(0.5)))
    independent = checks_of(clean(n_clients=400, n_sessions=n_sessions, noise=ar(0.0)))
    assert status(dependent, "residual correlation") == "amber"
    assert status(independent, "residual correlation") == "green"


def test_a_refused_model_gets_one_red_row_with_its_reason():
    checks = check_fit(RefusedFit("x", "x does not vary"), clean())
    assert checks[["check", "status", "why"]].to_numpy().tolist() == [["converged", "red", "x does not vary"]]


def test_a_gap_is_no_pair_of_consecutive_sessions():
    frame = clean()
    frame = frame[frame["session"] % 2 == 1].reset_index(drop=True)
    value = checks_of(frame).set_index("check")["value"].filter(like="residual correlation").item()
    assert np.isnan(value)


def test_skewed_residuals_and_unequal_spread_are_amber():
    skewed = checks_of(clean(noise=lambda rng, c, s: rng.exponential(size=c.size) ** 2))
    uneven = checks_of(clean(noise=lambda rng, c, s: rng.normal(size=c.size) * np.where(s > 4, 3, 1)))
    assert status(skewed, "skewness") == "amber"
    assert status(uneven, "residual spread") == "amber"


def test_few_clients_many_lost_rows_and_constant_exposure_are_amber():
    frame = clean(n_clients=12)
    frame.loc[frame["session"] > 6, "x"] = np.nan
    frame.loc[frame["client"] < 3, "x"] = 1.0
    frame.loc[len(frame)] = frame.loc[0].to_dict() | {"client": 99, "x": 1.0}  # one session: it could not vary
    checks = checks_of(frame, exposure="x")
    assert status(checks, "number of clients") == "amber"
    assert status(checks, "share of sessions not used") == "amber"
    assert status(checks, "clients whose x never varies") == "amber"


@pytest.mark.filterwarnings("ignore::alliance_analysis.errors.FitWarning")
def test_a_singular_fit_is_amber():
    rng = np.random.default_rng(3)
    frame = clean()
    frame["y"] = rng.normal(size=len(frame))
    frame["y"] -= frame.groupby("client")["y"].transform("mean")
    assert status(checks_of(frame), "every variance above zero") == "amber"


@pytest.mark.filterwarnings("ignore::alliance_analysis.errors.FitWarning")
def test_few_therapists_are_amber():
    sessions = simulate_study(4, StudyDesign(n_clients=60, n_therapists=5)).sessions.astype({"symptoms": float})
    fit = fit_mixed("symptoms ~ session + (1 | client) + (1 | therapist)", sessions, df="normal")
    assert status(check_fit(fit, sessions), "number of therapists") == "amber"


def test_no_therapist_ids_are_amber_for_the_early_alliance():
    glance = pd.DataFrame([{"n_client": 100, "n_therapist": np.nan}])
    flow = pd.DataFrame({"clients": [200, 100]})
    checks = check_early_alliance(glance, flow)
    assert checks["status"].tolist() == ["green", "amber", "amber"]


def test_measures_at_the_ceiling_are_amber_and_without_range_not_judged():
    described = pd.DataFrame(
        {
            "measure": ["a", "b"],
            "missing_share": [0.0, 0.0],
            "floor_share": [0.0, np.nan],
            "ceiling_share": [0.16, np.nan],
        }
    )
    checks = check_measures(described)
    assert checks["check"].tolist() == ["a: missing values", "a: scores at the floor or ceiling", "b: missing values"]
    assert checks["status"].tolist() == ["green", "amber", "green"]


def test_combined_checks_put_trouble_first():
    one = pd.DataFrame([{**dict.fromkeys(COLUMNS, ""), "status": s} for s in ("green", "red", "amber")])
    assert combine_checks({"a": one, "": one})["status"].tolist() == ["red", "red", "amber", "amber", "green", "green"]
