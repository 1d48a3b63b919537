"""What a notebook shows is escaped, what it records is complete, and what is withheld has no number anywhere."""

import re
from dataclasses import dataclass, field
from types import SimpleNamespace as Fake

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from alliance_analysis.errors import ReportError
from alliance_analysis.report.page import Report, open_report
from alliance_analysis.report.records import basis_note

HOSTILE = "<script>alert(1)</script>"


@dataclass(frozen=True)
class FakeStudy:
    measures: dict = field(default_factory=dict)
    simulated: bool = True


class Shown:
    """Stands in for the notebook: keeps what was shown."""

    def __init__(self):
        self.html, self.data = [], []

    def __call__(self, html, data):
        self.html.append(html)
        self.data.append(data)


@pytest.fixture
def shown():
    return Shown()


@pytest.fixture
def report(shown):
    return Report("02", FakeStudy(), 0.95, shown)


def headline(**changed):
    return Fake(**{"sentence": "It fell.", "status": "answered", "reason": None} | changed)


def fit(converged=True, **more):
    tidy = pd.DataFrame(
        {
            "term": ["(Intercept)", "time", "x_between_therapist"],
            "estimate": [10.0, -0.25, 7.77],
            "std_error": [1.0, 0.1, 2.0],
            "statistic": [10.0, -2.5, 3.9],
            "df": [20.0, np.inf, 3.0],
            "p_value": [0.0, 0.0123, 0.4],
            "conf_low": [8.0, -0.45, 3.0],
            "conf_high": [12.0, -0.05, 12.0],
        }
    )
    glance = pd.DataFrame({"n_obs": [100], "n_therapist": [5], "n_therapist:client": [20], "converged": [converged]})
    return Fake(tidy=lambda conf_level: tidy, glance=lambda: glance, **more)


def test_text_and_headline_are_escaped(report, shown):
    report.text(HOSTILE)
    report.headline(headline(sentence=HOSTILE, status="caution", reason=HOSTILE), part=HOSTILE)
    assert not [html for html in shown.html if "<script" in html]
    assert shown.data[1] == {
        "headline": [{"part": HOSTILE, "sentence": HOSTILE, "status": "caution", "reason": HOSTILE, "changes": None}]
    }


@pytest.mark.parametrize(("status", "kept"), [("answered", "Else 0.1."), ("withheld", None)])
def test_what_would_change_an_answer_is_recorded_unless_the_answer_is_withheld(report, shown, status, kept):
    report.headline(headline(status=status, reason="few"), changes="Else 0.1.")
    assert shown.data[0]["headline"][0]["changes"] == kept


def test_the_key_figure_has_no_number(report, shown):
    for key in (False, True, False):
        report.figure(Figure(), alt="0.1", caption="c", key=key)
    labels = [re.search(r"<figcaption><b>(.*?)[.]</b>", html)[1] for html in shown.html]
    assert labels == ["Figure 1", "Key figure", "Figure 2"]
    assert ['<figure class="picture broad key">' in html for html in shown.html] == [False, True, False]


def test_the_verdicts_of_two_parts_have_captions_of_their_own(report, shown):
    frame = pd.DataFrame({"finding_id": ["M01"], "citation": ["A"], "verdict": ["no number"], "reason": ["none"]})
    report.verdicts(frame, part="Session by session")
    assert "</b> Session by session: own estimate beside" in shown.html[0]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"status": "proved"}, "headline: status is 'proved'; allowed are answered, caution, withheld. Correct it."),
        ({"sentence": " "}, "headline: the sentence is empty; one plain sentence is required. Write it."),
        (
            {"status": "withheld"},
            "headline: status is 'withheld' and there is no reason; a reason is required. Give it.",
        ),
        (
            {"status": "caution", "reason": ""},
            "headline: status is 'caution' and there is no reason; a reason is required. Give it.",
        ),
    ],
)
def test_incomplete_headline_is_refused(report, changed, message):
    with pytest.raises(ReportError) as error:
        report.headline(headline(**changed))
    assert str(error.value) == message


def test_tables_and_figures_are_numbered_each_on_their_own(report, shown):
    plt.switch_backend("agg")
    for _ in range(2):
        report.table(pd.DataFrame({"a": [1]}), caption="c")
        report.figure(plt.figure(), alt="a", caption="c")
    labels = ["Table 1.", "Figure 1.", "Table 2.", "Figure 2."]
    assert all(label in html for label, html in zip(labels, shown.html, strict=True))


def test_table_without_caption_or_columns_is_refused(report):
    with pytest.raises(ReportError) as error:
        report.table(pd.DataFrame({"a": [1]}), caption="")
    assert str(error.value) == "table: caption is ''; a text is required. Say what the table shows."
    with pytest.raises(ReportError) as error:
        report.table(pd.DataFrame(), caption="c")
    assert str(error.value) == "table: the frame has 0 columns; 1 or more are required. Choose the columns to show."


def test_recorded_rows_have_level_counts_and_one_primary_estimand(report, shown):
    report.record(fit(), model="m", levels={"time": "within"}, primary="time", standardised={"time": -0.1}, group="g")
    time = shown.data[0]["estimates"][1]
    assert time == {
        "term": "time", "estimate": -0.25, "std_error": 0.1, "statistic": -2.5, "df": None, "p_value": 0.0123,
        "conf_low": -0.45, "conf_high": -0.05, "level": "within", "standardised": -0.1, "primary": True, "model": "m",
        "group": "g", "n_sessions": 100, "n_clients": 20, "n_therapists": 5,
    }  # fmt: skip
    assert [row["primary"] for row in shown.data[0]["estimates"]] == [False, True, False]


def test_primary_true_stands_for_the_terms_with_a_level(report, shown):
    report.record(fit(), model="m", levels={"time": "within"}, primary=True)
    assert [row["primary"] for row in shown.data[0]["estimates"]] == [False, True, False]


def test_withheld_term_is_named_and_never_numbered(report, shown):
    report.record(fit(withheld={"x_between_therapist": "the therapist variance is zero."}), model="m")
    assert [row["term"] for row in shown.data[0]["estimates"]] == ["(Intercept)", "time"]
    assert shown.data[0]["withheld"] == [
        {"model": "m", "group": "", "term": "x_between_therapist", "reason": "the therapist variance is zero"}
    ]
    assert "<li><b>x_between_therapist</b>: the therapist variance is zero.</li>" in shown.html[0]
    assert "7.77" not in shown.html[0]


def test_nothing_is_recorded_from_a_fit_that_did_not_converge(report, shown):
    report.record(fit(converged=False, variance_components=lambda: 1 / 0), model="m")
    assert shown.data[0]["estimates"] == []
    assert {row["reason"] for row in shown.data[0]["withheld"]} == {
        "the model did not converge, so nothing is reported from it"
    }
    assert "<table" not in shown.html[0]


def test_variance_components_are_recorded_but_not_at_a_singular_level(report, shown):
    components = pd.DataFrame(
        {
            "group": ["client", "client", "therapist", "residual"],
            "term": ["(Intercept)", "(Intercept)", "(Intercept)", ""],
            "term2": ["", "time", "", ""],
            "estimate": [4.0, 0.1, 0.0, 9.0],
            "std_dev": [2.0, 0.3, 0.0, 3.0],
        }
    )
    glance = fit().glance().assign(singular_level="therapist")
    report.record(Fake(tidy=fit().tidy, glance=lambda: glance, variance_components=lambda: components), model="m")
    rows = [row for row in shown.data[0]["estimates"] if row["level"] == "variance"]
    assert {row["term"]: row["estimate"] for row in rows} == {
        "client: (Intercept)": 4.0, "client: (Intercept) with time": 0.1, "residual": 9.0
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            {"levels": {"tme": "within"}},
            "record, model 'm': no term 'tme'; terms are (Intercept), time, x_between_therapist. Correct it.",
        ),
        (
            {"primary": "x"},
            "record, model 'm': no term 'x'; terms are (Intercept), time, x_between_therapist. Correct it.",
        ),
        (
            {"levels": {"time": "inside"}},
            "record, model 'm': no level 'inside'; allowed are within, between, between_client, between_therapist,"
            " variance, total. Correct it.",
        ),
    ],
)
def test_unknown_terms_and_levels_are_refused(report, words, message):
    with pytest.raises(ReportError) as error:
        report.record(fit(), model="m", **words)
    assert str(error.value) == message


def checks(**changed):
    row = {"check": "Clients", "value": 12.0, "limit": "≥ 30", "status": "amber", "why": "few", "what_to_do": "Say so."}
    return pd.DataFrame([row | changed])


def test_checks_are_shown_with_words_and_recorded(report, shown):
    report.checks(checks())
    assert '<td>12</td><td>≥&nbsp;30</td><td><span class="status amber">amber</span></td>' in shown.html[0]
    assert shown.data[0]["checks"] == [
        {"check": "Clients", "value": 12.0, "limit": "≥ 30", "status": "amber", "why": "few", "what_to_do": "Say so."}
    ]


def test_incomplete_checks_and_verdicts_are_refused(report):
    with pytest.raises(ReportError) as error:
        report.checks(checks(status="fine"))
    assert str(error.value) == "checks: status is 'fine'; allowed are green, amber, red. Correct it."
    with pytest.raises(ReportError) as error:
        report.verdicts(pd.DataFrame({"finding_id": ["f"], "citation": ["c"], "reason": ["r"]}))
    assert str(error.value) == (
        "verdicts: column 'verdict' is missing; required are finding_id, citation, verdict, reason."
        " Add it to the frame."
    )


def test_verdicts_are_shown_and_all_columns_recorded(report, shown):
    frame = pd.DataFrame(
        {"finding_id": ["f"], "citation": ["Somebody"], "verdict": ["weaker"], "reason": ["r"], "tau": [np.nan]}
    )
    report.verdicts(frame)
    assert "weaker" in shown.html[0]
    assert "Tau" not in shown.html[0]
    assert shown.data[0]["verdicts"] == [
        {"finding_id": "f", "citation": "Somebody", "verdict": "weaker", "reason": "r", "tau": None}
    ]


def test_open_report_seeds_the_global_generator(study):
    first = open_report("01", str(study), seed=7)
    drawn = np.random.random()  # noqa: NPY002
    open_report("01", str(study), seed=7)
    assert np.random.random() == drawn  # noqa: NPY002
    assert (first.number, first.conf_level, first.study.title) == ("01", 0.95, "A tiny study")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            {"number": "2"},
            "open_report: number is '2'; two digits are required, such as '02'. Correct it.",
        ),
        ({"conf_level": 95}, "conf_level: 95 is not between 0 and 1; 0.95 is usual. Correct it."),
        ({"seed": -1}, "seed: -1 is not a whole number from 0 to 4294967295. Correct it."),
    ],
)
def test_open_report_refuses_what_it_cannot_mean(words, message):
    with pytest.raises(ReportError) as error:
        open_report(**{"number": "02", "study": "example"} | words)
    assert str(error.value) == message


def judged(**changed):
    row = {
        "finding_id": "M01", "citation": "Somebody (2018)", "confidence": "passage", "level": "total", "metric": "r",
        "published": 0.278, "published_low": 0.256, "published_high": 0.299, "own": 0.25, "own_low": 0.1,
        "own_high": 0.4, "expected_low": 0.05, "expected_high": 0.5, "consistent_tau_0": True,
        "consistent_tau_05": True, "consistent_tau_10": np.True_, "small_telescopes": None, "bayes_factor": 4321.5,
        "verdict": "consistent with signal", "reason": "same estimand",
    }  # fmt: skip
    return row | changed


NOT_JUDGED = dict.fromkeys(
    ("own", "own_low", "own_high", "expected_low", "expected_high", "consistent_tau_0", "consistent_tau_05",
     "consistent_tau_10", "small_telescopes", "bayes_factor"), np.nan
) | {"finding_id": "W02", "citation": "Other (2020)", "verdict": "not comparable", "reason": "level: within"}  # fmt: skip


def headings(html):
    return re.findall(r'<th scope="col"[^>]*>(.*?)</th>', html)


def test_verdicts_name_the_metric_and_every_criterion_of_comparable_figures(report, shown):
    report.verdicts(pd.DataFrame([judged(), judged(**NOT_JUDGED)]))
    first, second = shown.html[0].split("<b>Table 2.</b>")
    assert headings(first) == ["Citation", "Metric", "Published", "Own", "Expected", "Verdict", "Reason", "Confidence"]
    assert "0.25 [0.10,&nbsp;0.40]" in first
    assert "coded so that positive is good for the client" in first
    assert headings(second) == [
        "Citation", "Consistent, tau 0", "Consistent, tau .05", "Consistent, tau .10",
        "Too small to have been found (small telescopes)", "Bayes factor",
    ]  # fmt: skip
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", second.split("<tbody>")[1])
    assert cells == ["Somebody&nbsp;(2018)", "yes", "yes", "yes", "–", "&gt;&nbsp;1,000"]
    assert "between-study standard deviation, which the sources do not print" in second


def test_a_number_printed_without_an_interval_stands_alone(report, shown):
    report.verdicts(pd.DataFrame([judged(published_low=np.nan, published_high=np.nan), judged(**NOT_JUDGED)]))
    first = shown.html[0].split("<b>Table 2.</b>")[0]
    assert re.findall(r"<td[^>]*>([^<]*)</td>", first)[1:3] == ["0.28", "0.25 [0.10,&nbsp;0.40]"]


def test_without_a_comparable_figure_there_is_one_table_without_own_values(report, shown):
    report.verdicts(pd.DataFrame([judged(**NOT_JUDGED)]))
    assert headings(shown.html[0]) == ["Citation", "Metric", "Published", "Verdict", "Reason", "Confidence"]
    assert "Table 2." not in shown.html[0]
    assert "No own value stands beside them: in each row the reason says why." in shown.html[0]


def test_a_part_that_asks_gets_no_full_stop(report, shown):
    answer = Fake(sentence="They do.", status="answered", reason="")
    report.headline(answer, part="Do they agree?")
    report.headline(answer, part="Within clients")
    assert "<b>Do they agree?</b> They do." in shown.html[0]
    assert "<b>Within clients.</b> They do." in shown.html[1]


def test_an_empty_table_says_what_it_is_told(report, shown):
    report.table(pd.DataFrame({"a": []}), caption="Truth.", empty="a real study has no known truth")
    assert '<p class="empty">a real study has no known truth</p>' in shown.html[0]


@pytest.mark.parametrize(
    ("formula", "caption"),
    [
        ("symptoms ~ time", "Estimates of the model “m” (outcome: symptoms, PHQ-9 sum (0 to 27))."),
        ("other ~ time", "Estimates of the model “m” (outcome: other)."),
        ("", "Estimates of the model “m”."),
    ],
)
def test_estimates_name_their_outcome_and_its_unit(shown, formula, caption):
    study = FakeStudy(measures={"symptoms": Fake(unit="PHQ-9 sum (0 to 27)")})
    Report("02", study, 0.95, shown).record(fit(formula=formula), model="m")
    assert f"</b> {caption}</span>" in shown.html[0]


def test_a_fit_that_did_not_converge_gives_its_own_reasons_where_it_has_them(report, shown):
    report.record(fit(converged=False, withheld={"time": "the model is not identified."}), model="m")
    assert shown.data[0]["estimates"] == []
    assert {row["term"]: row["reason"] for row in shown.data[0]["withheld"]} == {
        "(Intercept)": "the model did not converge, so nothing is reported from it",
        "time": "the model is not identified",
        "x_between_therapist": "the model did not converge, so nothing is reported from it",
    }


def test_a_checked_value_has_decimals_where_its_limit_has(report, shown):
    frame = checks(value=0.0, limit=0.2)
    report.checks(frame)
    assert "<td>0.00</td><td>0.20</td>" in shown.html[0]


def test_estimates_say_on_whom_they_rest_and_how_they_were_made():
    fit = pd.DataFrame(
        [{"n_obs": 90, "n_client": 12, "n_dropped": 1, "criterion": "REML", "df_method": "satterthwaite"}]
    )
    assert basis_note(fit) == "90 sessions, 12 clients; 1 row left out for a missing value. REML; df by Satterthwaite."
    assert basis_note(pd.DataFrame([{"n_client": 40, "se_method": "therapist jackknife"}])) == (
        "40 clients. Standard errors: therapist jackknife."
    )
    assert basis_note(pd.DataFrame([{"converged": True}])) == ""


@pytest.mark.parametrize(
    ("df_method", "df_basis", "end"),
    [
        ("satterthwaite", "regular", "df by Satterthwaite."),
        ("satterthwaite", "calibrated by simulation", "df by Satterthwaite (calibrated by simulation)."),
        ("kenward-roger", "at the boundary", "standard errors and df by Kenward and Roger (at the boundary)."),
        ("normal", "at the boundary", "normal quantiles."),
    ],
)
def test_df_that_nothing_vouches_for_are_labelled(df_method, df_basis, end):
    fit = pd.DataFrame([{"n_obs": 90, "criterion": "REML", "df_method": df_method, "df_basis": df_basis}])
    assert basis_note(fit) == f"90 sessions. REML; {end}"


def test_a_table_without_df_has_no_word_on_them():
    boundary = pd.DataFrame([{"n_obs": 90, "criterion": "REML", "df_basis": "at the boundary"}])
    assert basis_note(boundary) == "90 sessions. REML."


def recorded(shown):
    return [(table["number"], table["csv"]) for data in shown.data for table in data["tables"]]


def test_every_table_is_recorded_as_shown_and_with_its_values_in_full(report, shown):
    report.table(pd.DataFrame({"a": ["x"], "r": [0.123456]}).set_index("a"), caption="c", note="n")
    report.checks(checks(value=0.123456, limit=0.2))
    report.record(fit(withheld={"x_between_therapist": "zero"}), model="m")
    report.verdicts(pd.DataFrame([judged(bayes_factor=4321.5678), judged(**NOT_JUDGED)]))
    first, *_ = (table for data in shown.data for table in data["tables"])
    assert first == {
        "number": 1, "caption": "c", "note": "n", "empty": "none", "csv": "a,r\nx,0.123456\n",
        "columns": (
            {"heading": "a", "kind": "text", "cells": ("x",)}, {"heading": "r", "kind": "number", "cells": ("0.12",)}
        ),
    }  # fmt: skip
    csvs = dict(recorded(shown))
    assert list(csvs) == [1, 2, 3, 4, 5]
    assert csvs[2].splitlines()[1] == "Clients,0.123456,0.2,amber,few,Say so."
    assert "7.77" not in csvs[3]
    assert csvs[3].splitlines()[2].startswith("time,-0.25,0.1,-2.5,inf,0.0123,-0.45,-0.05")
    assert len(csvs[4].splitlines()) == 3
    assert len(csvs[5].splitlines()) == 2
    assert "4321.5678" in csvs[5]


def test_nothing_is_recorded_as_a_table_where_none_is_shown(report, shown):
    report.record(fit(converged=False), model="m")
    assert recorded(shown) == []
