"""Headlines: the answer to a question in one sentence, whether it may be given, and why not or with what care."""

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
    return with_checks(f"{sample}{whom}; {answerable} of {len(questions)} questions can be answered.", checks)


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
        return Sentence(sentence, WITHHELD, f"{begun(early.withheld['r'])}.")
    tidy = early.tidy(conf_level)
    r, low, high = tidy.loc[tidy["term"] == "r", ["estimate", "conf_low", "conf_high"]].iloc[0]
    if low <= 0 <= high:
        finding = f"These data cannot tell whether a higher early alliance goes with lower or higher {early.end_state}"
    else:
        finding = f"A higher early alliance goes with {'lower' if r < 0 else 'higher'} {early.end_state}"
    numbers = f"r = {format_number(r)} {interval_text(low, high, conf_level)}, between clients"
    return with_checks(f"{finding} ({numbers}). {_state_verdict(verdicts)}", checks)


def interval_text(low: float, high: float, conf_level: float) -> str:
    """Return the interval, and its level where that is not the usual one."""
    return f"{format_interval(low, high)}{_of_level(conf_level)}"


def _of_level(conf_level: float) -> str:
    return "" if conf_level == USUAL_LEVEL else f" ({format_percent(conf_level)} interval)"


USUAL_LEVEL = 0.95


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


class Timing(Protocol):
    """What the headline needs of `choose_timing`."""

    @property
    def word(self) -> str: ...
    @property
    def sentence(self) -> str: ...


class Prospective(Protocol):
    """What the headline needs of `fit_prospective`."""

    @property
    def timing(self) -> Timing: ...
    @property
    def withheld(self) -> Mapping[str, str]: ...
    @property
    def term(self) -> str: ...
    def standardised_row(self, conf_level: float = 0.95) -> pd.Series: ...


def state_prospective(
    panel: Prospective,
    outcome: str,
    verdicts: pd.DataFrame,
    checks: pd.DataFrame,
    bias: pd.DataFrame,
    conf_level: float = 0.95,
) -> Sentence:
    """Say whether the alliance predicts the next session's symptoms within clients, by the primary model.

    Parameters
    ----------
    panel : ProspectiveFit
    outcome : str
        The outcome in words.
    verdicts : DataFrame
        Of `judge_replication`.
    checks : DataFrame
        Amber checks are named in the reason.
    bias : DataFrame
        Table of `simulate_bias`: where the model itself errs in studies of this shape, the reason says by how much.
    conf_level : float
        Of the interval.
    """
    if panel.term in panel.withheld:
        sentence = f"Whether the alliance predicts the next session's {outcome} within clients cannot be told."
        return Sentence(sentence, WITHHELD, f"{begun(panel.withheld[panel.term])}.")
    row = panel.standardised_row(conf_level)
    numbers = f"(standardised slope {format_number(row['estimate'])} "
    numbers += f"{interval_text(row['conf_low'], row['conf_high'], conf_level)})"
    if row["conf_low"] <= 0 <= row["conf_high"]:
        finding = (
            "Within clients, these data cannot tell whether a better alliance than usual goes with lower or higher "
            f"{outcome} at the next session"
        )
    else:
        word = "lower" if row["estimate"] < 0 else "higher"
        finding = f"Within clients, a better alliance than usual is followed by {word} {outcome} at the next session"
    found = with_checks(f"{finding} {numbers}. {_state_agreement(verdicts)}", checks)
    limits = [_state_own_bias(bias)]
    if panel.timing.word == "lagged":
        limits.append(f"Not called prospective: {panel.timing.sentence}.")
    limit = " ".join(part for part in limits if part)
    return Sentence(found.sentence, CAUTION, f"{limit} {found.reason or ''}".strip()) if limit else found


def _state_agreement(verdicts: pd.DataFrame) -> str:
    """Say what the figures of the literature allow: none of them prints a number in this metric with its precision."""
    judged = verdicts[~verdicts["verdict"].isin(["not comparable", "no number"])]
    if "citation" in judged:
        judged = judged.drop_duplicates(["citation", "verdict"])  # several figures of one study are one study
    if judged.empty:
        reasons = dict.fromkeys(verdicts["reason"])
        return f"Beside the published studies: not comparable ({next(iter(reasons), 'none is stored')})."
    counted = judged["verdict"].value_counts()
    words = "; ".join(f"{verdict}: {format_count(n)}" for verdict, n in counted.items())
    studies = format_counted(len(judged), "published study", "published studies")
    others = dict.fromkeys(verdicts.loc[verdicts["verdict"].isin(["not comparable", "no number"]), "reason"])
    left_out = f" Not compared: {'; '.join(others)}." if others else ""
    basis = "; ".join(dict.fromkeys(judged["reason"]))
    return f"Beside {studies} ({basis}): {words}.{left_out}"


def _state_own_bias(bias: pd.DataFrame) -> str:
    """Say where the primary model itself is off in simulated studies of this shape, beyond Monte Carlo error."""
    own = bias[bias["model"] == PRIMARY_MODEL]
    off = own[(own["bias"].abs() - 2 * own["mc_error"]) > TOLERATED_BIAS]
    none = own[own["true_slope"] == 0]
    excess = none[(none["rejected_share"] - NOMINAL) > 2 * none["rejected_error_share"]]
    parts = [
        f"a bias of {format_number(b)} at {format_number(t)}"
        for b, t in zip(off["bias"], off["true_slope"], strict=True)
    ]
    parts += [f"{format_percent(row['rejected_share'])} false positives" for _, row in excess.iterrows()]
    return f"In simulated studies of this shape this model, too, has {' and '.join(parts)}." if parts else ""


PRIMARY_MODEL = "panel VAR"
TOLERATED_BIAS = 0.02  # METHODS 0.1: what an estimator may miss and still be called primary
NOMINAL = 0.05  # share of false positives of a 95 % interval


def begun(reason: str) -> str:
    """Return a reason as the beginning of a sentence; names keep their capitals, which `str.capitalize` takes away."""
    return reason[:1].upper() + reason[1:]


def with_checks(sentence: str, checks: pd.DataFrame) -> Sentence:
    """Return the headline with the checks that are not green beside it, each source named once."""
    doubtful = checks.loc[checks["status"] != "green", "check"]
    if doubtful.empty:
        return Sentence(sentence, ANSWERED)
    named: dict[str, list[str]] = {}
    for check in doubtful:
        source, _, what = check.rpartition(": ") if check.count(": ") == 1 else ("", "", check)
        named.setdefault(source, []).append(what)
    parts = [f"{source}: {'; '.join(what)}" if source else "; ".join(what) for source, what in named.items()]
    return Sentence(sentence, CAUTION, f"Read with care: {'; '.join(parts)}.")


class LevelSlopes(Protocol):
    """What the headline needs of `fit_level_slopes`."""

    @property
    def levels(self) -> Mapping[str, str]: ...
    @property
    def withheld(self) -> Mapping[str, str]: ...
    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame: ...


class VarianceShares(Protocol):
    """What the headline needs of `fit_variance_shares`."""

    @property
    def measure(self) -> str: ...
    @property
    def withheld(self) -> Mapping[str, str]: ...
    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame: ...


def state_variance_shares(shares: VarianceShares, checks: pd.DataFrame, conf_level: float = 0.95) -> Sentence:
    """Say how a measure's variance divides among therapists, clients and sessions within clients.

    Parameters
    ----------
    shares : VarianceSharesFit
    checks : DataFrame
        Amber checks are named in the reason.
    conf_level : float
    """
    tidy = shares.tidy(conf_level).set_index("term")
    parts = [
        f"{format_percent(row['estimate'])} {_percents(row)}{_of_level(conf_level)} {_WHERE[term]}"
        for term, row in tidy.iterrows()
        if term not in shares.withheld
    ]
    if not parts:
        reason = next(iter(shares.withheld.values()))
        return Sentence(f"How {shares.measure} vary by level cannot be told.", WITHHELD, f"{begun(reason)}.")
    sentence = f"Where {shares.measure} vary beyond the average course: {listed(parts)}."
    found = with_checks(sentence, checks)
    if not shares.withheld:
        return found
    missing = "; ".join(f"the share {_WHERE[term]} ({reason})" for term, reason in shares.withheld.items())
    return Sentence(sentence, CAUTION, f"Withheld: {missing}. {found.reason or ''}".strip())


def _percents(row: pd.Series) -> str:
    return f"[{format_percent(row['conf_low'])}, {format_percent(row['conf_high'])}]"


_WHERE = {
    "share_therapist": "between therapists",
    "share_client": "between clients of a therapist",
    "share_within": "within clients",
}


def listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def state_level_slopes(slopes: LevelSlopes, outcome: str, checks: pd.DataFrame, conf_level: float = 0.95) -> Sentence:
    """Say level by level with what a better alliance goes, in the outcome's unit per point of the alliance.

    Parameters
    ----------
    slopes : LevelSlopes
    outcome : str
        The outcome in words.
    checks : DataFrame
    conf_level : float
    """
    tidy = slopes.tidy(conf_level).set_index("term")
    told = {term: level for term, level in slopes.levels.items() if term not in slopes.withheld}
    if not told:
        reasons = dict.fromkeys(slopes.withheld.values())
        sentence = f"With what {outcome} a better alliance goes, level by level, cannot be told from these data."
        return Sentence(sentence, WITHHELD, f"{begun('; '.join(reasons))}.")
    parts = [f"{_AT[level]}, with {_direction(tidy.loc[term], outcome, conf_level)}" for term, level in told.items()]
    hidden = [f"{_AT[level]} ({slopes.withheld[t]})" for t, level in slopes.levels.items() if t not in told]
    found = with_checks(f"A better alliance goes, {'; '.join(parts)}.", checks)
    if not hidden:
        return found
    return Sentence(found.sentence, CAUTION, f"Withheld: {'; '.join(hidden)}. {found.reason or ''}".strip())


_AT = {
    "within": "within clients",
    "between_client": "between clients of a therapist",
    "between_therapist": "between therapists",
}


def _direction(row: pd.Series, outcome: str, conf_level: float) -> str:
    numbers = f"({format_number(row['estimate'])} {interval_text(row['conf_low'], row['conf_high'], conf_level)})"
    if row["conf_low"] <= 0 <= row["conf_high"]:
        return f"neither clearly lower nor clearly higher {outcome} {numbers}"
    return f"{'lower' if row['estimate'] < 0 else 'higher'} {outcome} {numbers}"
