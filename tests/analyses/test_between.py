"""Observed means as predictor between clients: how much slope is lost, and that the correction gives it back."""

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.analyses.between import CORRECTED, OBSERVED, RELIABILITY, WITHIN, between_slope_corrected
from alliance_analysis.errors import ModelError


def draw(n_clients, n_sessions, seed, within=-0.8):
    """Draw usual levels (SD .4) with sessions around them (SD .6): METHODS C, true slope between clients -3."""
    rng = np.random.default_rng(seed)
    usual, client = 0.4 * rng.normal(size=n_clients), np.repeat(np.arange(n_clients), n_sessions)
    deviation = 0.6 * rng.normal(size=len(client))
    symptoms = -3 * usual[client] + within * deviation + 0.5 * rng.normal(size=n_clients)[client]
    symptoms += 0.5 * rng.normal(size=len(client))
    session = np.tile(np.arange(n_sessions), n_clients) + 1
    return pd.DataFrame(
        {"client": client, "session": session, "alliance_client": 4 + usual[client] + deviation, "symptoms": symptoms}
    )


@pytest.mark.parametrize(("n_sessions", "observed"), [(3, -2.07), (6, -2.41), (12, -2.65)])
def test_the_known_loss_is_found_and_given_back(n_sessions, observed):
    found = between_slope_corrected(draw(60_000, n_sessions, 1)).tidy().set_index("term")["estimate"]
    assert found[OBSERVED] == pytest.approx(observed, abs=0.04)
    assert found[CORRECTED] == pytest.approx(-3.0, abs=0.06)
    assert found[WITHIN] == pytest.approx(-0.8, abs=0.02)
    assert found[RELIABILITY] == pytest.approx(0.16 / (0.16 + 0.36 / n_sessions), abs=0.01)


def test_the_corrected_slope_is_the_formula_of_ludtke():
    found = between_slope_corrected(draw(60, 4, 2)).tidy().set_index("term")["estimate"]
    share = found[RELIABILITY]
    assert found[CORRECTED] == pytest.approx((found[OBSERVED] - (1 - share) * found[WITHIN]) / share)
    means = draw(60, 4, 2).groupby("client")[["alliance_client", "symptoms"]].mean()
    assert found[OBSERVED] == pytest.approx(np.polyfit(means["alliance_client"], means["symptoms"], 1)[0])


def test_intervals_cover_the_truth_at_the_nominal_rate():
    tables = [
        between_slope_corrected(draw(100, 6, seed)).tidy().set_index("term").loc[CORRECTED] for seed in range(200)
    ]
    covered = np.mean([row["conf_low"] <= -3 <= row["conf_high"] for row in tables])
    assert covered == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / 100))


def test_an_outcome_with_one_value_per_client_has_no_slope_within():
    frame = draw(60, 4, 3)
    frame["symptoms"] = frame.groupby("client")["symptoms"].transform("mean")
    found = between_slope_corrected(frame).tidy().set_index("term")["estimate"]
    assert found[WITHIN] == 0
    assert found[CORRECTED] == pytest.approx(found[OBSERVED] / found[RELIABILITY])


def test_constants_and_units_move_only_what_they_must():
    frame = draw(60, 4, 4)
    here = between_slope_corrected(frame).tidy().set_index("term")
    other = frame.assign(symptoms=10 * frame["symptoms"] + 1e6, alliance_client=frame["alliance_client"] - 1e6)
    there = between_slope_corrected(other).tidy().set_index("term")
    for term in (OBSERVED, CORRECTED, WITHIN):
        assert there.loc[term, "estimate"] == pytest.approx(10 * here.loc[term, "estimate"], rel=1e-6)
        assert there.loc[term, "std_error"] == pytest.approx(10 * here.loc[term, "std_error"], rel=1e-6)
    assert there.loc[RELIABILITY, "estimate"] == pytest.approx(here.loc[RELIABILITY, "estimate"], rel=1e-6)


def test_whole_therapists_are_left_out_where_there_are_many():
    frame = draw(80, 4, 5)
    many = between_slope_corrected(frame.assign(therapist=frame["client"] % 20))
    assert (many.group, many.n_groups) == ("therapist", 20)
    assert many.tidy()["df"].eq(19).all()
    few = between_slope_corrected(frame.assign(therapist=frame["client"] % 5))
    assert few.glance().iloc[0].to_dict() == {
        "n_obs": 320,
        "n_client": 80,
        "se_method": "jackknife over 80 clients",
        "converged": True,
    }


def test_means_that_say_little_about_clients_withhold_the_correction():
    frame = draw(60, 3, 6)
    frame["alliance_client"] = np.random.default_rng(7).normal(size=len(frame))
    found = between_slope_corrected(frame)
    assert found.withheld.keys() == {CORRECTED}
    assert "too little of what differs between means differs between clients" in found.withheld[CORRECTED]


def test_too_little_is_refused():
    with pytest.raises(ModelError) as caught:
        between_slope_corrected(draw(30, 1, 1))
    assert str(caught.value) == (
        "between_slope_corrected: 30 clients with both ratings, at most 1 sessions each; 10 clients and sessions that "
        "repeat are needed. Leave the correction out."
    )
    with pytest.raises(ModelError, match="between_slope_corrected: 5 clients"):
        between_slope_corrected(draw(5, 4, 1))
