"""Finds items that run against the rest of their battery: not reversed, or reversed twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alliance_analysis.study.battery import Battery
from alliance_analysis.study.notes import name_columns
from alliance_analysis.study.problems import WARNS, Problem, count
from alliance_analysis.study.snippet import snippet
from alliance_analysis.study.vocabulary import CLIENT

FEWEST_ITEMS = 4
FEWEST_CLIENTS = 20
CLEARLY = 0.2
"""Correlation of an item with the rest: weak items of good batteries lie near zero, reversed ones as far below it as
the others above."""
SAMPLING_ERRORS = 3
"""Standard errors below zero, with the clients as cases: their sessions are no independent cases."""
MOST_ROWS = 100_000
"""Looked at, evenly from the whole file: a correlation from so many rows has no error that matters here."""


@dataclass(frozen=True)
class _Against:
    """Which items run against the rest, how much, and below which correlation that is no chance."""

    items: np.ndarray
    correlations: np.ndarray
    limit: float


def find_reversed_items(battery: Battery) -> list[Problem]:
    """Return a doubt when items correlate negatively with the rest of their battery, after `reverse:` is applied."""
    found = _against(battery)
    if found is None:
        return []
    columns = np.array(battery.columns, dtype=object)
    turned = battery.reversed_items
    right = [str(one) for one in columns[turned ^ found.items]]
    fix = snippet(("measures", battery.measure.name, "reverse"), right, "check against the form")
    text = _sentence(columns[found.items].tolist(), found, turned)
    return [Problem(battery.part.table.name, battery.measure.name, text, severity=WARNS, fix=fix)]


def items_against(battery: Battery) -> list[str]:
    """Return the columns of items that run against the rest of their battery, after `reverse:` is applied."""
    found = _against(battery)
    return [] if found is None else [str(one) for one in np.array(battery.columns, dtype=object)[found.items]]


def _against(battery: Battery) -> _Against | None:
    answers, frame = _turned(battery), battery.part.frame
    if answers is None:
        return None
    clients = frame[CLIENT].nunique() if CLIENT in frame else len(answers)
    if clients < FEWEST_CLIENTS or len(answers) < FEWEST_CLIENTS:
        return None
    limit = max(CLEARLY, SAMPLING_ERRORS / np.sqrt(clients))
    correlations = _with_rest(answers)
    items = correlations < -limit
    return _Against(items, correlations[items], limit) if items.any() else None


def _turned(battery: Battery) -> np.ndarray | None:
    """Return complete answers with the reversed items turned; None where there is nothing to correlate."""
    if len(battery.names) < FEWEST_ITEMS:
        return None
    answers = battery.answers[:: max(1, len(battery.part.rows) // MOST_ROWS)]
    answers = answers[~np.isnan(answers).any(axis=1)] * np.where(battery.reversed_items, -1.0, 1.0)
    return answers if len(answers) and (answers.std(axis=0) > 0).all() else None


def _with_rest(answers: np.ndarray) -> np.ndarray:
    """Return each item's correlation with the rest, once items that run against the majority are turned.

    Several wrong items would spoil the rest they are compared with; the first principal component tells the two sides
    apart, and the larger side is taken to be right.
    """
    r = np.corrcoef(answers, rowvar=False)
    side = np.sign(np.linalg.eigh(r)[1][:, -1])
    side[side == 0] = 1.0
    if (side < 0).sum() * 2 > len(side):
        side = -side
    z = (answers - answers.mean(axis=0)) / answers.std(axis=0)
    rest = (z * side).sum(axis=1)[:, None] - z * side
    rest = rest - rest.mean(axis=0)
    spread = rest.std(axis=0)
    return np.where(spread > 0, (z * rest).mean(axis=0) / np.where(spread > 0, spread, 1.0), 0.0)


def _sentence(columns: Sequence[str], found: _Against, turned: np.ndarray) -> str:
    few = len(columns) == 1
    ends = [f"{one:.2f}" for one in sorted({found.correlations.min().round(2), found.correlations.max().round(2)})]
    number = " to ".join(ends).replace("-", "−")
    text = f"{name_columns(columns)} correlate{'s' if few else ''} {number} with the rest of the battery, below "
    text += f"−{found.limit:.2f}, after reversing. "
    if turned.any() and (turned == found.items).all():
        return (
            text + f"These are all of its {count(int(turned.sum()), 'reversed item')}: they seem to be recoded already."
        )
    if (turned & found.items).any():
        return text + "The file seems to hold recoded items, or `reverse:` names wrong ones."
    return text + f"{'It seems' if few else 'They seem'} to be reversed and not yet turned."
