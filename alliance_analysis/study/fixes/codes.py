"""Finds what values outside a scale and words among numbers may mean, and the piece of study.yml that says so."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from alliance_analysis.study.battery import Battery
from alliance_analysis.study.definition import Definition
from alliance_analysis.study.fixes.answers import are_words
from alliance_analysis.study.measure import Measure
from alliance_analysis.study.problems import show
from alliance_analysis.study.snippet import Scalar, snippet

MOST_CODES = 4  # a form has codes for "not answered", "not applicable" and little else; more values are no codes
OFTEN = 3  # a slip of the pen is not repeated so often; a word that is, has a meaning
WIDER_SHARE = 0.01  # of the answers: single slips beyond the scale do not make a wider scale
WIDER_STEPS = 2  # forms with five steps exist with six and seven
_CODE = re.compile(r"-\d+|([789])\1*")  # -9, 99, 888: what exports write for a missing answer
NO_ANSWER = {
    ".", "-", "--", "?", "/", "x", "na", "n.a.", "n/a", "k.a.", "ka", "keine angabe", "fehlt", "fehlend", "missing",
    "null", "nil", "leer", "none", "sysmis", "not answered", "unknown",
}  # fmt: skip


def missing_codes(battery: Battery) -> list[Scalar]:
    """Return the values and words of a measure that seem to mean that there is no answer."""
    return [*_numbers(battery), *([] if are_words(battery) else _words(battery))]


def _numbers(battery: Battery) -> list[Scalar]:
    if battery.limits is None:
        return []
    low, high = battery.limits
    values = battery.answers
    outside = pd.Series(values[(values < low) | (values > high)]).value_counts()
    if not 0 < len(outside) <= MOST_CODES or _wider(battery) or _lower(battery):
        return []
    # further out than the scale is wide, and again and again: no slip of the pen
    far = [abs(value - (low + high) / 2) > high - low and times >= OFTEN for value, times in outside.items()]
    codes = [bool(_CODE.fullmatch(f"{value:.12g}")) for value in outside.index]
    return sorted(outside.index) if all(a or b for a, b in zip(far, codes, strict=True)) else []


def _words(battery: Battery) -> list[Scalar]:
    known = {*battery.measure.missing}
    found = {word: times for word, times in battery.words.items() if word not in known and show(word) == repr(word)}
    often = [str(word) for word, times in found.items() if times >= OFTEN or str(word).casefold() in NO_ANSWER]
    return sorted(often) if len(found) <= MOST_CODES else [word for word in often if word.casefold() in NO_ANSWER]


def code_fix(battery: Battery, codes: Sequence[Scalar], definition: Definition, everywhere: Sequence[Scalar]) -> str:
    """Return the line with the codes for missing: for the whole study where no measure can have such a value.

    Parameters
    ----------
    battery : Battery
        The measure.
    codes : sequence
        Its codes.
    definition : Definition
        The study file.
    everywhere : sequence
        Codes of all measures of the study, so that one line says all.
    """
    if all(_impossible(code, one) for code in everywhere for one in definition.measures.values()):
        return snippet(("missing",), list(dict.fromkeys([*definition.missing, *everywhere])))
    own = list(dict.fromkeys([*battery.measure.missing, *codes]))
    return snippet(("measures", battery.measure.name, "missing"), own)


def _impossible(code: Scalar, measure: Measure) -> bool:
    if isinstance(code, str):
        return True
    low, high = (measure.item_low, measure.item_high) if measure.items else (measure.low, measure.high)
    return low is not None and high is not None and not low <= code <= high


def _whole(values: np.ndarray) -> np.ndarray:
    given = values[~np.isnan(values)]
    return given if (given % 1 == 0).all() else given[:0]


def _lower(battery: Battery) -> bool:
    """Say whether all answers lie on the same scale counted from one less: 0 to 4 for 1 to 5."""
    answers = battery.answers[~np.isnan(battery.answers)]
    if battery.limits is None or not answers.size or (battery.measure.score == "sum" and not battery.measure.items):
        return False
    low, high = battery.limits
    return bool(low - 1 <= answers.min() < low and answers.max() <= high - 1)


def _wider(battery: Battery) -> float | None:
    """Return the highest answer where the form seems to have more steps than the instrument usually has."""
    answers = _whole(battery.answers)
    if battery.limits is None or not answers.size:
        return None
    low, high = battery.limits
    beyond = answers[answers > high]
    steps = beyond.size and high < beyond.max() <= high + WIDER_STEPS and np.unique(beyond).size == beyond.max() - high
    return float(beyond.max()) if steps and answers.min() >= low and beyond.size > WIDER_SHARE * answers.size else None


def scale_fix(battery: Battery) -> tuple[str, str]:
    """Return another scale on which all values would be possible, as a sentence and a piece of study.yml, or ""."""
    if battery.limits is None:
        return "", ""
    (low, high), path = battery.limits, ("measures", battery.measure.name)
    other = (low - 1, high - 1) if _lower(battery) else (low, most) if (most := _wider(battery)) else None
    if other:
        text = f"All answers lie between {other[0]:g} and {other[1]:g}: the form may be coded so. "
        return text, snippet((*path, "range"), other, "if the form is coded so")
    known = battery.measure.known
    score = "sum" if battery.measure.score == "mean" else "mean"
    possible = known.score_range(score) if known and not battery.measure.items else None
    values = battery.answers[~np.isnan(battery.answers)]
    if possible and values.size and values.min() >= possible[0] and values.max() <= possible[1]:
        text = f"All values lie between {possible[0]:g} and {possible[1]:g}, where the {score} of the items can lie. "
        return text, snippet((*path, "score"), score, f"if the column is the {score}")
    return "", ""
