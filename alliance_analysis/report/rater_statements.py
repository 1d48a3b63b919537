"""Headlines of questions about two raters: how they go together, who rates higher, what agreement goes with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import pandas as pd

from alliance_analysis.report.formats import format_number
from alliance_analysis.report.results import CAUTION, WITHHELD
from alliance_analysis.report.statements import Sentence, begun, interval_text, with_checks


class Terms(Protocol):
    """What a headline needs of a result: its table and what it withholds."""

    @property
    def withheld(self) -> Mapping[str, str]: ...
    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame: ...


class Forces(Terms, Protocol):
    """What a headline needs of `fit_truth_and_bias`."""

    @property
    def judge(self) -> str: ...
    @property
    def truth(self) -> str: ...


WITHIN, BETWEEN, ONE_TIME = "correlation within clients", "correlation between clients", "precision"
BIAS, FORCE = "directional_bias", "truth_force_within"
A4 = "a4"


def state_agreement(agreement: Terms, checks: pd.DataFrame, conf_level: float = 0.95) -> Sentence:
    """Say how far the two ratings go together, within clients and between them.

    Parameters
    ----------
    agreement : Agreement
    checks : DataFrame
        Checks that are not green are named in the reason.
    conf_level : float
    """
    table = agreement.tidy(conf_level).set_index("term")
    within = _correlation(table, WITHIN, agreement, conf_level)
    between = _correlation(table, BETWEEN, agreement, conf_level)
    if not within and not between:
        once = _correlation(table, ONE_TIME, agreement, conf_level)
        if not once:
            sentence = "How far client and therapist agree cannot be told from these data."
            return Sentence(sentence, WITHHELD, f"{begun(agreement.withheld.get(BETWEEN, 'no correlation exists'))}.")
        found = with_checks(f"Between clients the two ratings go together by {once}, one score of each.", checks)
        return _with_limit(found, agreement.withheld.get(WITHIN, ""))
    parts = [f"{where} by {r}" for where, r in (("within clients", within), ("between clients", between)) if r]
    found = with_checks(f"The ratings of client and therapist go together {' and '.join(parts)}.", checks)
    hidden = [agreement.withheld[term] for term in (WITHIN, BETWEEN) if term in agreement.withheld]
    return _with_limit(found, "; ".join(dict.fromkeys(hidden)))


def _correlation(table: pd.DataFrame, term: str, result: Terms, conf_level: float) -> str:
    if term in result.withheld:
        return ""
    row = table.loc[term]
    return f"r = {format_number(row['estimate'])} {interval_text(row['conf_low'], row['conf_high'], conf_level)}"


def _with_limit(found: Sentence, limit: str) -> Sentence:
    """Put what could not be told before the checks."""
    return Sentence(found.sentence, CAUTION, f"{begun(limit)}. {found.reason or ''}".strip()) if limit else found


def state_bias(forces: Forces, checks: pd.DataFrame, conf_level: float = 0.95) -> Sentence:
    """Say how far the judge's rating lies from the other's, and how closely it follows that one's moves.

    Parameters
    ----------
    forces : TruthBias
    checks : DataFrame
    conf_level : float
    """
    table = forces.tidy(conf_level).set_index("term")
    judge, truth = (name.removeprefix("alliance_") for name in (forces.judge, forces.truth))
    parts = []
    if BIAS not in forces.withheld:
        parts.append(_state_side(table.loc[BIAS], judge, truth, conf_level))
    if FORCE not in forces.withheld:
        numbers = _numbers(table.loc[FORCE], conf_level)
        parts.append(
            f"for each point the {truth}'s rating moves within a client, the {judge}'s moves by {numbers} points"
        )
    if not parts:
        sentence = f"How the {judge}'s rating lies to the {truth}'s cannot be told from these data."
        return Sentence(sentence, WITHHELD, f"{begun(next(iter(forces.withheld.values())))}.")
    found = with_checks(f"{begun('; '.join(parts))}.", checks)
    return _with_limit(found, forces.withheld.get(BIAS, "") or forces.withheld.get(FORCE, ""))


def _state_side(row: pd.Series, judge: str, truth: str, conf_level: float) -> str:
    if row["conf_low"] <= 0 <= row["conf_high"]:
        unknown = f"these data cannot tell whether the {judge}'s rating lies above or below the {truth}'s"
        return f"{unknown} (difference {_numbers(row, conf_level)})"
    below = row["estimate"] < 0
    size = (
        row
        if not below
        else -row[["estimate", "conf_high", "conf_low"]].set_axis(["estimate", "conf_low", "conf_high"])
    )
    side = "below" if below else "above"
    return f"the {judge}'s rating lies {_numbers(size, conf_level)} points {side} the {truth}'s on average"


def _numbers(row: pd.Series, conf_level: float) -> str:
    return f"{format_number(row['estimate'])} {interval_text(row['conf_low'], row['conf_high'], conf_level)}"


def state_congruence(
    congruence: Terms,
    checklist: pd.DataFrame,
    judgement: tuple[str, str],
    about: str,
    checks: pd.DataFrame,
    conf_level: float = 0.95,
) -> Sentence:
    """Say whether agreement in itself goes with the outcome, by every condition of the claim.

    Parameters
    ----------
    congruence : Congruence
    checklist : DataFrame
        Its conditions; the first is that the outcome is worse the further the ratings are apart.
    judgement : (str, str)
        From `judge_congruence`: what the checklist allows, and why.
    about : str
        The outcome, when, and for whom: "symptoms at the next session, within clients".
    checks : DataFrame
    conf_level : float
    """
    verdict, why = judgement
    if A4 in congruence.withheld:
        sentence = f"Whether agreement goes with the outcome ({about}) cannot be told from these data."
        return Sentence(sentence, WITHHELD, f"{begun(congruence.withheld[A4])}.")
    row = congruence.tidy(conf_level).set_index("term").loc[A4]
    what = f"({about}; curvature along disagreement a4 = {_numbers(row, conf_level)})"
    curved = checklist["holds"].iloc[0] == "yes"
    if verdict in ("strict", "broad"):
        sentence = f"Agreement of the two ratings goes with a better outcome {what}: {why}."
    elif verdict == "not supported" and curved:
        sentence = (
            f"The outcome is worse the further the two ratings are apart {what}, but that agreement in itself is best "
            f"is not supported; {why}."
        )
    elif verdict == "not supported":
        sentence = f"These data do not show that the outcome is worse the further the two ratings are apart {what}."
    else:
        sentence = f"Whether agreement in itself goes with a better outcome cannot be told {what}; {why}."
    return with_checks(sentence, checks)
