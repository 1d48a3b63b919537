"""Generated sentences: computed, plain, and free of causal words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
import pytest

from alliance_analysis.analyses.early import fit_early_alliance
from alliance_analysis.check.rules import COLUMNS
from alliance_analysis.estimands import early_alliance_estimand
from alliance_analysis.published import judge_replication, load_published
from alliance_analysis.report import statements, text
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
    statement = statements.state_early_alliance(Early(row), verdicts(), checks(a="green"))
    assert statement.sentence.startswith(start)
    assert statement.sentence.endswith(
        "Coded so that positive is good, that is 0.23 [0.08, 0.38] beside the meta-analytic mean of 0.28 [0.26, 0.30]: consistent with signal."
    )
    assert (statement.status, statement.reason) == ("answered", None)


def test_an_estimate_that_points_the_other_way_is_said_to_do_so():
    unclear = verdicts("consistent without signal (cannot tell)", own=-0.12)
    statement = statements.state_early_alliance(Early(tidy(0.12, -0.27, 0.48)), unclear, checks(a="green"))
    assert statement.sentence.endswith(
        "consistent without signal (cannot tell); it points the other way, but too imprecisely to contradict."
    )


def test_what_is_not_comparable_gets_no_number_of_the_literature():
    statement = statements.state_early_alliance(
        Early(tidy(-0.2, -0.3, -0.1)), verdicts("not comparable"), checks(a="green")
    )
    assert statement.sentence.endswith("Beside the meta-analyses: not comparable (rater).")


def test_amber_checks_stand_beside_the_headline():
    statement = statements.state_early_alliance(
        Early(tidy(-0.2, -0.3, -0.1)), verdicts(), checks(fine="green", few="amber")
    )
    assert (statement.status, statement.reason) == ("caution", "Read with care: few.")


def test_a_withheld_correlation_withholds_the_headline():
    early = Early(
        tidy(float("nan"), float("nan"), float("nan")), withheld={"r": "4 clients have everything; 10 are needed"}
    )
    statement = statements.state_early_alliance(early, verdicts("not comparable"), checks(a="green"))
    assert (statement.status, statement.reason) == ("withheld", "4 clients have everything; 10 are needed.")


@dataclass(frozen=True)
class Pairing:
    word: str = "prospective"
    sentence: str = "the questionnaire looks back 14 days, behind some ratings"


@dataclass(frozen=True)
class Prospective:
    row: tuple[float, float, float] = (-0.10, -0.16, -0.04)
    timing: Pairing = Pairing()
    withheld: Mapping[str, str] = field(default_factory=dict)
    term: str = "alliance"

    def standardised_row(self, conf_level=0.95):
        return pd.Series(dict(zip(["estimate", "conf_low", "conf_high"], self.row, strict=True)))


def errors(rejected=0.05, off=0.0):
    """What `simulate_bias` finds of the primary model, beside a model of the literature that errs a lot."""
    rows = {"true_slope": [0.0, -0.2], "rejected_share": [rejected, 0.9], "bias": [0.0, off]}
    other = {"true_slope": [0.0, -0.2], "rejected_share": [0.6, 1.0], "bias": [0.1, 0.2]}
    table = pd.concat(
        [pd.DataFrame(rows | {"model": statements.PRIMARY_MODEL}), pd.DataFrame(other | {"model": "centred"})]
    )
    return table.assign(rejected_error_share=0.02, mc_error=0.004).reset_index(drop=True)


def studies(*words, reason="direction only"):
    return pd.DataFrame({"verdict": words, "reason": reason})


def prospective(panel, judged=None, listed=None, errs=None):
    judged = studies("consistent with signal") if judged is None else judged
    listed = checks(a="green") if listed is None else listed
    return statements.state_prospective(panel, "symptoms", judged, listed, errors() if errs is None else errs)


@pytest.mark.parametrize(
    ("row", "start"),
    [
        (
            (-0.10, -0.16, -0.04),
            "Within clients, a better alliance than usual is followed by lower symptoms at the next session "
            "(standardised slope −0.10 [−0.16, −0.04]). ",
        ),
        (
            (0.10, 0.04, 0.16),
            "Within clients, a better alliance than usual is followed by higher symptoms at the next session "
            "(standardised slope 0.10 [0.04, 0.16]). ",
        ),
        (
            (-0.02, -0.08, 0.04),
            "Within clients, these data cannot tell whether a better alliance than usual goes with lower or higher "
            "symptoms at the next session (standardised slope −0.02 [−0.08, 0.04]). ",
        ),
    ],
)
def test_the_session_by_session_slope_is_stated_as_its_interval_allows(row, start):
    statement = prospective(Prospective(row))
    assert statement.sentence == f"{start}Beside 1 published study (direction only): consistent with signal: 1."
    assert (statement.status, statement.reason) == ("answered", None)


def test_a_withheld_session_slope_withholds_the_headline():
    panel = Prospective(withheld={"alliance": "the AR(1) part is near its limit"})
    statement = prospective(panel)
    assert statement.sentence == (
        "Whether the alliance predicts the next session's symptoms within clients cannot be told."
    )
    assert (statement.status, statement.reason) == ("withheld", "The AR(1) part is near its limit.")


def test_published_studies_are_counted_by_what_they_say_and_the_incomparable_ones_left_out():
    several = studies("opposite", "not comparable", "consistent with signal", "opposite", "no number")
    assert prospective(Prospective(), several).sentence.endswith(
        "Beside 3 published studies (direction only): opposite: 2; consistent with signal: 1. Not compared: direction only."
    )
    none = studies("not comparable", "not comparable", reason="this study is simulated")
    assert prospective(Prospective(), none).sentence.endswith(
        "Beside the published studies: not comparable (this study is simulated)."
    )
    assert prospective(Prospective(), none.head(0)).sentence.endswith("not comparable (none is stored).")


def test_a_pairing_that_is_only_lagged_and_amber_checks_are_said():
    statement = prospective(Prospective(timing=Pairing("lagged")), listed=checks(few="amber"))
    assert statement.status == "caution"
    assert statement.reason == (
        "Not called prospective: the questionnaire looks back 14 days, behind some ratings. Read with care: few."
    )


def test_where_the_primary_model_itself_errs_the_reason_says_by_how_much():
    assert prospective(Prospective(), errs=errors(0.08, 0.025)).status == "answered"  # within Monte Carlo error
    assert prospective(Prospective(), errs=errors(0.05, -0.05)).reason == (
        "In simulated studies of this shape this model, too, has a bias of −0.05 at −0.20."
    )
    assert prospective(Prospective(), errs=errors(0.12, 0.05)).reason == (
        "In simulated studies of this shape this model, too, has a bias of 0.05 at −0.20 and 12 % false positives."
    )


def test_the_sample_is_stated_with_its_questions():
    study = load_study("example")
    statement = statements.state_sample(study, checks(a="green"))
    assert statement.sentence == (
        f"{len(study.sessions):,} sessions of 240 clients with 24 therapists; 5 of 5 questions can be answered."
    )


def test_no_generated_sentence_claims_a_cause():
    study = simulate_study(1)
    fit = fit_early_alliance(study.sessions, study.clients)
    judged = judge_replication(fit.tidy().iloc[0], early_alliance_estimand(), load_published(ids=["M01", "W02"]))
    sentences = [
        statements.state_early_alliance(fit, judged, checks(a="green")).sentence,
        prospective(Prospective()).sentence,
        prospective(Prospective(), errs=errors(0.12, 0.05)).reason,
        fit.method.replace("because there are too few", ""),  # the reason of a standard error, not of an outcome
        text.METRIC_WITHIN,
        text.METRIC_BIAS,
        text.METRIC_PANEL,
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


@dataclass(frozen=True)
class Shares:
    estimates: tuple[float, ...] = (0.15, 0.40, 0.45)
    withheld: Mapping[str, str] = field(default_factory=dict)
    measure: str = "symptoms"

    def tidy(self, conf_level=0.95):
        middle = pd.Series(self.estimates)
        terms = ["share_therapist", "share_client", "share_within"]
        return pd.DataFrame(
            {"term": terms, "estimate": middle, "conf_low": middle - 0.10, "conf_high": middle + conf_level / 10}
        )


ZERO = "the therapist variance is estimated at zero; these data cannot tell it from zero"


def test_shares_are_stated_level_by_level_in_percent():
    statement = statements.state_variance_shares(Shares(), checks(a="green"), 0.90)
    assert statement.sentence == (
        "Where symptoms vary beyond the average course: 15 % [5 %, 24 %] (90 % interval) between therapists, "
        "40 % [30 %, 49 %] (90 % interval) between clients of a therapist and 45 % [35 %, 54 %] (90 % interval) within "
        "clients."
    )
    assert (statement.status, statement.reason) == ("answered", None)


def test_a_withheld_share_is_left_out_and_named_with_its_reason():
    statement = statements.state_variance_shares(Shares(withheld={"share_therapist": ZERO}), checks(few="amber"))
    assert statement.sentence == (
        "Where symptoms vary beyond the average course: 40 % [30 %, 50 %] between clients of a therapist and "
        "45 % [35 %, 55 %] within clients."
    )
    assert statement.status == "caution"
    assert statement.reason == f"Withheld: the share between therapists ({ZERO}). Read with care: few."


def test_no_share_at_all_is_withheld_with_its_reason_and_names_keep_their_capitals():
    reason = "therapist: it has 1 level in the 90 rows of PHQ-9 used; one is too few. Drop '(… | therapist)'"
    withheld = dict.fromkeys(("share_therapist", "share_client", "share_within"), reason)
    statement = statements.state_variance_shares(Shares(withheld=withheld), checks(a="green"))
    assert (statement.sentence, statement.status) == ("How symptoms vary by level cannot be told.", "withheld")
    assert statement.reason == f"T{reason[1:]}."


@dataclass(frozen=True)
class Slopes:
    withheld: Mapping[str, str] = field(default_factory=dict)

    @property
    def levels(self):
        return {"w": "within", "c": "between_client", "t": "between_therapist"}

    def tidy(self, conf_level=0.95):
        rows = {"estimate": [-2.0, 1.5, -0.5], "conf_low": [-2.4, 0.2, -3.0], "conf_high": [-1.6, 2.8, 2.0]}
        return pd.DataFrame({"term": ["w", "c", "t"], **rows})


def test_slopes_are_stated_level_by_level_as_their_intervals_allow():
    statement = statements.state_level_slopes(Slopes(), "symptoms", checks(a="green"))
    assert statement.sentence == (
        "A better alliance goes, within clients, with lower symptoms (−2.00 [−2.40, −1.60]); between clients of a "
        "therapist, with higher symptoms (1.50 [0.20, 2.80]); between therapists, with neither clearly lower nor clearly "
        "higher symptoms (−0.50 [−3.00, 2.00])."
    )
    assert (statement.status, statement.reason) == ("answered", None)


def test_a_withheld_slope_has_no_number_in_the_sentence():
    statement = statements.state_level_slopes(Slopes({"t": ZERO}), "symptoms", checks(a="green"))
    assert "between therapists" not in statement.sentence
    assert (statement.status, statement.reason) == ("caution", f"Withheld: between therapists ({ZERO}).")
    both = statements.state_level_slopes(Slopes({"t": ZERO}), "symptoms", checks(few="amber"))
    assert both.reason == f"Withheld: between therapists ({ZERO}). Read with care: few."


def test_slopes_that_cannot_be_told_at_all_say_each_reason_once():
    withheld = {"w": "the fit did not converge (REML)", "c": "the fit did not converge (REML)", "t": ZERO}
    statement = statements.state_level_slopes(Slopes(withheld), "symptoms", checks(a="green"))
    assert statement.sentence == (
        "With what symptoms a better alliance goes, level by level, cannot be told from these data."
    )
    assert (statement.status, statement.reason) == ("withheld", f"The fit did not converge (REML); {ZERO}.")


def test_the_spread_of_therapists_is_described_without_any_single_one():
    values = pd.DataFrame({"estimate": [k / 10 for k in range(-15, 16)]})
    assert text.describe_effects(values, "symptoms") == (
        "How 31 therapists' predicted deviations in symptoms are spread: the middle 80 percent lie between −1.20 and 1.20."
    )
    assert text.describe_effects(values.head(19), "symptoms") == (
        "Not drawn: 19 therapists with a predicted deviation are too few to show."
    )
    assert text.describe_effects(values.head(0), "symptoms").startswith("Not drawn: 0 therapists")


def test_sentences_about_levels_claim_no_cause():
    sentences = [
        statements.state_variance_shares(Shares(), checks(a="green")).sentence,
        statements.state_level_slopes(Slopes(), "symptoms", checks(a="green")).sentence,
        text.describe_effects(pd.DataFrame({"estimate": range(30)}), "symptoms"),
    ]
    assert [s for s in sentences if CAUSAL.search(s)] == []
