"""Checks of questions about two raters: each limit met and missed."""

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.check.raters import check_agreement, check_congruence
from alliance_analysis.check.rules import COLUMNS


@pytest.fixture
def sessions():
    rng = np.random.default_rng(3)
    client, session = (a.ravel() for a in np.indices((40, 5)))
    ratings = {name: rng.normal(4, 0.5, client.size) for name in ("alliance_client", "alliance_therapist")}
    return pd.DataFrame({"client": client, "therapist": client // 4, "session": session + 1, **ratings})


def status(table):
    return dict(zip(table["check"], table["status"], strict=True))


def test_a_good_study_is_green_throughout(sessions):
    difference = pd.DataFrame({"sessions": [1, 3, 5], "difference": [0.5, 0.6, 0.75]})
    table = check_agreement(sessions, difference=difference)
    assert list(table) == COLUMNS
    assert set(table["status"]) == {"green"}
    assert table["value"].tolist()[-1] == 0.75  # at the five sessions the median client has


def test_each_limit_turns_amber_and_says_what_to_do(sessions):
    few = sessions[(sessions["session"] == 1) & (sessions["client"] < 20)].copy()
    few.loc[few["client"] < 8, "alliance_therapist"] = np.nan
    difference = pd.DataFrame({"sessions": [1, 3], "difference": [0.5, 0.8]})
    table = check_agreement(few, comparable=False, difference=difference)
    assert set(table["status"]) == {"amber"}
    assert (table["what_to_do"] != "").all()
    assert "it is not known that both raters answer the same items on the same scale" in status(table)


def test_without_therapists_or_ratings_nothing_is_green_that_should_not_be(sessions):
    table = check_agreement(sessions.drop(columns="therapist").assign(alliance_client=np.nan))
    assert status(table)["number of therapists"] == "amber"
    assert status(table)["number of clients"] == "amber"


GLANCE = pd.DataFrame([{"converged": True, "singular": False, "n_client": 100, "n_therapist": 12}])


@pytest.mark.parametrize(
    ("change", "rates", "check"),
    [
        ({"singular": True}, (0.3, 0.3), "a variance is estimated at zero"),
        ({"n_client": 40}, (0.3, 0.3), "clients per coefficient of the surface"),
        ({}, (0.05, 0.3), "smaller share on either side of agreement (half an SD or more apart)"),
        ({"n_therapist": 5}, (0.3, 0.3), "number of therapists"),
    ],
)
def test_a_surface_is_checked_for_what_carries_it(change, rates, check):
    rates = {"first higher": rates[0], "in agreement": 1 - sum(rates), "second higher": rates[1]}
    amber = [name for name, s in status(check_congruence(GLANCE.assign(**change), rates)).items() if s != "green"]
    assert amber == [check]


def test_a_refused_surface_has_one_red_row():
    assert check_congruence(GLANCE.assign(converged=False), {})["status"].tolist() == ["red"]
