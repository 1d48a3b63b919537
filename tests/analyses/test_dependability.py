"""Dependability: Spearman-Brown, variance of balanced data, R's generalisability theory, refusals."""

import numpy as np
import pandas as pd
import pytest
from rated_study import CLIENT, golden, rated, renamed, shuffled

from alliance_analysis.analyses.dependability import (
    fit_change_reliability,
    fit_dependability,
    measurements_needed,
    spearman_brown,
)
from alliance_analysis.errors import DataError, ModelError


def balanced(sds=(0.5, 0.7, 0.6), n_therapists=20, n_clients=6, n_sessions=5, seed=4):
    rng = np.random.default_rng(seed)
    t, c, s = (a.ravel() for a in np.indices((n_therapists, n_clients, n_sessions)))
    client = t * n_clients + c
    y = sds[0] * rng.normal(size=n_therapists)[t] + sds[1] * rng.normal(size=client.max() + 1)[client]
    frame = pd.DataFrame({"therapist": t, "client": client, "session": s + 1})
    return frame.assign(**{CLIENT: 3.5 + y + sds[2] * rng.normal(size=t.size)})


def anova(frame, n_clients=6, n_sessions=5):
    y = frame[CLIENT]
    client = y.groupby([frame["therapist"], frame["client"]]).mean()
    within = ((y - y.groupby(frame["client"]).transform("mean")) ** 2).sum() / (len(y) - len(client))
    among = n_sessions * client.groupby(level="therapist").var().mean()
    between = n_clients * n_sessions * client.groupby(level="therapist").mean().var()
    return (between - among) / n_clients / n_sessions, (among - within) / n_sessions, within


def scores(case="gtheory"):
    stored, frame = golden(case)
    return stored, frame.rename(columns={"y": "score"})


def test_dependability_is_all_that_differs_between_clients_over_that_plus_error():
    frame = balanced()
    therapist, client, within = anova(frame)
    curve = fit_dependability(frame).curve((1, 4)).set_index("sessions")
    for k in (1, 4):
        expected = (therapist + client) / (therapist + client + within / k)
        assert curve.loc[k, "estimate"] == pytest.approx(expected, rel=1e-4)
        assert 0 < curve.loc[k, "conf_low"] < expected < curve.loc[k, "conf_high"] < 1


def test_sessions_follow_spearman_and_brown_and_clients_of_a_therapist_too():
    frame = balanced()
    therapist, client, within = anova(frame)
    table = fit_dependability(frame).needed((0.8,), sessions_each=4).loc[0]
    one = (therapist + client) / (therapist + client + within)
    assert table["sessions_per_client"] == measurements_needed(one, 0.8)
    own = therapist / (therapist + client + within / 4)
    assert table["clients_per_therapist"] == measurements_needed(own, 0.8)
    k = int(table["clients_per_therapist"])
    assert spearman_brown(own, k) >= 0.8 > spearman_brown(own, k - 1)


@pytest.mark.parametrize("reliability", [0.05, 0.3, 0.5, 0.77, 0.95])
@pytest.mark.parametrize("target", [0.7, 0.8, 0.9])
def test_the_number_needed_is_the_smallest_that_reaches_the_target(reliability, target):
    k = measurements_needed(reliability, target)
    assert spearman_brown(reliability, k) >= target - 1e-9
    assert k == 1 or spearman_brown(reliability, k - 1) < target


@pytest.mark.parametrize(
    ("reliability", "target", "which"),
    [(0.0, 0.8, "reliability is 0.0"), (0.5, 1.0, "target is 1.0"), (1.0, 0.8, "reliability is 1.0")],
)
def test_reliabilities_outside_zero_and_one_are_refused(reliability, target, which):
    with pytest.raises(DataError) as error:
        measurements_needed(reliability, target)
    assert str(error.value) == f"measurements_needed: {which}; a number between 0 and 1 is needed. Correct it."


@pytest.mark.parametrize("change", [shuffled, renamed, lambda f: f.assign(**{CLIENT: 10 * f[CLIENT] + 3})])
def test_order_ids_and_scale_change_nothing(change):
    frame = rated(60, 5, 12, seed=2)
    before, after = (fit_dependability(f).curve() for f in (frame, change(frame)))
    np.testing.assert_allclose(after, before, rtol=1e-4)


def test_crossed_reliabilities_are_lme4s_for_a_few_items():
    """The full case is compared in tests/validation; here the nested model, which is fast."""
    stored, frame = scores()
    own = fit_change_reliability(frame, nested=True).set_index("quantity")["estimate"]
    assert own["RkR"] == pytest.approx(stored["nested"]["RkRn"], rel=1e-3)
    assert own["Rc"] == pytest.approx(stored["nested"]["Rcn"], rel=1e-3)


@pytest.mark.slow
def test_crossed_reliabilities_are_lme4s():
    stored, frame = scores()
    own = fit_change_reliability(frame).set_index("quantity")["estimate"]
    for name in ("R1F", "RkF", "R1R", "RkR", "Rc"):
        assert own[name] == pytest.approx(stored[name], rel=1e-3)


def test_one_therapist_leaves_the_sessions_and_says_so():
    row = fit_dependability(rated(40, 6, 1)).needed((0.8,)).loc[0]
    assert row["sessions_per_client"] > 0
    assert np.isnan(row["clients_per_therapist"])
    assert row["note"] == "too few therapists, or no ids, for a therapist's score"


def test_a_therapist_variance_at_zero_has_no_number_of_clients():
    frame = balanced()
    frame[CLIENT] -= frame.groupby("therapist")[CLIENT].transform("mean")
    row = fit_dependability(frame).needed((0.8,)).loc[0]
    assert np.isnan(row["clients_per_therapist"])
    assert row["note"] == "the variance between therapists is estimated at zero, so no number of them can be told"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: f[f["session"] == 1], "0 clients have two or more ratings; at least 10 are needed"),
        (lambda f: f.assign(**{CLIENT: np.nan}), "0 clients have two or more ratings; at least 10 are needed"),
        (
            lambda f: f[(f["session"] == 1) | (f["client"] == "c03")],
            "1 clients have two or more ratings; at least 10 are needed",
        ),
        (lambda f: f[f["client"].isin(["c00", "c01"])], "2 clients have two or more ratings; at least 10 are needed"),
        (
            lambda f: f.assign(**{CLIENT: 4.0}),
            "alliance_client: the outcome is constant (4) in the 240 rows used. Choose an outcome that varies",
        ),
        (
            lambda f: f.assign(**{CLIENT: f.groupby("client")[CLIENT].transform("mean")}),
            "alliance_client: the outcome does not vary within client, so the residual variance would be zero. Keep one row "
            "per client and leave the random term out",
        ),
    ],
)
def test_data_that_tell_no_variances_apart_give_no_number_and_the_reason(change, reason):
    found = fit_dependability(change(rated()))
    assert found.withheld == reason
    assert found.curve().empty
    needed = found.needed()
    assert needed[["sessions_per_client", "clients_per_therapist"]].isna().all(axis=None)
    assert set(needed["note"]) == {reason}


def test_clients_who_do_not_differ_have_no_number():
    frame = rated(40, 6).drop(columns="therapist")
    frame[CLIENT] -= frame.groupby("client")[CLIENT].transform("mean")
    found = fit_dependability(frame)
    assert found.withheld == "the variance between clients is estimated at zero, so no number of them can be told"
    assert found.curve().empty


def test_items_without_change_are_refused():
    rng = np.random.default_rng(1)
    p, s, i = (a.ravel() for a in np.indices((20, 4, 5)))
    table = pd.DataFrame(
        {"client": p, "session": s, "item": i, "score": rng.normal(size=20)[p] + 0.3 * rng.normal(size=p.size)}
    )
    mean = table.groupby(["client", "session"])["score"].transform("mean")
    table["score"] -= mean - table.groupby("client")["score"].transform("mean")
    with pytest.raises(ModelError) as error:
        fit_change_reliability(table, nested=True)
    assert str(error.value) == (
        "fit_change_reliability: a variance is estimated at zero (client:session); variances above zero are needed. Try "
        "nested=True, or more clients, sessions or items."
    )
