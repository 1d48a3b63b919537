"""One slope per level: each is the regression of its own level's means, and what a study lacks is said in words."""

import warnings

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.analyses.early import EARLY_SESSIONS
from alliance_analysis.analyses.levels import (
    NO_THERAPISTS,
    NOTHING_BESIDE,
    choose_by_aic,
    fit_alliance_sources,
    fit_end_state,
    fit_level_slopes,
    list_predictors_beside,
)
from alliance_analysis.analyses.prospective import RefusedFit
from alliance_analysis.errors import DataError, FitWarning
from alliance_analysis.mixed.fit import MixedFit, fit_mixed
from alliance_analysis.mixed.residuals import AR1
from alliance_analysis.prepare import add_time, add_within_between
from alliance_analysis.study.simulate import StudyDesign, simulate_study

PARTS = ["alliance_client_within", "alliance_client_between_client", "alliance_client_between_therapist"]
SLOPES = dict(zip(PARTS, (-1.0, -2.0, 3.0), strict=True))
LEVELS = dict(zip(PARTS, ("within", "between_client", "between_therapist"), strict=True))


def split(frame):
    return add_within_between(add_time(frame), "alliance_client", levels=("client", "therapist"))


def with_outcome(data, seed, therapist_sd):
    """Symptoms from the three parts as they are observed, so that the slopes of SLOPES are the truth."""
    rng = np.random.default_rng(seed)
    therapist, client = pd.factorize(data["therapist"])[0], pd.factorize(data["client"])[0]
    level, course = rng.normal(size=(2, client.max() + 1))
    y = 20 - 1.5 * data["log_time"] + sum(slope * data[part] for part, slope in SLOPES.items())
    y += therapist_sd * rng.normal(size=therapist.max() + 1)[therapist] + 2 * level[client]
    return data.assign(symptoms=y + 0.3 * course[client] * data["time"] + rng.normal(size=len(data)))


def unbalanced(seed=1, n_therapists=40, therapist_sd=1.0):
    """Therapists with 2 to 9 clients of 3 to 10 sessions each."""
    rng = np.random.default_rng(seed)
    therapist = np.repeat(np.arange(n_therapists), rng.integers(2, 10, n_therapists))
    length = rng.integers(3, 11, len(therapist))
    client = np.repeat(np.arange(len(therapist)), length)
    frame = pd.DataFrame({"therapist": therapist[client], "client": client})
    frame["session"] = np.concatenate([np.arange(1, k + 1) for k in length])
    frame["alliance_client"] = (
        rng.normal(size=n_therapists)[frame["therapist"]]
        + rng.normal(size=len(therapist))[client]
        + rng.normal(size=len(client))
    )
    return with_outcome(split(frame), seed + 1, therapist_sd)


def without(columns, values):
    """Take the regression on these columns out of values."""
    return values - columns @ np.linalg.lstsq(columns, values, rcond=None)[0]


def balanced(n_therapists=12, n_clients=6, n_sessions=5, seed=3):
    """A study in which every slope has a closed form: courses that go with neither part, deviations without a course."""
    rng = np.random.default_rng(seed)
    t, c, s = (a.ravel() for a in np.indices((n_therapists, n_clients, n_sessions)))
    client, line = t * n_clients + c, np.column_stack([np.ones(n_sessions), np.arange(n_sessions)])
    n = n_therapists * n_clients
    deviation, noise = (without(line, rng.normal(size=(n_sessions, n))).T.ravel() for _ in range(2))
    usual = rng.normal(size=n_therapists)[t] + rng.normal(size=n)[client]
    data = split(
        pd.DataFrame({"therapist": t, "client": client, "session": s + 1, "alliance_client": usual + deviation})
    )
    own = data.drop_duplicates("client")[PARTS[1]].to_numpy()
    course = without(np.column_stack([own, np.repeat(np.eye(n_therapists), n_clients, axis=0)]), rng.normal(size=n))
    level = 3 * rng.normal(size=n_therapists)[t] + 3 * rng.normal(size=n)[client]
    y = 20 + sum(slope * data[part] for part, slope in SLOPES.items()) + level
    return data.assign(symptoms=y + course[client] * (data["time"] - data["time"].mean()) + noise)


def slope(x, y):
    x, y = x - x.mean(), y - y.mean()
    return (x @ y) / (x @ x)


@pytest.fixture(scope="module")
def study():
    return simulate_study(1)


@pytest.fixture(scope="module")
def sessions(study):
    return study.sessions.astype({"symptoms": float})


def by_hand(study, sessions):
    """One row per client: early alliance, its two parts, symptoms at the start and after treatment."""
    early = sessions[sessions["session"].between(*EARLY_SESSIONS)].groupby("client")["alliance_client"].mean()
    table = study.clients.set_index("client")[["condition", "symptoms_post"]].join(early.rename("early"))
    table["therapist"] = sessions.groupby("client")["therapist"].first()
    first = sessions[sessions["session"] <= 2].sort_values("session").groupby("client")["symptoms"].first()
    mean = table.groupby("therapist")["early"].transform("mean")
    return table.assign(
        end=table["symptoms_post"].astype(float),
        first=first,
        own=table["early"] - mean,
        shared=mean - table.groupby("therapist")["early"].mean().mean(),
    )


# --- one slope per level -------------------------------------------------------------------------------------------


def test_slopes_of_a_balanced_study_are_the_regressions_of_each_levels_means():
    data = balanced()
    found = fit_level_slopes(data, "linear").slopes().set_index("term")["estimate"]
    clients = data.groupby(["therapist", "client"])[[*PARTS, "symptoms"]].mean()
    therapists = clients.groupby(level="therapist").mean()
    among = clients - clients.groupby(level="therapist").transform("mean")
    assert found[PARTS[0]] == pytest.approx(slope(data[PARTS[0]], data["symptoms"]), rel=1e-6)
    assert found[PARTS[1]] == pytest.approx(slope(clients[PARTS[1]], among["symptoms"]), rel=1e-6)
    assert found[PARTS[2]] == pytest.approx(slope(therapists[PARTS[2]], therapists["symptoms"]), rel=1e-6)


def test_known_slopes_of_an_unbalanced_study_are_recovered_and_told_apart():
    slopes = fit_level_slopes(unbalanced())
    table = slopes.slopes().set_index("term")
    assert slopes.levels == LEVELS
    for part, truth in SLOPES.items():
        assert abs(table.loc[part, "estimate"] - truth) < 3 * table.loc[part, "std_error"]
    # the levels are told apart: no interval holds the slope of another level
    assert table.loc[PARTS[0], "conf_low"] > SLOPES[PARTS[1]]
    assert table.loc[PARTS[2], "conf_low"] > 0 > table.loc[PARTS[1], "conf_high"]


def test_contrasts_are_each_level_minus_the_one_below():
    slopes = fit_level_slopes(unbalanced())
    table = slopes.contrasts(0.90)
    assert table["term"].tolist() == [f"{PARTS[1]} minus {PARTS[0]}", f"{PARTS[2]} minus {PARTS[1]}"]
    assert table["note"].tolist() == ["", ""]
    covariance = slopes.fit.tidy().set_index("term")
    for row, (lower, upper) in zip(table.to_dict("records"), (PARTS[:2], PARTS[1:]), strict=True):
        expected = slopes.fit.contrast({upper: 1, lower: -1}, 0.90).iloc[0]
        assert row["estimate"] == pytest.approx(covariance.loc[upper, "estimate"] - covariance.loc[lower, "estimate"])
        assert [row[name] for name in ("std_error", "df", "conf_low")] == expected[
            ["std_error", "df", "conf_low"]
        ].tolist()
    assert table["estimate"].tolist() == pytest.approx([-1, 5], abs=0.8)


def test_without_a_therapist_variance_what_lies_between_therapists_has_no_number_and_says_why():
    data = unbalanced(seed=8, n_therapists=8, therapist_sd=0.0)
    data["symptoms"] -= data.groupby("therapist")["symptoms"].transform("mean")
    with pytest.warns(FitWarning, match="therapist variance is estimated at zero"):
        slopes = fit_level_slopes(data)
    table, contrasts = slopes.slopes().set_index("term"), slopes.contrasts()
    assert table.loc[PARTS[2]].isna().all()
    assert table.loc[PARTS[:2]].notna().all(axis=None)
    assert contrasts["estimate"].notna().tolist() == [True, False]
    assert contrasts["note"].tolist() == ["", "the therapist variance is estimated at zero (singular fit)"]
    assert contrasts.loc[1, ["std_error", "p_value", "conf_low", "conf_high"]].isna().all()
    assert slopes.therapist_effects().empty


def test_therapist_effects_are_numbered_and_never_named():
    data = unbalanced()
    named = fit_level_slopes(data.assign(therapist="Dr. " + data["therapist"].astype(str)))
    effects = named.therapist_effects()
    assert not effects.astype(str).apply(lambda column: column.str.contains("Dr")).any(axis=None)
    assert effects["level"].tolist() == list(range(40))
    assert set(effects["group"]) == {"therapist"}
    assert effects["estimate"].mean() == pytest.approx(0, abs=0.2)


def test_order_of_rows_and_names_of_therapists_change_nothing():
    data = unbalanced()
    turned = data.assign(therapist=100 - data["therapist"]).sample(frac=1, random_state=1).reset_index(drop=True)
    one, other = fit_level_slopes(data).tidy(), fit_level_slopes(turned).tidy()
    pd.testing.assert_frame_equal(one, other, rtol=1e-6)


def test_two_therapists_are_refused_with_the_reason_in_every_table():
    data = unbalanced(n_therapists=2)
    slopes = fit_level_slopes(data)
    reason = (
        f"2 therapists and the therapist-level predictor {PARTS[2]}: its effect and the therapist variance cannot be "
        "told apart. Drop one of them"
    )
    assert isinstance(slopes.fit, RefusedFit)
    assert slopes.fit.reason == reason
    assert slopes.contrasts()["note"].tolist() == [reason, reason]
    assert slopes.contrasts()["estimate"].isna().all()
    assert slopes.therapist_effects().empty
    assert slopes.levels == {PARTS[0]: "within"}


@pytest.mark.parametrize(("shape", "first"), [("linear", "time"), ("log", "log_time"), ("none", PARTS[0])])
def test_the_course_is_the_one_that_was_asked_for(shape, first):
    assert fit_level_slopes(unbalanced(), shape, df="normal").fit.tidy()["term"].iloc[1] == first


def test_the_frame_is_left_as_it_was():
    data = unbalanced()
    before = data.copy()
    fit_level_slopes(data, df="normal")
    pd.testing.assert_frame_equal(data, before)


# --- the end state -------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::alliance_analysis.errors.FitWarning")
def test_the_end_state_is_fitted_on_one_row_per_client_made_by_hand(study, sessions):
    end = fit_end_state(sessions, study.clients, df="satterthwaite")
    hand = fit_mixed("end ~ first + own + shared + (1 | therapist)", by_hand(study, sessions).reset_index())
    assert end.end_state == "symptoms after treatment"
    assert end.levels == {PARTS[1]: "between_client", PARTS[2]: "between_therapist"}
    assert isinstance(end.fit, MixedFit)
    columns = ["estimate", "std_error", "df"]
    np.testing.assert_allclose(end.fit.tidy()[columns], hand.tidy()[columns], rtol=1e-7)
    assert end.glance()["n_client"].item() == by_hand(study, sessions).dropna().shape[0]
    assert end.contrasts()["term"].tolist() == [f"{PARTS[2]} minus {PARTS[1]}"]


@pytest.mark.filterwarnings("ignore::alliance_analysis.errors.FitWarning")
def test_arm_is_added_by_client_and_a_trait_by_therapist(study, sessions):
    joint = fit_end_state(sessions, study.clients, beside=["condition", "burnout"], df="normal")
    table = by_hand(study, sessions)
    burnout = sessions.drop_duplicates("therapist").set_index("therapist")["burnout"]
    table = table.assign(burnout=table["therapist"].map(burnout), usual=(table["condition"] == "usual_care") * 1.0)
    hand = fit_mixed("end ~ first + own + shared + usual + burnout + (1 | therapist)", table.reset_index(), df="normal")
    found, expected = joint.fit.tidy(), hand.tidy()
    assert found["term"].tolist()[-2:] == ["condition[usual_care]", "burnout"]
    np.testing.assert_allclose(found[["estimate", "std_error"]], expected[["estimate", "std_error"]], rtol=1e-7)


@pytest.mark.filterwarnings("ignore::alliance_analysis.errors.FitWarning")
def test_without_a_clients_file_the_end_state_is_the_last_later_rating(sessions):
    end = fit_end_state(sessions)
    last = sessions[sessions["session"] > 5].dropna(subset=["symptoms"]).groupby("client")["symptoms"].last()
    assert end.end_state == "symptoms at the last rating after session 5"
    assert end.fit.glance()["n_obs"].item() <= len(last)
    assert set(end.fit.design.y) <= set(last)


def test_nothing_to_stand_beside_the_alliance_is_said_and_not_fitted(study, sessions):
    joint = fit_end_state(sessions, study.clients, beside=[])
    sources = fit_alliance_sources(sessions, study.clients)
    assert [joint.fit.reason, sources.reason] == [NOTHING_BESIDE, NOTHING_BESIDE]
    assert NOTHING_BESIDE == "the study has no treatment arms and no measure of its therapists"
    assert joint.slopes()["estimate"].isna().all()


def test_without_therapist_ids_every_model_of_therapists_says_so(study, sessions):
    nobody = sessions.drop(columns="therapist")
    end = fit_end_state(nobody, study.clients)
    sources = fit_alliance_sources(nobody, study.clients, predictors=["condition"])
    assert NO_THERAPISTS == "the sessions have no therapist ids"
    assert end.fit.withheld == {PARTS[1]: NO_THERAPISTS}
    assert end.contrasts()["note"].tolist() == [NO_THERAPISTS]
    assert sources.withheld == {"condition": NO_THERAPISTS}
    with pytest.raises(DataError, match=r"^no column 'therapist' in the data; it has client, session"):
        add_within_between(nobody, "alliance_client", levels=("client", "therapist"))


def test_one_therapist_and_too_few_clients_are_refused_by_name(study, sessions):
    alone = fit_end_state(sessions.assign(therapist="t1"), study.clients).fit.reason
    few = fit_end_state(sessions[sessions["client"].isin(sessions["client"].unique()[:3])], study.clients).fit.reason
    assert alone.startswith(f"{PARTS[2]}: the predictor is constant (0) in the ")
    assert few == "data: 3 complete rows for 4 fixed terms; more rows than terms are needed. Drop terms"


@pytest.mark.filterwarnings("ignore::alliance_analysis.errors.FitWarning")
def test_follow_up_occasions_are_no_end_state_and_no_early_session(study, sessions):
    later = sessions.drop_duplicates("client").assign(session=90, phase="follow_up", symptoms=99.0)
    both = pd.concat([sessions.assign(phase="treatment"), later], ignore_index=True)
    pd.testing.assert_frame_equal(fit_end_state(both).fit.tidy(), fit_end_state(sessions).fit.tidy())


# --- with whom the alliance is better ------------------------------------------------------------------------------


def test_a_trait_of_therapists_that_made_the_alliance_is_found():
    design = StudyDesign(
        n_clients=400, n_therapists=80, n_sessions=6, burnout_on_alliance=-0.5, alliance_therapist_sd=0.1
    )
    study = simulate_study(5, design)
    with warnings.catch_warnings():
        # what burnout does not explain between therapists may be estimated at zero
        warnings.simplefilter("ignore", FitWarning)
        fit = fit_alliance_sources(study.sessions, study.clients, predictors=["condition", "burnout"])
    table = fit.tidy().set_index("term")
    assert list(table.index) == ["(Intercept)", "log_time", "condition[usual_care]", "burnout"]
    assert fit.term_levels["burnout"] == "therapist"
    assert table.loc["burnout", "conf_high"] < 0
    assert table.loc["burnout", "statistic"] < -4


def test_sources_leave_the_intake_out(study, sessions):
    intake = sessions.drop_duplicates("client").assign(session=0, alliance_client=1.0)
    with_intake = pd.concat([intake, sessions], ignore_index=True)
    one = fit_alliance_sources(sessions, study.clients, predictors=["condition"], df="normal")
    other = fit_alliance_sources(with_intake, study.clients, predictors=["condition"], df="normal")
    pd.testing.assert_frame_equal(one.tidy(), other.tidy())
    assert one.n_dropped == other.n_dropped  # not even counted as rows that were lost


# --- what can stand beside -----------------------------------------------------------------------------------------


def traits(**columns):
    return pd.DataFrame({"therapist": ["a", "a", "b", "b"], "client": ["1", "2", "3", "4"], **columns})


def arms(*counts):
    return pd.DataFrame({"condition": np.repeat([f"arm{k}" for k in range(len(counts))], counts)})


@pytest.mark.parametrize(
    ("burnout", "offered"),
    [
        ([1.0, 1.0, 3.0, 3.0], ["burnout"]),
        ([1.0, None, 3.0, 3.0], ["burnout"]),  # missing in a session, constant where it is there
        ([1.0, 2.0, 3.0, 3.0], []),  # varies within a therapist
        ([2.0, 2.0, 2.0, 2.0], []),  # the same for all
        ([None, None, None, None], []),
    ],
)
def test_only_what_differs_between_and_never_within_therapists_is_a_trait(burnout, offered):
    assert list_predictors_beside(traits(burnout=burnout), None, ["burnout", "not_measured"]) == offered


@pytest.mark.parametrize(
    ("clients", "offered"),
    [(arms(5, 5), ["condition"]), (arms(20, 4), []), (arms(20), []), (arms(9, 9, 1), ["condition"]), (None, [])],
)
def test_an_arm_needs_five_clients(clients, offered):
    assert list_predictors_beside(traits(), clients, []) == offered


def test_without_therapist_ids_only_the_arm_is_left():
    frame = traits(burnout=[1.0, 1.0, 3.0, 3.0]).drop(columns="therapist")
    assert list_predictors_beside(frame, arms(6, 6), ["burnout"]) == ["condition"]


def test_of_two_residual_structures_the_one_with_the_lower_aic_is_chosen_and_named():
    rng = np.random.default_rng(3)
    client, session = (part.ravel() for part in np.indices((40, 12)))
    noise = rng.normal(size=(40, 12))
    for t in range(1, 12):
        noise[:, t] += 0.8 * noise[:, t - 1]
    frame = pd.DataFrame({"client": client, "therapist": client // 5, "session": session + 1})
    frame["alliance_client"] = rng.normal(size=len(frame)) + rng.normal(size=40)[client]
    frame["symptoms"] = noise.ravel() + rng.normal(size=40)[client] + 2 * rng.normal(size=8)[client // 5]
    data = add_within_between(add_time(frame), "alliance_client", levels=("client", "therapist"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        independent = fit_level_slopes(data, df="normal")
        serial = fit_level_slopes(data, df="normal", residual=AR1(time="session", by="client"))
    assert choose_by_aic(independent, serial) is serial
    assert choose_by_aic(independent) is independent
    assert "AR(1) residual has the lower AIC" in serial.describe()
    assert "independent residuals has the lower AIC" in independent.describe()
