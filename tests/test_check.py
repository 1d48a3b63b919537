"""Checks: each turns amber or red for its own reason, and only then."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pingouin
import pytest

from alliance_analysis.analyses.prospective import RefusedFit
from alliance_analysis.check.fit import check_fit, inflation_factors
from alliance_analysis.check.measures import check_early_alliance, check_measures, combine_checks
from alliance_analysis.check.rules import COLUMNS, RELIABILITY
from alliance_analysis.errors import DataError
from alliance_analysis.mixed.fit import fit_mixed
from alliance_analysis.mixed.residuals import AR1
from alliance_analysis.study.simulate import StudyDesign, simulate_study


def status(checks, start):
    return checks.loc[checks["check"].str.startswith(start), "status"].item()


def clean(n_clients=40, n_sessions=10, seed=1, noise=None):
    rng = np.random.default_rng(seed)
    client, session = (a.ravel() for a in np.indices((n_clients, n_sessions)))
    noise = rng.normal(size=client.size) if noise is None else noise(rng, client, session)
    frame = pd.DataFrame({"client": client, "session": session + 1, "x": rng.normal(size=client.size)})
    frame["x"] += rng.normal(size=n_clients)[client]
    frame["y"] = rng.normal(size=n_clients)[client] + 0.1 * session + noise
    return frame


GOLDEN = Path(__file__).parent / "golden"


def row_of(checks, start):
    return checks[checks["check"].str.startswith(start)].iloc[0]


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
    assert checks[["check", "status", "why"]].to_numpy().tolist() == [
        ["not fitted or not converged", "red", "x does not vary"]
    ]


def test_a_gap_is_no_pair_of_consecutive_sessions():
    frame = clean()
    frame = frame[frame["session"] % 2 == 1].reset_index(drop=True)
    value = checks_of(frame).set_index("check")["value"].filter(like="residual correlation").item()
    assert np.isnan(value)


def test_skewed_residuals_and_unequal_spread_are_amber():
    skewed = checks_of(clean(noise=lambda rng, c, s: rng.exponential(size=c.size) ** 2))
    uneven = checks_of(clean(noise=lambda rng, c, s: rng.normal(size=c.size) * np.where(s > 4, 3, 1)))
    assert status(skewed, "skewness of the residuals") == "amber"
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
    assert status(checks_of(frame), "a variance is estimated at zero") == "amber"


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


def test_variance_inflation_agrees_with_r():
    # R: diag(solve(cor(X))), tests/golden/collinear_subscales
    golden = GOLDEN / "collinear_subscales"
    stored = json.loads((golden / "reference.json").read_text("utf-8"))
    fit = fit_mixed(" ".join(stored["model"]["formula"].split()), pd.read_csv(golden / "derived.csv"))
    found = inflation_factors(fit.design.X, fit.design.terms)
    assert found.to_dict() == pytest.approx(stored["vif_predictor_correlation"], rel=1e-8)


def test_predictors_that_cannot_be_told_apart_are_amber_by_name():
    frame = clean()
    frame["x2"] = frame["x"] + 0.1 * np.random.default_rng(2).normal(size=len(frame))
    checks = check_fit(fit_mixed("y ~ session + x + x2 + (1 | client)", frame), frame)
    row = row_of(checks, "largest variance inflation factor")
    assert row["check"] == "largest variance inflation factor (x2)"
    assert row["status"] == "amber"
    left = np.linalg.lstsq(np.column_stack([np.ones(len(frame)), frame[["session", "x"]]]), frame["x2"], rcond=None)[1]
    explained = 1 - left.item() / ((frame["x2"] - frame["x2"].mean()) ** 2).sum()
    assert row["value"] == pytest.approx(1 / (1 - explained))


def test_curves_and_products_have_no_inflation_factor_and_one_predictor_none_at_all():
    rng = np.random.default_rng(1)
    X = np.column_stack([np.ones(30), rng.normal(size=(30, 4))])
    terms = ("(Intercept)", "a", "I(a ** 2)", "a:b", "b")
    assert list(inflation_factors(X, terms).index) == ["a", "b"]
    assert inflation_factors(X[:, :2], terms[:2]).empty


def test_reliability_of_a_mean_is_the_average_measures_icc_of_balanced_data():
    frame = clean(n_sessions=4)
    with warnings.catch_warnings():
        # pingouin 0.7 uses an argument that the next pandas will not have
        warnings.simplefilter("ignore", DeprecationWarning)
        icc = pingouin.intraclass_corr(frame, targets="client", raters="session", ratings="x").set_index("Type")
    row = row_of(checks_of(frame, exposure="x"), "x: reliability of a client's mean")
    assert row["value"] == pytest.approx(icc.loc["ICC(1,k)", "ICC"], rel=1e-10)


def test_reliability_of_unbalanced_data_is_one_minus_the_ratio_of_mean_squares():
    frame = clean(n_sessions=6)
    frame = frame[(frame["session"] <= 2) | (frame["client"] % 3 > 0)].reset_index(drop=True)
    frame.loc[[0, 30, 31], "x"] = np.nan
    known = frame.dropna()
    groups = known.groupby("client")["x"]
    k, n = groups.ngroups, len(known)
    within = ((known["x"] - groups.transform("mean")) ** 2).sum() / (n - k)
    between = ((groups.transform("mean") - known["x"].mean()) ** 2).sum() / (k - 1)
    row = row_of(checks_of(frame, exposure="x"), "x: reliability")
    assert row["value"] == pytest.approx(1 - within / between, rel=1e-10)


def test_an_unreliable_mean_is_amber_and_points_to_the_corrected_slope():
    frame = clean(n_clients=60, n_sessions=3)
    frame["x"] = np.random.default_rng(9).normal(size=len(frame))
    row = row_of(checks_of(frame, exposure="x"), "x: reliability")
    assert row["status"] == "amber"
    assert row["value"] < RELIABILITY.limit == 0.70
    assert row["what_to_do"] == "show the reliability-corrected slope beside it"


def test_a_part_centred_within_clients_has_no_mean_whose_reliability_could_fail():
    frame = clean()
    frame["x_within"] = frame["x"] - frame.groupby("client")["x"].transform("mean")
    frame.loc[frame["session"] == 10, "y"] = np.nan  # on the rows used the means are not zero
    fit = fit_mixed("y ~ session + x_within + (1 | client)", frame)
    checks = check_fit(fit, frame, exposure="x_within")
    assert not checks["check"].str.contains("reliability").any()
    assert checks["check"].str.contains("clients whose x_within never varies").any()


def test_a_client_on_whom_the_estimate_hangs_is_amber():
    frame = clean()
    odd = frame["client"] == 7
    frame.loc[odd, "y"] += 8 * (frame["x"] - frame["x"].mean())[odd]
    fit = fit_mixed("y ~ session + x + (1 | client)", frame)
    row = row_of(check_fit(fit, frame, exposure="x"), "largest change of x when one client")
    without = fit_mixed("y ~ session + x + (1 | client)", frame[~odd])
    exact = abs(without.tidy()["estimate"] - fit.tidy()["estimate"])[2] / fit.tidy()["std_error"][2]
    assert row["status"] == "amber"
    assert row["value"] == pytest.approx(exact, rel=0.15)  # variances are held when a client is left out
    assert status(checks_of(clean(), exposure="x"), "largest change of x when one client") == "green"


def test_a_therapist_on_whom_the_estimate_hangs_is_amber_and_clients_are_not_blamed():
    frame = clean(n_clients=120)
    frame["therapist"] = frame["client"] % 12
    odd = frame["therapist"] == 3
    frame["y"] += np.random.default_rng(4).normal(size=12)[frame["therapist"]]
    frame.loc[odd, "y"] += 0.8 * frame["x"][odd]
    fit = fit_mixed("y ~ session + x + (1 | client) + (1 | therapist)", frame)
    checks = check_fit(fit, frame, exposure="x")
    assert status(checks, "largest change of x when one therapist") == "amber"
    assert status(checks, "largest change of x when one client") == "green"


def test_without_an_exposure_the_influence_on_the_most_moved_slope_is_named():
    frame = clean()
    frame.loc[frame["client"] == 7, "y"] += 3 * (frame["session"] - 5.5)
    checks = check_fit(fit_mixed("y ~ session + x + (1 | client)", frame), frame)
    assert row_of(checks, "largest change of")["check"].startswith("largest change of session when one client")


def test_skewed_effects_are_amber_and_few_groups_are_not_judged():
    def two_kinds(n_clients):
        frame = clean(n_clients=n_clients)
        frame["y"] += 12.0 * (frame["client"] % 8 == 0)
        return checks_of(frame)

    assert status(two_kinds(40), "skewness of the client effects") == "amber"
    assert not two_kinds(9)["check"].str.contains("effects").any()


def test_far_residuals_are_amber():
    far = checks_of(clean(noise=lambda rng, c, s: rng.normal(size=c.size) + 9 * (rng.random(c.size) < 0.02)))
    assert status(far, "residuals further out than 3 standard deviations") == "amber"


def test_the_share_of_far_residuals_is_that_beyond_three_standard_deviations():
    frame = clean(noise=lambda rng, c, s: rng.standard_t(5, size=c.size))
    fit = fit_mixed("y ~ session + x + (1 | client)", frame)
    residuals = fit.residuals()
    share = (np.abs(residuals) > 3 * residuals.std(ddof=1)).mean()
    assert share > (np.abs(residuals) > 4 * residuals.std(ddof=1)).mean()
    assert row_of(check_fit(fit, frame), "residuals further out")["value"] == share


def test_sessions_of_one_client_with_two_therapists_are_two_series():
    # each client begins anew with a second therapist, so that session numbers repeat
    def walk(rng, client, session):
        steps = rng.normal(size=(client.max() + 1, session.max() + 1))
        for t in range(1, steps.shape[1]):
            steps[:, t] = 0.8 * steps[:, t - 1] + 0.6 * steps[:, t]
        return steps.ravel()

    frame = clean(n_clients=80, noise=walk).rename(columns={"client": "dyad"})
    frame = frame.assign(client=frame["dyad"] // 2, therapist=frame["dyad"] % 2)
    fit = fit_mixed("y ~ session + x + (1 | dyad)", frame)
    two = row_of(check_fit(fit, frame), "residual correlation")["value"]
    one = row_of(check_fit(fit, frame.assign(client=frame["dyad"])), "residual correlation")["value"]
    assert two == pytest.approx(one, abs=1e-10)
    assert two > 0.3


def test_clients_written_as_nested_in_therapists_are_checked_as_clients():
    frame = clean(n_clients=60)
    frame["therapist"] = frame["client"] % 12
    frame["y"] += 2 * np.random.default_rng(4).normal(size=12)[frame["therapist"]]
    nested, plain = (
        check_fit(fit_mixed(f"y ~ session + x + {random}", frame), frame, exposure="x")
        for random in ("(1 | therapist/client)", "(1 | therapist) + (1 | client)")
    )
    shared = ["number of clients", "number of therapists", "share of sessions", "largest change of x when one client"]
    for check in shared:
        assert row_of(nested, check)["value"] == pytest.approx(row_of(plain, check)["value"], rel=1e-5)


def test_a_model_without_random_effects_is_checked():
    frame = clean()
    fit = fit_mixed("y ~ session + x", frame, residual=AR1(time="session", by="client"))
    checks = check_fit(fit, frame, exposure="x")
    assert row_of(checks, "number of clients")["value"] == 40
    assert not checks["check"].str.contains("effects|left out").any()


def test_of_a_fit_that_did_not_converge_nothing_else_is_checked():
    frame = clean()
    fit = fit_mixed("y ~ session + x + (1 | client)", frame)
    stopped = replace(
        fit, solution=replace(fit.solution, converged=False), withheld=dict.fromkeys(("x", "session"), "it stopped")
    )
    checks = check_fit(stopped, frame)
    assert checks[["check", "value", "status", "why"]].to_numpy().tolist() == [
        ["not fitted or not converged", True, "red", "it stopped"]
    ]
    assert checks["what_to_do"].item() == "report nothing from it; simplify the random part"


@pytest.mark.parametrize(
    ("change", "exposure", "message"),
    [
        (
            lambda f: f.drop(columns="session"),
            None,
            "check_fit: no column 'session' in the data; client, session are needed. Give the fitted frame.",
        ),
        (
            lambda f: f,
            "alliance",
            "check_fit: no column 'alliance' in the data; client, session, alliance are needed. Give the fitted frame.",
        ),
        (lambda f: f.head(10), None, "check_fit: data has 10 rows and the fit used row 400. Give the fitted frame."),
    ],
)
def test_another_frame_than_the_fitted_one_is_refused(change, exposure, message):
    frame = clean()
    fit = fit_mixed("y ~ session + x + (1 | client)", frame)
    with pytest.raises(DataError) as caught:
        check_fit(fit, change(frame), exposure=exposure)
    assert str(caught.value) == message
