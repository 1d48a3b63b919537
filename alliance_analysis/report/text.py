"""Sentences made from computed results: headlines, figure descriptions, notes. No number is typed into prose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from alliance_analysis.report.formats import (
    format_count,
    format_counted,
    format_interval,
    format_number,
    format_percent,
)
from alliance_analysis.report.results import ANSWERED, CAUTION, WITHHELD
from alliance_analysis.study.studyfile import Study

METRIC_WITHIN = (
    "Standardised: slope times SD of the alliance over SD of symptoms, both pooled within clients on the rows of the "
    "model. A negative slope goes with fewer symptoms. Intervals by the normal distribution. The slope of raw values "
    "is meant as a within-client one; it is a blend in which differences between clients have a part."
)
METRIC_BIAS = (
    "In standard deviations of the deviations from a client's level and trend; the slopes above are in observed "
    "within-client standard deviations, which contain the trend. Rejected: share of simulated studies whose 95 percent "
    "interval leaves out zero; at a true slope of zero these are false positives, and 5 % would be right. MC error, "
    "rejected error: Monte Carlo standard errors."
)
METRIC_RELIABILITY = (
    "One rating, mean of ratings: reliability as a sign of the client's usual level, of one rating and of the mean of "
    "so many ratings (harmonic mean number per client). Alpha: Cronbach's alpha of goal, task and bond, of client "
    "means and of deviations from them; a dash where there are no subscales."
)


class EarlyAlliance(Protocol):
    """What the headline needs of `fit_early_alliance`."""

    @property
    def end_state(self) -> str: ...
    @property
    def withheld(self) -> Mapping[str, str]: ...
    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame: ...


@dataclass(frozen=True)
class Sentence:
    """A headline: the answer in one sentence, whether it may be given, and why not or with what care."""

    sentence: str
    status: str
    reason: str | None = None


def state_sample(study: Study, checks: pd.DataFrame) -> Sentence:
    """Say who is in the data and how many of the questions they can answer."""
    clients = format_counted(study.sessions["client"].nunique(), "client", "clients")
    sample = f"{format_counted(len(study.sessions), 'session', 'sessions')} of {clients}"
    therapists = study.sessions["therapist"].nunique() if study.has("therapist") else 0
    seen_by = format_counted(therapists, "therapist", "therapists")
    whom = f" with {seen_by}" if therapists else " (no therapist ids)"
    questions = study.feasibility()
    answerable = format_count(questions["answerable"].sum())
    return _with_checks(f"{sample}{whom}; {answerable} of {len(questions)} questions can be answered.", checks)


def state_early_alliance(
    early: EarlyAlliance, verdicts: pd.DataFrame, checks: pd.DataFrame, conf_level: float = 0.95
) -> Sentence:
    """Say how the early alliance goes with the end state, between clients, and what the literature makes of it.

    Parameters
    ----------
    early : EarlyAllianceFit
        Its row `r` is the answer; where it is withheld, so is the headline.
    verdicts : DataFrame
        Of `judge_replication`, the meta-analytic mean first.
    checks : DataFrame
        Amber checks are named in the reason.
    conf_level : float
        Of the interval.
    """
    if "r" in early.withheld:
        sentence = "How the early alliance goes with the end state, between clients, cannot be told from these data."
        return Sentence(sentence, WITHHELD, f"{early.withheld['r'].capitalize()}.")
    tidy = early.tidy(conf_level)
    r, low, high = tidy.loc[tidy["term"] == "r", ["estimate", "conf_low", "conf_high"]].iloc[0]
    if low <= 0 <= high:
        finding = f"These data cannot tell whether a higher early alliance goes with lower or higher {early.end_state}"
    else:
        finding = f"A higher early alliance goes with {'lower' if r < 0 else 'higher'} {early.end_state}"
    numbers = f"r = {format_number(r)} {format_interval(low, high)}, between clients"
    return _with_checks(f"{finding} ({numbers}). {_state_verdict(verdicts)}", checks)


def _state_verdict(verdicts: pd.DataFrame) -> str:
    """Say both figures in one coding, positive = good for the client, and what their distance allows one to say."""
    first = verdicts.iloc[0]
    if first["verdict"] == "not comparable":
        return f"Beside the meta-analyses: not comparable ({first['reason']})."
    own = f"{format_number(first['own'])} {format_interval(first['own_low'], first['own_high'])}"
    published = f"{format_number(first['published'])} "
    published += format_interval(first["published_low"], first["published_high"])
    return (
        f"Coded so that positive is good, that is {own} beside the meta-analytic mean of {published}: "
        f"{first['verdict']}"
        f"{_OTHER_WAY if first['own'] < 0 < first['published'] and first['verdict'] != 'opposite' else ''}."
    )


_OTHER_WAY = "; it points the other way, but too imprecisely to contradict"


def withhold_session_estimate(bias: pd.DataFrame) -> Sentence:
    """Say why no session-by-session estimate is given: how often each model finds one where there is none.

    Parameters
    ----------
    bias : DataFrame
        The table of `simulate_bias`.
    """
    none, some = bias[bias["true_slope"] == 0], bias[bias["true_slope"] != 0]
    if none.empty or some.empty:
        found = "and no model of the literature could be fitted to simulated studies of this shape."
        return Sentence(_NOT_YET, WITHHELD, f"{_NO_PRIMARY}, {found}")
    rates, error = sorted(none["rejected_share"]), none["rejected_error_share"].max()
    excess = rates[-1] - NOMINAL > 2 * error
    judgement = "would mislead here" if excess else "cannot stand in for it"
    return Sentence(
        _NOT_YET,
        WITHHELD,
        f"{_NO_PRIMARY}, and the mixed models of the literature {judgement}: in "
        f"{format_count(none['n_simulations'].max())} simulated studies of this shape in which nothing is to be found "
        f"they claimed an association in {format_percent(rates[0])} to {format_percent(rates[-1])} "
        f"({format_percent(NOMINAL)} would be right; Monte Carlo error {format_percent(error)}), and they missed a "
        f"true slope of {format_number(some['true_slope'].iloc[0])} by up to {format_number(some['bias'].abs().max())} "
        "(within-client standard deviations).",
    )


NOMINAL = 0.05  # share of false positives of a 95 % interval
_NOT_YET = "Whether the alliance predicts the next session's symptoms within clients is not answered yet."
_NO_PRIMARY = "The primary model for this question (a random-intercept panel VAR) is not part of this version"


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
    if shares["share"].isna().all():
        return "Shares of variance: none could be told apart."
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
    r = tidy.loc[tidy["term"] == "r", "estimate"].iloc[0]  # a dash where it is withheld
    first, second = labels.values()
    return f"{second} against {first}, means of groups of clients, with the least-squares line; r = {format_number(r)}."
