"""Finds measures whose values pile up at the highest or lowest possible score."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_analysis.study.measure import Measure
from alliance_analysis.study.problems import NOTE, WARNS, Problem
from alliance_analysis.study.tidy import Part

MENTIONED = 0.15  # METHODS 0.13: floor or ceiling above 15 % is told
WARNED = 0.5  # half of all values are one value: the median cannot move any further
FEWEST = 20  # values; below, shares move in steps of more than five per cent


def find_ceilings(part: Part, scores: pd.DataFrame, measures: dict[str, Measure]) -> list[Problem]:
    """Return one doubt, or note, per measure with a ceiling or a floor.

    Parameters
    ----------
    part : Part
        A file.
    scores : DataFrame
        Its rows with scores.
    measures : dict
        Measures to look at.
    """
    found = []
    for name, measure in measures.items():
        if name not in scores or measure.low is None or measure.high is None:
            continue
        values = scores[name].to_numpy(dtype=float)
        values = values[~np.isnan(values)]
        for limit, word in ((measure.high, "highest"), (measure.low, "lowest")):
            share = float(np.mean(np.abs(values - limit) < 1e-9)) if len(values) >= FEWEST else 0.0
            if share > MENTIONED:
                text = f"{share:.0%} of {len(values):,} values are the {word} possible ({limit:g}); more than "
                text += f"{WARNED if share > WARNED else MENTIONED:.0%} is much: what cannot go further hides change, "
                text += "and links with other measures look smaller than they are. Say so where you report them."
                severity = WARNS if share > WARNED else NOTE
                found.append(Problem(part.table.name, measure.name, text, severity=severity))
    return found
