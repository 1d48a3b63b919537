"""Says, question by question, whether a study's data can answer it, with the counts that decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from alliance_analysis.study.measure import Measure
from alliance_analysis.study.problems import count
from alliance_analysis.study.vocabulary import (
    ALLIANCE,
    ALLIANCE_CLIENT,
    ALLIANCE_THERAPIST,
    CLIENT,
    DATE,
    PHASE,
    PHASES,
    SESSION,
    SYMPTOMS,
    THERAPIST,
)

MIN_SESSIONS = 3  # within-client effects need three sessions of a client (METHODS A1)
MIN_CLIENTS = 10
MIN_PAIRS = 30  # pairs of sessions for a within-client effect from one session to the next
MIN_SURFACE_CLIENTS = 20  # clients for a surface of six coefficients
MIN_THERAPISTS = 5  # with fewer, a variance between therapists cannot be estimated at all (METHODS A2)

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
    Question("03", "client_and_therapist_agreement", "How far do client and therapist agree?", "replication"),
    Question(
        "07",
        "therapists_clients_sessions",
        "How much lies between therapists, between clients, within clients?",
        "replication",
    ),
    Question("10", "agreement_and_outcome", "Agreement and outcome", "replication"),
)


def answer_questions(
    sessions: pd.DataFrame, measures: dict[str, Measure], max_gap_days: int | None = None
) -> pd.DataFrame:
    """Return one row per question: ``question slug title kind answerable reason needs``.

    Parameters
    ----------
    sessions : DataFrame
        Tidy sessions.
    measures : dict
        Name -> Measure.
    max_gap_days : int, optional
        Sessions further apart are no neighbours; applies where the sessions have dates.
    """
    rows = []
    for question in QUESTIONS:
        answerable, reason, needs = _ANSWERS[question.number](sessions, measures, max_gap_days)
        rows.append((question.number, question.slug, question.title, question.kind, answerable, reason, needs))
    return pd.DataFrame(rows, columns=["question", "slug", "title", "kind", "answerable", "reason", "needs"])


def alliance_column(sessions: pd.DataFrame) -> str | None:
    """Return the alliance rating a study has: the client's, else the therapist's, else an observer's."""
    return next((name for name in ALLIANCE if name in sessions and sessions[name].notna().any()), None)


def _who(sessions: pd.DataFrame, measures: dict[str, Measure], max_gap_days: int | None) -> Answer:
    clients = sessions[CLIENT].nunique()
    return True, f"{count(len(sessions), 'session')} of {count(clients, 'client')}.", ""


def _alliance_and_symptoms(sessions: pd.DataFrame, measures: dict[str, Measure], max_gap_days: int | None) -> Answer:
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
    same_session = (measures[alliance].collected, measures[SYMPTOMS].collected) == ("before", "after")
    treatment = _treatment_rows(sessions)
    pairs = count_pairs(treatment, alliance, same_session=same_session, max_gap_days=max_gap_days)
    return _enough(treatment, alliance, pairs)


def _treatment_rows(sessions: pd.DataFrame) -> pd.DataFrame:
    return sessions[sessions[PHASE].isna() | (sessions[PHASE] == PHASES[0])] if PHASE in sessions else sessions


def count_pairs(
    treatment: pd.DataFrame, alliance: str, *, same_session: bool, max_gap_days: int | None = None
) -> pd.Series:
    """Count each client's sessions whose symptoms have symptoms and an alliance rating before them.

    Parameters
    ----------
    treatment : DataFrame
        Treatment rows. Session 0, the intake, is no session.
    alliance : str
        Column of the alliance rating.
    same_session : bool
        True: the alliance is rated before, symptoms after the session, so that the same session's rating comes before.
        False: the rating of the session before.
    max_gap_days : int, optional
        Longest gap between the two sessions, where there are dates.

    Returns
    -------
    Series
        Clients with at least one pair -> number of pairs.

    Notes
    -----
    The session before is the one whose number is exactly one lower, of the same client and therapist.

    Examples
    --------
    >>> frame = pd.DataFrame({"client": "a", "session": [1, 2, 4], "alliance_client": 3.0, "symptoms": [9.0, 8.0, 7.0]})
    >>> count_pairs(frame, "alliance_client", same_session=False).to_dict()
    {'a': 1}
    """
    dyad = [name for name in (CLIENT, THERAPIST) if name in treatment]
    dated = [DATE] if max_gap_days is not None and DATE in treatment else []
    rated = treatment.loc[(treatment[SESSION] >= 1) & treatment[SYMPTOMS].notna(), [*dyad, SESSION, alliance, *dated]]
    later = rated if not same_session else rated[rated[alliance].notna()]
    earlier = rated if same_session else rated[rated[alliance].notna()]
    earlier = earlier.assign(**{SESSION: earlier[SESSION] + 1})
    pairs = later.merge(earlier, on=[*dyad, SESSION], suffixes=("", "_earlier"))
    if dated:
        days = (pairs[DATE] - pairs[f"{DATE}_earlier"]).dt.days
        pairs = pairs[days.between(0, max_gap_days)]
    return pairs.groupby(CLIENT).size()


def _enough(sessions: pd.DataFrame, alliance: str, pairs: pd.Series) -> Answer:
    """Say whether enough clients have enough sessions on which both are rated, vary, and follow one another."""
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
    needs = f"At least {MIN_PAIRS} pairs of consecutive sessions with both, from at least {MIN_CLIENTS} clients."
    total_pairs = int(pairs.sum())
    if not total_pairs:
        return False, f"{facts}, but no two consecutive sessions (such as 1 and 2) of a client have both.", needs
    counted = f"{count(total_pairs, 'pair')} of consecutive sessions from {count(len(pairs), 'client')}"
    if total_pairs < MIN_PAIRS or len(pairs) < MIN_CLIENTS:
        short = f"{facts}, but there are only {counted}"
        return False, f"{short}; at least {MIN_PAIRS} from {MIN_CLIENTS} clients are needed.", needs
    return True, f"{facts}; in {usable:,} of them both vary; {counted}.", ""


def _levels(sessions: pd.DataFrame, measures: dict[str, Measure], max_gap_days: int | None) -> Answer:
    needs = (
        f"Therapist ids, with {MIN_THERAPISTS} or more therapists who see 2 or more clients, and an alliance rating "
        f"and {SYMPTOMS} at {MIN_SESSIONS} or more sessions of {MIN_CLIENTS} or more clients."
    )
    if THERAPIST not in sessions:
        return False, "The sessions have no therapist ids.", needs
    alliance = alliance_column(sessions)
    if alliance is None or SYMPTOMS not in sessions or not sessions[SYMPTOMS].notna().any():
        absent = "alliance ratings" if alliance is None else SYMPTOMS
        return False, f"The sessions have no {absent}.", needs
    treatment = _treatment_rows(sessions)
    rated = treatment[alliance].notna() & treatment[SYMPTOMS].notna()
    both = treatment[rated & (treatment[SESSION] >= 1)]  # an intake is no session
    per_client = both.groupby(CLIENT).size()
    enough = per_client.index[per_client >= MIN_SESSIONS]
    caseloads = both[both[CLIENT].isin(enough)].groupby(THERAPIST)[CLIENT].nunique()
    several = int((caseloads >= 2).sum())
    facts = (
        f"{count(len(enough), 'client')} with {MIN_SESSIONS} or more sessions that have both {alliance} and {SYMPTOMS}"
        f", of {count(len(caseloads), 'therapist')}, {several:,} of whom see 2 or more such clients"
    )
    if several < MIN_THERAPISTS or len(enough) < MIN_CLIENTS:
        return False, f"There are {facts}; at least {MIN_THERAPISTS} such therapists are needed.", needs
    return True, f"{facts}.", ""


def _both_raters(sessions: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the treatment sessions that client and therapist both rated, and what is missing in words."""
    absent = [
        rater
        for rater, name in (("client", ALLIANCE_CLIENT), ("therapist", ALLIANCE_THERAPIST))
        if name not in sessions or not sessions[name].notna().any()
    ]
    if absent:
        return sessions.iloc[:0], f"The sessions have no alliance ratings by the {' and none by the '.join(absent)}."
    treatment = _treatment_rows(sessions)
    return treatment.dropna(subset=[ALLIANCE_CLIENT, ALLIANCE_THERAPIST]), ""


def _agreement(sessions: pd.DataFrame, measures: dict[str, Measure], max_gap_days: int | None) -> Answer:
    needs = (
        f"Ratings of the alliance by client and therapist of the same sessions, from at least {MIN_CLIENTS} clients."
    )
    both, absent = _both_raters(sessions)
    if absent:
        return False, absent, needs
    clients = both[CLIENT].nunique()
    facts = f"Both rated {count(len(both), 'session')} of {count(clients, 'client')}"
    if clients < MIN_CLIENTS:
        return False, f"{facts}; at least {MIN_CLIENTS} clients are needed.", needs
    repeated = int((both.groupby(CLIENT).size() >= 2).sum())
    more = (
        f"{repeated:,} of them have two or more" if repeated else "none has two, so nothing can be said within clients"
    )
    return True, f"{facts}; {more}.", ""


def _agreement_and_outcome(sessions: pd.DataFrame, measures: dict[str, Measure], max_gap_days: int | None) -> Answer:
    needs = (
        f"Ratings of the alliance by client and therapist of the same sessions, and {SYMPTOMS} at later ones, from at "
        f"least {MIN_SURFACE_CLIENTS} clients."
    )
    both, absent = _both_raters(sessions)
    if absent:
        return False, absent, needs
    if SYMPTOMS not in sessions or not sessions[SYMPTOMS].notna().any():
        return False, f"The sessions have no {SYMPTOMS}.", needs
    if sessions.groupby(CLIENT)[SESSION].nunique().max() < 2:
        return False, "Every client has one session, so no outcome comes after a rating.", needs
    untimed = [name for name in (ALLIANCE_CLIENT, SYMPTOMS) if measures[name].collected is None]
    if untimed:
        reason = f"It is not known whether {' and '.join(untimed)} were collected before or after the session."
        return False, reason, "`collected: before` or `collected: after` of each measure."
    treatment = _treatment_rows(sessions)
    rated = treatment.assign(**{_PAIR: treatment[ALLIANCE_CLIENT].where(treatment[ALLIANCE_THERAPIST].notna())})
    same_session = (measures[ALLIANCE_CLIENT].collected, measures[SYMPTOMS].collected) == ("before", "after")
    pairs = count_pairs(rated, _PAIR, same_session=same_session, max_gap_days=max_gap_days)
    counted = f"{count(int(pairs.sum()), 'pair')} of consecutive sessions from {count(len(pairs), 'client')}"
    facts = f"Both rated {count(len(both), 'session')} of {count(both[CLIENT].nunique(), 'client')}; {counted}"
    facts += f" have {SYMPTOMS} too"
    if len(pairs) < MIN_SURFACE_CLIENTS or pairs.sum() < MIN_PAIRS:
        return False, f"{facts}; at least {MIN_PAIRS} pairs from {MIN_SURFACE_CLIENTS} clients are needed.", needs
    return True, f"{facts}.", ""


_PAIR = "_rated_by_both"

_ANSWERS: dict[str, Callable[[pd.DataFrame, dict[str, Measure], int | None], Answer]] = {
    "01": _who,
    "02": _alliance_and_symptoms,
    "03": _agreement,
    "07": _levels,
    "10": _agreement_and_outcome,
}
