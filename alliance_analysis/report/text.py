"""Sentences made from computed results: headlines, figure descriptions, notes. No number is typed into prose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from alliance_analysis.report.results import ANSWERED, CAUTION, WITHHELD
from alliance_analysis.report.tables import format_count, format_interval, format_number, format_percent
from alliance_analysis.study.studyfile import Study

METRIC_WITHIN = (
    "Standardised: slope times SD of the alliance over SD of symptoms, both pooled within clients on the rows of the "
    "model. A negative slope goes with fewer symptoms. Intervals by the normal distribution. The slope of raw values "
    "is meant as a within-client one; it is a blend in which differences between clients have a part."
)
METRIC_BIAS = (
    "In within-client standard deviations. Rejected: share of simulated studies whose 95 percent interval leaves out "
    "zero; at a true slope of zero these are false positives, and 5 % would be right. MC error, rejected error: Monte "
    "Carlo standard errors."
)


@dataclass(frozen=True)
class Sentence:
    """A headline: the answer in one sentence, whether it may be given, and why not or with what care."""

    sentence: str
    status: str
    reason: str | None = None


def state_sample(study: Study, checks: pd.DataFrame) -> Sentence:
    """Say who is in the data and how many of the questions they can answer."""
    from_whom = (
        f"{format_count(len(study.sessions))} sessions of {format_count(study.sessions['client'].nunique())} clients"
    )
    therapists = study.sessions["therapist"].nunique() if study.has("therapist") else 0
    with_whom = f" with {format_count(therapists)} therapists" if therapists else " (no therapist ids)"
    questions = study.feasibility()
    answerable = format_count(questions["answerable"].sum())
    sentence = f"{from_whom}{with_whom}; {answerable} of {len(questions)} questions can be answered."
    return _with_checks(sentence, checks)


def state_early_alliance(tidy: pd.DataFrame, verdicts: pd.DataFrame, checks: pd.DataFrame, end_state: str) -> Sentence:
    """Say how the early alliance goes with the end state, between clients, and what the literature makes of it.

    Parameters
    ----------
    tidy : DataFrame
        Of `fit_early_alliance`; the row `r` is the answer.
    verdicts : DataFrame
        Of `judge_replication`, the meta-analytic mean first.
    checks : DataFrame
        Amber checks are named in the reason.
    end_state : str
        What the end state is.
    """
    r, low, high = tidy.loc[tidy["term"] == "r", ["estimate", "conf_low", "conf_high"]].iloc[0]
    if low <= 0 <= high:
        finding = f"These data cannot tell whether a higher early alliance goes with lower or higher {end_state}"
    else:
        finding = f"A higher early alliance goes with {'lower' if r < 0 else 'higher'} {end_state}"
    numbers = f"r = {format_number(r)} {format_interval(low, high)}, between clients"
    return _with_checks(f"{finding} ({numbers}). {_state_verdict(verdicts)}", checks)


def _state_verdict(verdicts: pd.DataFrame) -> str:
    first = verdicts.iloc[0]
    if first["verdict"] == "not comparable":
        return f"Beside the meta-analyses: not comparable ({first['reason']})."
    published = (
        f"r = {format_number(first['published'])} {format_interval(first['published_low'], first['published_high'])}"
    )
    return f"Beside the meta-analytic mean ({published}, coded so that positive is good): {first['verdict']}."


def withhold_session_estimate(bias: pd.DataFrame) -> Sentence:
    """Say why no session-by-session estimate is given: how often each model finds one where there is none.

    Parameters
    ----------
    bias : DataFrame
        The table of `simulate_bias`.
    """
    none = bias[bias["true_slope"] == 0]
    rates = sorted(none["rejected_share"])
    some = bias[bias["true_slope"] != 0]
    return Sentence(
        "Whether the alliance predicts the next session's symptoms within clients is not answered yet.",
        WITHHELD,
        "The primary model for this question (a random-intercept panel VAR) is not part of this version, and the mixed "
        f"models of the literature are not the answer: in {format_count(bias['n_simulations'].iloc[0])} simulated "
        "studies of this shape in which nothing is to be found they claimed an association in "
        f"{format_percent(rates[0])} to {format_percent(rates[-1])} (5 % would be right), and they missed a true slope "
        f"of {format_number(some['true_slope'].iloc[0])} by up to {format_number(some['bias'].abs().max())} "
        "(within-client standard deviations).",
    )


def _with_checks(sentence: str, checks: pd.DataFrame) -> Sentence:
    """Return the headline with the checks that are not green beside it."""
    doubtful = checks.loc[checks["status"] != "green", "check"]
    if doubtful.empty:
        return Sentence(sentence, ANSWERED)
    return Sentence(sentence, CAUTION, f"Read with care: {'; '.join(doubtful)}.")


def describe_course(sessions: pd.DataFrame, column: str, label: str) -> str:
    """Return the text for a course figure: medians early and late, for readers who cannot see it."""
    known = sessions.dropna(subset=[column])
    early = known.loc[known["session"] <= 3, column].median()
    last_third = known.loc[known["session"] >= known["session"].quantile(2 / 3), column].median()
    return (
        f"Course of {label} over sessions, as bands that hold the middle half and the middle 80 percent of clients: "
        f"median {format_number(early)} in sessions 1 to 3, {format_number(last_third)} in the last third of sessions."
    )


def describe_estimates(table: pd.DataFrame, names: str, columns: tuple[str, str, str]) -> str:
    """Return the text for a figure of estimates: each name with its estimate and interval."""
    middle, low, high = columns
    parts = [
        f"{row[names]} {format_number(row[middle])} {format_interval(row[low], row[high])}"
        for _, row in table.iterrows()
    ]
    return f"Estimates with intervals: {'; '.join(parts)}."


def describe_shares(shares: pd.DataFrame) -> str:
    """Return the text for a figure of variance shares."""
    parts = [f"{row['measure']}, {row['level']}: {format_percent(row['share'])}" for _, row in shares.iterrows()]
    return f"Shares of variance: {'; '.join(parts)}."


def describe_attendance(sessions: pd.DataFrame) -> str:
    """Return the text for the figure of clients per session number."""
    counts = sessions.groupby("session")["client"].nunique()
    middle = counts.index[len(counts) // 2]
    return (
        f"Clients with data by session number: {format_count(counts.iloc[0])} at session {counts.index[0]}, "
        f"{format_count(counts.loc[middle])} at session {middle}."
    )


def describe_missing_figure(shares: pd.DataFrame) -> str:
    """Return the text for the figure of missing values."""
    columns = [name for name in shares if name not in ("session", "n_clients")]
    parts = [f"{name} up to {format_percent(shares[name].max())}" for name in columns]
    return f"Missing values by session number and measure: {'; '.join(parts)}."


def describe_binned(tidy: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """Return the text for the figure of early alliance against the end state."""
    r = tidy.loc[tidy["term"] == "r", "estimate"].iloc[0]
    first, second = labels.values()
    return f"{second} against {first}, means of groups of clients, with the least-squares line; r = {format_number(r)}."
