"""Random structures side by side: each row is the model it says, and the data that need one are seen by it."""

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.analyses.prospective import (
    CLASSIC,
    FIRST_VALUES,
    Timing,
    fit_literature_models,
    literature_formulas,
    pair_sessions,
)
from alliance_analysis.analyses.sensitivity import compare_random_structures
from alliance_analysis.mixed.fit import fit_mixed
from alliance_analysis.mixed.residuals import AR1, ByGroup
from alliance_analysis.prepare import within_sd
from alliance_analysis.study.simulate import StudyDesign, simulate_study

TIMING = Timing(1, "lagged", "")
COLUMNS = [
    "model", "random_structure", "standardised", "conf_low", "conf_high", "n_sessions", "n_clients", "aic", "note",
]  # fmt: skip
PLAIN, THERAPISTS, BOTH = "clients", "clients and therapists", "clients, therapists, slopes of time"
SLOPES, SERIAL, UNEQUAL = (
    "clients and slopes of time",
    "clients, AR(1) residual",
    "clients, unequal variance early and late",
)
EXPOSURE = "alliance_client_within_lag1"
# a variance at zero is said in the note; here the models are also refitted by hand
pytestmark = pytest.mark.filterwarnings("ignore::alliance_analysis.errors.FitWarning")


def drawn(noise, n_clients=90, n_sessions=9, seed=2):
    """Sessions of clients of 15 therapists; symptoms = client + therapist + noise, nothing to find."""
    rng = np.random.default_rng(seed)
    client, session = (a.ravel() for a in np.indices((n_clients, n_sessions)))
    frame = pd.DataFrame({"client": client, "therapist": client % 15, "session": session + 1})
    frame["alliance_client"] = rng.normal(size=n_clients)[client] + rng.normal(size=client.size)
    level = 2 * rng.normal(size=n_clients)[client] + rng.normal(size=15)[client % 15]
    return pair_sessions(frame.assign(symptoms=20 + level + noise(rng, n_clients, n_sessions)), TIMING)


def independent(rng, n_clients, n_sessions):
    return rng.normal(size=n_clients * n_sessions)


def serial(rng, n_clients, n_sessions):
    steps = rng.normal(size=(n_clients, n_sessions))
    for t in range(1, n_sessions):
        steps[:, t] = 0.7 * steps[:, t - 1] + np.sqrt(1 - 0.49) * steps[:, t]
    return steps.ravel()


def calmer(rng, n_clients, n_sessions):
    return rng.normal(size=n_clients * n_sessions) * np.where(np.tile(np.arange(n_sessions), n_clients) < 5, 3.0, 1.0)


@pytest.fixture(scope="module")
def data():
    sessions = simulate_study(3, StudyDesign(n_clients=80, n_therapists=12, n_sessions=10)).sessions
    return pair_sessions(sessions.astype({"symptoms": float}), TIMING)


@pytest.fixture(scope="module")
def table(data):
    return compare_random_structures(data, TIMING)


def of(table, model=CLASSIC):
    return table[table["model"] == model].set_index("random_structure")


def test_both_models_stand_under_every_structure(table):
    assert list(table.columns) == COLUMNS
    assert table["random_structure"].tolist() == 2 * [PLAIN, THERAPISTS, BOTH, SLOPES, SERIAL, UNEQUAL]
    assert table["model"].tolist() == 6 * [CLASSIC] + 6 * [FIRST_VALUES]


def test_without_therapist_ids_their_structures_are_left_out(data):
    nobody = compare_random_structures(data.drop(columns="therapist"), TIMING)
    assert nobody["random_structure"].tolist() == 2 * [PLAIN, SLOPES, SERIAL, UNEQUAL]


def test_the_plain_row_is_the_literatures_model(data, table):
    fits = fit_literature_models(data, TIMING, "log").tidy().set_index("model")
    for model in (CLASSIC, FIRST_VALUES):
        row = of(table, model).loc[PLAIN]
        own = [row["standardised"], row["conf_low"], row["conf_high"]]
        names = ["standardised", "standardised_low", "standardised_high"]
        assert own == pytest.approx(fits.loc[model, names].tolist(), rel=1e-10)


@pytest.mark.parametrize(
    ("structure", "random", "residual"),
    [
        (THERAPISTS, "(1 | client) + (1 | therapist)", None),
        (BOTH, "(1 + time | client) + (1 | therapist)", None),
        (SLOPES, "(1 + time | client)", None),
        (SERIAL, "(1 | client)", AR1(time="session", by=["client", "therapist"])),
        (UNEQUAL, "(1 | client)", ByGroup("half")),
    ],
)
def test_each_row_is_the_model_that_it_names(data, table, structure, random, residual):
    halved = data.assign(half=np.where(data["session"] > data["session"].median(), "b", "a"))
    formula = f"symptoms ~ log_time + {EXPOSURE} + alliance_client_between + {random}"
    fit = fit_mixed(formula, halved, residual=residual)
    assert literature_formulas(TIMING, "log")[CLASSIC] == formula.replace(random, "(1 | client)")
    used = halved.iloc[fit.rows]
    scale = within_sd(used, EXPOSURE) / within_sd(used, "symptoms")
    expected = fit.tidy().set_index("term").loc[EXPOSURE, ["estimate", "conf_low", "conf_high"]] * scale
    row = of(table).loc[structure]
    assert [row["standardised"], row["conf_low"], row["conf_high"]] == pytest.approx(expected.tolist(), rel=1e-8)
    assert row["aic"] == pytest.approx(fit.glance()["aic"].item())
    assert (row["n_sessions"], row["n_clients"]) == (len(used), used["client"].nunique())


def test_a_client_who_changes_therapist_begins_a_new_series():
    data = drawn(serial)
    # the last forty clients are the first forty with another therapist, their sessions counted anew
    moved = data.assign(client=data["client"] % 50)
    moved["symptoms"] += 3 * np.random.default_rng(5).normal(size=50)[moved["client"]]
    rows = of(compare_random_structures(pair_sessions(moved.drop(columns="occasion"), TIMING), TIMING))
    assert rows.loc[SERIAL, "note"] == ""
    assert rows.loc[PLAIN, "aic"] - rows.loc[SERIAL, "aic"] > 20


def test_an_ar1_residual_beside_earlier_symptoms_is_not_fitted_and_says_why(table):
    row = of(table, FIRST_VALUES).loc[SERIAL]
    assert row["note"] == "earlier symptoms as a predictor and an AR(1) residual explain the same thing; not fitted"
    assert row[["standardised", "conf_low", "conf_high", "aic"]].isna().all()


@pytest.mark.parametrize(("noise", "best"), [(serial, SERIAL), (calmer, UNEQUAL)])
def test_data_that_need_a_structure_are_fitted_best_by_it(noise, best):
    aic = of(compare_random_structures(drawn(noise), TIMING))["aic"]
    assert aic.idxmin() == best
    assert aic[PLAIN] - aic[best] > 20


def test_data_that_need_no_structure_gain_nothing_by_one():
    aic = of(compare_random_structures(drawn(independent), TIMING))["aic"]
    assert (aic[[SLOPES, SERIAL, UNEQUAL]] > aic[[PLAIN, THERAPISTS]].min()).all()


def test_a_variance_at_zero_is_said_in_the_note():
    flat = drawn(independent)
    flat["symptoms"] -= flat.groupby("therapist")["symptoms"].transform("mean")
    rows = of(compare_random_structures(flat, TIMING))
    assert rows.loc[THERAPISTS, "note"] == "therapist variance at zero"
    assert rows.loc[PLAIN, "note"] == ""
    assert rows.loc[THERAPISTS, "standardised"] == pytest.approx(rows.loc[PLAIN, "standardised"], rel=1e-4)


def test_perfectly_correlated_intercepts_and_slopes_are_not_called_a_variance_at_zero():
    data = drawn(independent)
    line = np.column_stack([np.ones(8), np.arange(8)])  # the first session has no session before
    noise = data.loc[data["session"] > 1, "symptoms"].to_numpy().reshape(-1, 8).T
    noise = (
        noise - line @ np.linalg.lstsq(line, noise, rcond=None)[0]
    )  # what differs in level and course is `own` alone
    own = np.random.default_rng(3).normal(size=data["client"].max() + 1)[data["client"]]
    data["symptoms"] = 20 + 3 * own + own * data["time"]
    data.loc[data["session"] > 1, "symptoms"] += noise.T.ravel()
    rows = of(compare_random_structures(data, TIMING))
    fit = fit_mixed(f"symptoms ~ log_time + {EXPOSURE} + alliance_client_between + (1 + time | client)", data)
    assert fit.singular
    assert fit.variance_components().query("term2 != ''")["std_dev"].item() == pytest.approx(1, abs=1e-3)
    assert rows.loc[SLOPES, "note"] == "client intercepts and slopes perfectly correlated"


def test_a_model_that_the_data_cannot_carry_has_its_reason_in_place_of_a_number(data):
    constant = compare_random_structures(data.assign(**{EXPOSURE: 0.0}), TIMING)
    assert of(constant)["note"].str.startswith(f"{EXPOSURE}: the predictor is constant (0) in the ").all()
    assert of(constant)["standardised"].isna().all()
    assert of(constant, FIRST_VALUES)["standardised"].notna().sum() == 5


def test_a_lower_level_of_confidence_gives_a_narrower_interval(data, table):
    narrow = of(compare_random_structures(data, TIMING, conf_level=0.8))
    wide = of(table)
    assert (narrow["conf_high"] - narrow["conf_low"] < wide["conf_high"] - wide["conf_low"]).all()
    pd.testing.assert_series_equal(narrow["standardised"], wide["standardised"])


def test_the_frame_is_left_as_it_was(data):
    before = data.copy()
    compare_random_structures(data, TIMING)
    pd.testing.assert_frame_equal(data, before)
