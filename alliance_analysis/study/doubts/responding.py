"""Finds forms that were answered with one and the same answer from top to bottom."""

from __future__ import annotations

import numpy as np

from alliance_analysis.study.battery import Battery
from alliance_analysis.study.doubts.rows import name_rows
from alliance_analysis.study.problems import WARNS, Problem, count
from alliance_analysis.study.vocabulary import CLIENT

FEWEST_ITEMS = 5  # the same answer to four questions is nothing unusual
FEWEST_FORMS = 5
CONTRADICTION = 0.05
"""Of the forms: where items are reversed, one answer throughout says both yes and no; a few are slips."""
ONE_IN_FIVE = 0.2
"""Of the forms: where no item is reversed, one answer throughout may be meant, and only very many are odd."""


def find_straight_lines(battery: Battery) -> list[Problem]:
    """Return a doubt when many forms of a battery have the same answer to every item.

    Where items are reversed only the middle answer can be meant throughout; elsewhere the two ends of the scale can
    (no symptoms at all, full agreement) and are not counted.
    """
    if len(battery.names) < FEWEST_ITEMS or battery.limits is None:
        return []
    (low, high), answers = battery.limits, battery.answers
    complete = ~np.isnan(answers).any(axis=1)
    first = answers[:, 0]
    straight = complete & (answers == first[:, None]).all(axis=1)
    turned = battery.reversed_items
    contrary = turned.any() and not turned.all()
    meant = np.isclose(first, (low + high) / 2) if contrary else (first == low) | (first == high)
    odd = straight & ~meant
    most = CONTRADICTION if contrary else ONE_IN_FIVE
    if odd.sum() < FEWEST_FORMS or odd.sum() <= most * complete.sum():
        return []
    part = battery.part
    clients = f" of {count(part.frame.loc[odd, CLIENT].nunique(), 'client')}" if CLIENT in part.frame else ""
    text = f"{int(odd.sum()):,} of {int(complete.sum()):,} complete forms{clients} have the same answer to all "
    text += f"{len(battery.names)} items ({name_rows(part.rows[odd])}); "
    text += (
        f"some items are reversed, so that it contradicts itself, and more than {most:.0%} is no chance. "
        if contrary
        else f"the ends of the scale are not counted, and more than {most:.0%} is much. "
    )
    text += "Are these real answers, or was the form ticked through? Check `reverse:` too."
    return [Problem(part.table.name, battery.measure.name, text, severity=WARNS)]
