"""Headlines on two raters: what may be said, what is withheld, and never a claim that a checklist does not carry."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.check.rules import COLUMNS
from alliance_analysis.report import text
from alliance_analysis.report.rater_statements import state_agreement, state_bias, state_congruence

CAUSAL = re.compile(r"\b(effects? of|leads? to|improves?|because|comes? first|causes?|due to)\b", re.IGNORECASE)
WITHIN, BETWEEN, ONCE = "correlation within clients", "correlation between clients", "precision"


@dataclass(frozen=True)
class Result:
    rows: Mapping[str, tuple[float, float, float]]
    withheld: Mapping[str, str] = field(default_factory=dict)
    judge: str = "alliance_therapist"
    truth: str = "alliance_client"

    def tidy(self, conf_level=0.95):
        table = pd.DataFrame.from_dict(self.rows, orient="index", columns=["estimate", "conf_low", "conf_high"])
        return table.reset_index(names="term")


def checks(**status):
    return pd.DataFrame([{**dict.fromkeys(COLUMNS, ""), "check": name, "status": s} for name, s in status.items()])


GREEN = checks(fine="green")
BOTH = {WITHIN: (0.47, 0.44, 0.5), BETWEEN: (0.7, 0.61, 0.77), ONCE: (0.65, 0.6, 0.7)}
FORCES = {"directional_bias": (-0.3, -0.4, -0.2), "truth_force_within": (0.45, 0.4, 0.5)}


def test_both_correlations_are_stated_each_with_its_level():
    found = state_agreement(Result(BOTH), GREEN)
    assert found.sentence == (
        "The ratings of client and therapist go together within clients by r = 0.47 [0.44, 0.50] and between clients by "
        "r = 0.70 [0.61, 0.77]."
    )
    assert found.status == "answered"


def test_a_correlation_that_is_withheld_is_not_stated_and_says_why():
    found = state_agreement(Result(BOTH, {BETWEEN: "the variance between clients is estimated at zero"}), GREEN)
    assert "between clients by" not in found.sentence
    assert (found.status, found.reason) == ("caution", "The variance between clients is estimated at zero.")


def test_one_time_point_gives_the_plain_correlation_and_declines_the_rest():
    reason = "no client has two sessions that both rated"
    found = state_agreement(Result(BOTH, {WITHIN: reason, BETWEEN: reason}), checks(alone="amber"))
    assert found.sentence == (
        "Between clients the two ratings go together by r = 0.65 [0.60, 0.70], one score of each."
    )
    assert found.reason == "No client has two sessions that both rated. Read with care: alone."


def test_nothing_is_stated_where_everything_is_withheld():
    found = state_agreement(Result(BOTH, dict.fromkeys(BOTH, "2 clients have both ratings")), GREEN)
    assert (found.status, found.reason) == ("withheld", "2 clients have both ratings.")
    assert not re.search(r"\d\.\d", found.sentence)


@pytest.mark.parametrize(
    ("bias", "start"),
    [
        ((-0.3, -0.4, -0.2), "The therapist's rating lies 0.30 [0.20, 0.40] points below the client's on average;"),
        ((0.3, 0.2, 0.4), "The therapist's rating lies 0.30 [0.20, 0.40] points above the client's on average;"),
        (
            (0.1, -0.1, 0.3),
            "These data cannot tell whether the therapist's rating lies above or below the client's (difference 0.10 "
            "[−0.10, 0.30]);",
        ),
    ],
)
def test_the_bias_is_a_size_and_a_side(bias, start):
    found = state_bias(Result(FORCES | {"directional_bias": bias}), GREEN)
    assert found.sentence.startswith(start)
    assert found.sentence.endswith(
        "for each point the client's rating moves within a client, the therapist's moves by 0.45 [0.40, 0.50] points."
    )


def test_no_mean_difference_is_claimed_on_different_scales():
    found = state_bias(Result(FORCES, {"directional_bias": "the two run on different scales"}), GREEN)
    assert "below" not in found.sentence
    assert found.sentence.startswith("For each point the client's rating moves")
    assert (found.status, found.reason) == ("caution", "The two run on different scales.")


def test_a_model_that_was_refused_states_nothing():
    found = state_bias(Result(FORCES, dict.fromkeys(FORCES, "alliance_therapist never varies")), GREEN)
    assert found.status == "withheld"
    assert found.sentence == "How the therapist's rating lies to the client's cannot be told from these data."


def checklist(first):
    return pd.DataFrame({"holds": [first, *["not contradicted"] * 5]})


CURVED = Result({"a4": (14.0, 9.0, 19.0)})
ABOUT = "symptoms at the next session, within clients"


@pytest.mark.parametrize(
    ("verdict", "holds", "start"),
    [
        (("strict", "w"), "yes", "Agreement of the two ratings goes with a better outcome"),
        (("broad", "w"), "yes", "Agreement of the two ratings goes with a better outcome"),
        (("not supported", "w"), "yes", "The outcome is worse the further the two ratings are apart"),
        (("not supported", "w"), "no", "These data do not show that the outcome is worse the further"),
        (("cannot be told", "w"), "yes", "Whether agreement in itself goes with a better outcome cannot be told"),
    ],
)
def test_congruence_is_stated_as_the_checklist_allows(verdict, holds, start):
    found = state_congruence(CURVED, checklist(holds), verdict, ABOUT, GREEN)
    assert found.sentence.startswith(start)
    assert f"({ABOUT}; curvature along disagreement a4 = 14.00 [9.00, 19.00])" in found.sentence


def test_a_surface_that_was_refused_states_nothing():
    refused = Result({"a4": (np.nan, np.nan, np.nan)}, {"a4": "8 clients have everything the surface needs"})
    found = state_congruence(refused, pd.DataFrame({"holds": []}), ("cannot be told", "w"), ABOUT, GREEN)
    assert (found.status, found.reason) == ("withheld", "8 clients have everything the surface needs.")


def test_texts_of_figures_carry_the_numbers():
    limits = pd.DataFrame(
        {"term": ["mean difference", "lower limit"], "estimate": [-0.3, np.nan], "conf_low": -0.4, "conf_high": -0.2}
    )
    assert text.describe_limits(limits).endswith("counts of clients per cell: mean difference −0.30 [−0.40, −0.20].")
    assert text.describe_limits(limits.iloc[:0]).endswith("no limits of agreement are given.")
    assert "directional bias −0.30 [−0.40, −0.20]" in text.describe_forces(Result(FORCES).tidy())
    shares = pd.DataFrame({"term": ["client ratings: therapist", "dyadic reciprocity"], "estimate": [0.12, 0.7]})
    assert text.describe_partition(shares) == "Shares of variance: client ratings: therapist 12 %."
    assert "curvature along disagreement 14.00 [9.00, 19.00]" in text.describe_surface(CURVED.tidy())
    curve = pd.DataFrame({"sessions": [1, 12], "estimate": [0.7, 0.95], "conf_low": 0.6, "conf_high": 0.97})
    assert "0.70 [0.60, 0.97] for 1 and 0.95 [0.60, 0.97] for 12" in text.describe_dependability(curve)
    assert text.describe_dependability(curve.iloc[:0]) == "Dependability of a client's mean: it could not be told."


def test_no_text_on_raters_speaks_of_causes():
    said = [getattr(text, name) for name in dir(text) if name.startswith("METRIC_")]
    said += [state_bias(Result(FORCES), GREEN).sentence, state_agreement(Result(BOTH), GREEN).sentence]
    assert [sentence for sentence in said if CAUSAL.search(sentence)] == []
