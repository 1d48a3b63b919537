"""Generated sentences: computed, plain, and free of causal words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
import pytest

from alliance_analysis.analyses.early import fit_early_alliance
from alliance_analysis.check import COLUMNS
from alliance_analysis.published import early_alliance_estimand, judge_replication, load_published
from alliance_analysis.report import text
from alliance_analysis.study.simulate import simulate_study
from alliance_analysis.study.studyfile import load_study

CAUSAL = re.compile(r"\b(effects? of|leads? to|improves?|because|comes? first|causes?|due to)\b", re.IGNORECASE)


def checks(**status):
    return pd.DataFrame([{**dict.fromkeys(COLUMNS, ""), "check": name, "status": s} for name, s in status.items()])


def tidy(r, low, high):
    return pd.DataFrame({"term": ["r"], "estimate": [r], "conf_low": [low], "conf_high": [high]})


def verdicts(word="consistent with signal", own=0.23):
    row = {"published": 0.278, "published_low": 0.256, "published_high": 0.299, "verdict": word, "reason": "rater"}
    return pd.DataFrame([row | {"own": own, "own_low": own - 0.15, "own_high": own + 0.15}])


@dataclass(frozen=True)
class Early:
    table: pd.DataFrame
    end_state: str = "symptoms at the end"
    withheld: Mapping[str, str] = field(default_factory=dict)

    def tidy(self, conf_level=0.95):
        return self.table


def bias():
    return pd.DataFrame(
        {
            "model": ["a", "b", "a", "b"],
            "true_slope": [0.0, 0.0, -0.2, -0.2],
            "rejected_share": [0.6, 0.275, 1.0, 1.0],
            "rejected_error_share": [0.07, 0.06, 0.03, 0.03],
            "bias": [0.05, 0.03, 0.057, -0.02],
            "n_simulations": 40,
        }
    )


@pytest.mark.parametrize(
    ("row", "start"),
    [
        (
            tidy(-0.23, -0.38, -0.07),
            "A higher early alliance goes with lower symptoms at the end (r = −0.23 [−0.38, −0.07]",
        ),
        (tidy(0.23, 0.07, 0.38), "A higher early alliance goes with higher symptoms at the end (r = 0.23 [0.07, 0.38]"),
        (
            tidy(-0.05, -0.2, 0.1),
            "These data cannot tell whether a higher early alliance goes with lower or higher symptoms",
        ),
    ],
)
def test_the_early_alliance_is_stated_as_the_interval_allows(row, start):
    statement = text.state_early_alliance(Early(row), verdicts(), checks(a="green"))
    assert statement.sentence.startswith(start)
    assert statement.sentence.endswith(
        "Coded so that positive is good, that is 0.23 [0.08, 0.38] beside the meta-analytic mean of 0.28 [0.26, 0.30]: consistent with signal."
    )
    assert (statement.status, statement.reason) == ("answered", None)


def test_an_estimate_that_points_the_other_way_is_said_to_do_so():
    unclear = verdicts("consistent without signal (cannot tell)", own=-0.12)
    statement = text.state_early_alliance(Early(tidy(0.12, -0.27, 0.48)), unclear, checks(a="green"))
    assert statement.sentence.endswith(
        "consistent without signal (cannot tell); it points the other way, but too imprecisely to contradict."
    )


def test_what_is_not_comparable_gets_no_number_of_the_literature():
    statement = text.state_early_alliance(Early(tidy(-0.2, -0.3, -0.1)), verdicts("not comparable"), checks(a="green"))
    assert statement.sentence.endswith("Beside the meta-analyses: not comparable (rater).")


def test_amber_checks_stand_beside_the_headline():
    statement = text.state_early_alliance(Early(tidy(-0.2, -0.3, -0.1)), verdicts(), checks(fine="green", few="amber"))
    assert (statement.status, statement.reason) == ("caution", "Read with care: few.")


def test_a_withheld_correlation_withholds_the_headline():
    early = Early(
        tidy(float("nan"), float("nan"), float("nan")), withheld={"r": "4 clients have everything; 10 are needed"}
    )
    statement = text.state_early_alliance(early, verdicts("not comparable"), checks(a="green"))
    assert (statement.status, statement.reason) == ("withheld", "4 clients have everything; 10 are needed.")


def test_the_session_estimate_is_withheld_with_computed_reasons():
    statement = text.withhold_session_estimate(bias())
    assert statement.status == "withheld"
    assert statement.reason == (
        "The primary model for this question (a random-intercept panel VAR) is not part of this version, and the mixed "
        "models of the literature would mislead here: in 40 simulated studies of this shape in which nothing is to be "
        "found they claimed an association in 28 % to 60 % (5 % would be right; Monte Carlo error 7 %), and they missed "
        "a true slope of −0.20 by up to 0.06 (within-client standard deviations)."
    )


def test_models_that_behave_well_are_not_called_misleading():
    assert "cannot stand in for it" in text.withhold_session_estimate(bias().assign(rejected_share=0.05)).reason
    assert text.withhold_session_estimate(bias().head(0)).reason.endswith(
        "no model of the literature could be fitted to simulated studies of this shape."
    )


def test_the_sample_is_stated_with_its_questions():
    study = load_study("example")
    statement = text.state_sample(study, checks(a="green"))
    assert statement.sentence == (
        f"{len(study.sessions):,} sessions of 240 clients with 24 therapists; 2 of 2 questions can be answered."
    )


def test_no_generated_sentence_claims_a_cause():
    study = simulate_study(1)
    fit = fit_early_alliance(study.sessions, study.clients)
    judged = judge_replication(fit.tidy().iloc[0], early_alliance_estimand(), load_published(ids=["M01", "W02"]))
    sentences = [
        text.state_early_alliance(fit, judged, checks(a="green")).sentence,
        text.withhold_session_estimate(bias()).reason,
        fit.method.replace("because there are too few", ""),  # the reason of a standard error, not of an outcome
        text.METRIC_WITHIN,
        text.METRIC_BIAS,
        *judged["reason"],
        *judged["verdict"],
    ]
    assert [s for s in sentences if CAUSAL.search(s)] == []


def test_figures_are_described_with_their_numbers():
    sessions = pd.DataFrame({"client": list("aabb"), "session": [1, 2, 1, 2], "x": [1.0, 2.0, 3.0, 4.0]})
    assert text.describe_attendance(sessions) == "Clients with data by session number: 2 at session 1, 2 at session 2."
    assert text.describe_course(sessions, "x", "X").endswith(
        "median 2.50 in sessions 1 to 3, 3.00 in the last third of sessions."
    )
    shares = pd.DataFrame({"measure": ["x"], "level": ["within clients"], "share": [0.333]})
    assert text.describe_shares(shares) == "Shares of variance: x, within clients: 33 %."
    missing = pd.DataFrame({"session": [1], "n_clients": [9], "x": [0.25]})
    assert text.describe_missing_figure(missing) == "Missing values by session number and measure: x up to 25 %."
    row = tidy(-0.2, -0.3, -0.1)
    assert text.describe_estimates(row, "term", ("estimate", "conf_low", "conf_high")) == (
        "Estimates with intervals: r −0.20 [−0.30, −0.10]."
    )
    assert text.describe_binned(row, {"a": "Alliance", "b": "End"}).startswith("End against Alliance, means of groups")
