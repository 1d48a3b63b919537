"""Finds scores that leave a client's course for one session and come back, or cross most of the scale at once."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_analysis.study.doubts.course import Course
from alliance_analysis.study.doubts.rows import name_rows
from alliance_analysis.study.measure import Measure
from alliance_analysis.study.problems import NOTE, WARNS, Problem, count
from alliance_analysis.study.tidy import Part

SPIKE = 0.5
"""Of the possible range: a client who crosses half the scale and is back a session later is rarer than a slip."""
LEAP = 0.75
"""Of the possible range, without coming back: from one end of the scale close to the other between two sessions."""
ROBUST_SDS = 6
"""Where no range is known: usual changes from session to session are taken from their median absolute deviation."""
FEWEST_CHANGES = 100
"""Below this many changes the usual size of a change is not known well enough to call one unusual."""
MOST = 0.01
"""Of all changes: a measure that does it more often is labile by nature, not mistyped."""
ALWAYS_TOLD = 3
_MAD_TO_SD = 1.4826  # of a normal distribution


def find_jumps(part: Part, scores: pd.DataFrame, course: Course, measures: dict[str, Measure]) -> list[Problem]:
    """Return one doubt per measure with implausible jumps.

    Parameters
    ----------
    part : Part
        A file of sessions.
    scores : DataFrame
        Its rows with scores.
    course : Course
        Their order.
    measures : dict
        Measures to look at.
    """
    found = []
    for name, measure in measures.items():
        if name not in scores:
            continue
        values = scores[name].to_numpy(dtype=float)[course.order]
        given = ~np.isnan(values)
        # a missing score does not part its neighbours, a new client does
        wrong, changes, why = _jumps(values[given], course.dyad[given], measure)
        if wrong.any():
            rows = np.sort(part.rows[course.order[given][wrong]])
            found.append(_tell(part, measure, rows, changes, why))
    return found


def _jumps(values: np.ndarray, dyad: np.ndarray, measure: Measure) -> tuple[np.ndarray, int, str]:
    """Return which values jump, how many changes there are, and what counts as a jump."""
    step = np.diff(values)
    same = dyad[1:] == dyad[:-1]
    changes = int(same.sum())
    wrong = np.zeros(len(values), dtype=bool)
    if len(values) < 2:
        return wrong, changes, ""
    if measure.low is not None and measure.high is not None:
        spike, leap = ((measure.high - measure.low) * share - 1e-9 for share in (SPIKE, LEAP))
        why = f"by {SPIKE:.0%} of the possible range and back at the next session, or by {LEAP:.0%} at once"
    else:
        usual = _MAD_TO_SD * np.median(np.abs(step[same])) if changes >= FEWEST_CHANGES else 0.0
        if usual <= 0:
            return wrong, changes, ""
        spike, leap = ROBUST_SDS * usual, np.inf
        why = f"by {ROBUST_SDS} times the usual change and back at the next session"
    up, down = (step >= spike) & same, (step <= -spike) & same
    wrong[1:-1] = (up[:-1] & down[1:]) | (down[:-1] & up[1:])
    crossed = ((step >= leap) | (step <= -leap)) & same
    # a spike has been told; its way there and back is no further jump
    wrong[1:] |= crossed & ~wrong[:-1] & ~wrong[1:]
    return wrong, changes, why


def _tell(part: Part, measure: Measure, rows: np.ndarray, changes: int, why: str) -> Problem:
    usual = len(rows) > max(ALWAYS_TOLD, MOST * changes)
    text = f"{count(len(rows), 'value leaves', 'values leave')} the client's course {why} ({name_rows(rows)}). "
    text += (
        f"With {len(rows) / changes:.1%} of {changes:,} changes this seems to be how the measure behaves."
        if usual
        else "Compare with the forms: a slip of the pen, or a form filled in the wrong way round?"
    )
    return Problem(part.table.name, measure.name, text, severity=NOTE if usual else WARNS)
