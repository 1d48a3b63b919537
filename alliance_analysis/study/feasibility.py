"""Says, question by question, whether a study's data can answer it, with the counts that decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from alliance_analysis.study.measure import Measure
from alliance_analysis.study.problems import count
from alliance_analysis.study.vocabulary import ALLIANCE, CLIENT, SYMPTOMS

MIN_SESSIONS = 3  # within-client effects need three sessions of a client (METHODS A1)
MIN_CLIENTS = 10

Answer = tuple[bool, str, str]  # answerable, reason, needs


@dataclass(frozen=True)
class Question:
    """One question of the package.

    Attributes
    ----------
    number, slug, title : str
        Fixed number, file name of its notebook without the number, and the question itself.
    kind : {"tool", "replication", "extension", "illustration"}
        What its answer is.
    """

    number: str
    slug: str
    title: str
    kind: Literal["tool", "replication", "extension", "illustration"]


QUESTIONS = (
    Question("01", "who_is_in_the_data", "Who is in the data, and what can it answer?", "tool"),
    Question("02", "alliance_and_symptom_change", "Does the alliance predict symptom change?", "replication"),
)


def answer_questions(sessions: pd.DataFrame, measures: dict[str, Measure]) -> pd.DataFrame:
    """Return one row per question: ``question slug title kind answerable reason needs``.

    Parameters
    ----------
    sessions : DataFrame
        Tidy sessions.
    measures : dict
        Name -> Measure.
    """
    rows = []
    for question in QUESTIONS:
        answerable, reason, needs = _ANSWERS[question.number](sessions, measures)
        rows.append((question.number, question.slug, question.title, question.kind, answerable, reason, needs))
    return pd.DataFrame(rows, columns=["question", "slug", "title", "kind", "answerable", "reason", "needs"])


def alliance_column(sessions: pd.DataFrame) -> str | None:
    """Return the alliance rating a study has: the client's, else the therapist's, else an observer's."""
    return next((name for name in ALLIANCE if name in sessions and sessions[name].notna().any()), None)


def _who(sessions: pd.DataFrame, measures: dict[str, Measure]) -> Answer:
    clients = sessions[CLIENT].nunique()
    return True, f"{count(len(sessions), 'session')} of {count(clients, 'client')}.", ""


def _alliance_and_symptoms(sessions: pd.DataFrame, measures: dict[str, Measure]) -> Answer:
    alliance = alliance_column(sessions)
    absent = [
        word
        for word, is_there in (
            ("alliance ratings", alliance is not None),
            (SYMPTOMS, SYMPTOMS in sessions and sessions[SYMPTOMS].notna().any()),
        )
        if not is_there
    ]
    if alliance is None or absent:
        return (
            False,
            f"The sessions have no {' and no '.join(absent)}.",
            (f"An alliance rating ({', '.join(ALLIANCE)}) and symptoms, session by session."),
        )
    untimed = [name for name in (alliance, SYMPTOMS) if measures[name].collected is None]
    if untimed:
        return (
            False,
            f"It is not known whether {' and '.join(untimed)} were collected before or after the session.",
            ("`collected: before` or `collected: after` of each measure."),
        )
    return _enough(sessions, alliance)


def _enough(sessions: pd.DataFrame, alliance: str) -> Answer:
    """Count the clients with enough sessions on which both are rated, and those whose ratings vary."""
    both = sessions.loc[sessions[alliance].notna() & sessions[SYMPTOMS].notna(), [CLIENT, alliance, SYMPTOMS]]
    per_client = both.groupby(CLIENT)
    long_enough = per_client.size() >= MIN_SESSIONS
    varying = (per_client[[alliance, SYMPTOMS]].nunique() > 1).all(axis=1)
    usable = int((long_enough & varying).sum())
    needs = f"At least {MIN_CLIENTS} clients with {MIN_SESSIONS} or more sessions that have both, varying within them."
    enough, total = int(long_enough.sum()), sessions[CLIENT].nunique()
    facts = f"{enough:,} of {total:,} clients have {MIN_SESSIONS} or more sessions with {alliance} and {SYMPTOMS}"
    if usable < MIN_CLIENTS:
        return False, f"{facts}, and in {usable} of them both vary; at least {MIN_CLIENTS} are needed.", needs
    return True, f"{facts}; in {usable:,} of them both vary.", ""


_ANSWERS: dict[str, Callable[[pd.DataFrame, dict[str, Measure]], Answer]] = {"01": _who, "02": _alliance_and_symptoms}
