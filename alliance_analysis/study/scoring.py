"""Makes scale scores from the answers to single items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd

from alliance_analysis.study.columns import with_columns
from alliance_analysis.study.measure import Measure, subscale_measure
from alliance_analysis.study.notes import name_columns
from alliance_analysis.study.problems import count
from alliance_analysis.study.vocabulary import ALLIANCE, BASELINE, FOLLOW_UP, POST

ITEM = "item:"  # a prefix no contract name has keeps item columns apart from scores until they are scored


@dataclass(frozen=True)
class Scoring:
    """What scoring one scale, or several scored alike, did.

    Attributes
    ----------
    names : tuple of str
        Measures.
    score : str
        "mean" or "sum".
    n_items, n_reversed : int
        Items of each scale, and how many of them are reversed.
    min_answered : float
        Smallest share of answered items for which a score is made.
    prorated, refused : int
        Scores from incomplete answers, and rows with too few answers for a score.
    """

    names: tuple[str, ...]
    score: str
    n_items: int
    n_reversed: int
    min_answered: float
    prorated: int
    refused: int

    def __str__(self) -> str:
        each = "each " if len(self.names) > 1 else ""
        text = f"{name_columns(self.names)}: {each}scored as {self.score} of {count(self.n_items, 'item')}"
        if self.n_reversed:
            text += f", {self.n_reversed} reversed"
        if self.prorated:
            times = " times the number of items" if self.score == "sum" else ""
            text += (
                f"; {count(self.prorated, 'score')} from incomplete answers by the mean of the answered items{times}"
            )
        if self.refused:
            text += f"; {count(self.refused, 'row')} with fewer than {self.min_answered:.0%} answered got no score"
        return text + "."


def gather_scorings(scorings: Sequence[Scoring]) -> list[str]:
    """Return one sentence for all scales that are scored alike."""
    alike: dict[tuple[object, ...], Scoring] = {}
    for one in scorings:
        key = (one.score, one.n_items, one.n_reversed, one.min_answered)
        known = alike.get(key, replace(one, names=(), prorated=0, refused=0))
        alike[key] = replace(
            known,
            names=(*known.names, *one.names),
            prorated=known.prorated + one.prorated,
            refused=known.refused + one.refused,
        )
    return [str(one) for one in alike.values()]


def score_items(answers: np.ndarray, measure: Measure) -> tuple[np.ndarray, Scoring]:
    """Score one scale; rows with too few answers get no score.

    Parameters
    ----------
    answers : ndarray, shape (n_rows, n_items)
        Answers in the order of ``measure.items``; NaN where an item is not answered.
    measure : Measure
        Says which items are reversed, whether the score is a mean or a sum, and the smallest share of answered items.

    Returns
    -------
    scores : ndarray, shape (n_rows,)
    scoring : Scoring
        What scoring did, for the notes of the study.

    Notes
    -----
    Reversed: x -> lowest + highest - x. Score: mean of the answered items; a sum is that mean times the number of items
    (prorated), so that a skipped item does not count as the lowest answer.

    Examples
    --------
    >>> mood = Measure("mood", None, "Mood", 0, 6, True, None, None, False, "sum", None, ("a", "b"), min_answered=0.5)
    >>> score_items(np.array([[1.0, 2.0], [3.0, np.nan]]), mood)[0]
    array([3., 6.])
    """
    return score_columns([answers[:, place] for place in range(np.shape(answers)[1])], measure)


def score_columns(answers: Sequence[np.ndarray], measure: Measure) -> tuple[np.ndarray, Scoring]:
    """Score one scale as `score_items` does, one item after the other: the answers are never copied into one block.

    Parameters
    ----------
    answers : sequence of ndarray, shape (n_rows,)
        Answers in the order of ``measure.items``; NaN where an item is not answered.
    measure : Measure
        As in `score_items`.
    """
    rows, n_items = len(answers[0]), len(answers)
    total, answered = np.zeros(rows), np.zeros(rows, dtype=np.int32)
    flips = measure.item_low is not None and measure.item_high is not None
    turn = cast(float, measure.item_low) + cast(float, measure.item_high) if flips else 0.0
    for item, column in zip(measure.items, answers, strict=True):
        values = np.asarray(column, dtype=float)
        known = ~np.isnan(values)
        flip = flips and item in measure.reverse
        np.add(total, turn - values if flip else values, out=total, where=known)
        answered += known
    # 0.75 of 4 must ask for 3 answers in floating point too
    enough = answered >= max(1, np.ceil(measure.min_answered * n_items - 1e-9))
    scores = np.full(rows, np.nan)
    np.divide(total, answered, out=scores, where=enough)
    if measure.score == "sum":
        scores *= n_items
    prorated = int(np.sum(enough & (answered < n_items)))
    refused = int(np.sum(~enough & (answered > 0)))
    return scores, Scoring(
        (measure.name,), measure.score, n_items, len(measure.reverse), measure.min_answered, prorated, refused
    )


def score_measures(
    frame: pd.DataFrame, measures: dict[str, Measure]
) -> tuple[pd.DataFrame, dict[str, Measure], list[str]]:
    """Replace item columns by scale scores, and subscale scores where the instrument's key is known.

    Returns
    -------
    frame : DataFrame
        Without item columns.
    scored : dict
        The measures this frame holds, subscales included.
    notes : list of str
    """
    scored: dict[str, Measure] = {}
    scores: dict[str, np.ndarray] = {}
    done: list[Scoring] = []
    for measure in measures.values():
        for one in (measure, *_subscales(measure, measures)):
            columns = [ITEM + item for item in one.items]
            if one.items and set(columns) <= set(frame):
                scores[one.name], scoring = score_columns([frame[column].to_numpy() for column in columns], one)
                done.append(scoring)
                scored[one.name] = one
            elif one.name in frame:
                scored[one.name] = one
    kept = frame[[column for column in frame if not column.startswith(ITEM)]]
    return with_columns(kept, scores), scored, gather_scorings(done)


def _subscales(measure: Measure, measures: dict[str, Measure]) -> list[Measure]:
    known = measure.known
    if measure.name not in ALLIANCE or known is None or len(measure.items) != known.n_items:
        return []
    found = [
        subscale_measure(measure, subscale, tuple(measure.items[number - 1] for number in numbers))
        for subscale, numbers in known.subscales.items()
    ]
    return [one for one in found if one.name not in measures]


def inherit(measures: dict[str, Measure], names: list[str]) -> dict[str, Measure]:
    """Return measures for the baseline, post and follow-up columns of the clients file, made from those they repeat."""
    made = {}
    for name in names:
        for suffix, word in ((BASELINE, "baseline"), (POST, "post"), (FOLLOW_UP, "follow-up")):
            base = measures.get(name.removesuffix(suffix))
            if name.endswith(suffix) and base is not None and name not in measures:
                made[name] = replace(base, name=name, label=f"{base.label}, {word}", column=name, items=(), reverse=())
    return made
