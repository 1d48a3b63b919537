"""Finds what values outside a scale and words among numbers may mean, and the piece of study.yml that says so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_analysis.study.cells import texts
from alliance_analysis.study.definition import Definition
from alliance_analysis.study.fixes.snippet import Scalar, snippet
from alliance_analysis.study.instruments import INSTRUMENTS
from alliance_analysis.study.measure import Measure
from alliance_analysis.study.problems import show
from alliance_analysis.study.tidy import Part

MOST_CODES = 4  # a form has codes for "not answered", "not applicable" and little else; more values are no codes
OFTEN = 3  # a slip of the pen is not repeated so often; a word that is, has a meaning
WIDER_SHARE = 0.01  # of the answers: single slips beyond the scale do not make a wider scale
WIDER_STEPS = 2  # forms with five steps exist with six and seven
_CODE = re.compile(r"-\d+|([789])\1*")  # -9, 99, 888: what exports write for a missing answer
_NO_ANSWER = {
    ".", "-", "--", "?", "/", "x", "na", "n.a.", "n/a", "k.a.", "ka", "keine angabe", "fehlt", "fehlend", "missing",
    "null", "nil", "leer", "none", "sysmis", "not answered", "unknown",
}  # fmt: skip


@dataclass(frozen=True)
class Cells:
    """The cells of one measure in one file.

    Attributes
    ----------
    part : Part
        The file.
    measure : Measure
        The measure.
    names : tuple of str
        Its columns in the frame of the part.
    """

    part: Part
    measure: Measure
    names: tuple[str, ...]

    @property
    def values(self) -> np.ndarray:
        """All numbers, row by row."""
        return self.part.frame[list(self.names)].to_numpy(dtype=float).ravel()

    @property
    def limits(self) -> tuple[float, float] | None:
        """Lowest and highest possible value of a cell."""
        one = self.measure
        low, high = (one.item_low, one.item_high) if one.items else (one.low, one.high)
        return None if low is None or high is None else (low, high)

    @property
    def words(self) -> pd.Series:
        """Cells that are not numbers, with how often each stands there."""
        columns = [self.part.used[name] for name in self.names]
        written = pd.concat([texts(self.part.table.frame[column]) for column in columns])
        numbers = pd.to_numeric(written.str.replace(",", ".", regex=False), errors="coerce")
        return written[(written != "") & numbers.isna()].value_counts()


def missing_codes(cells: Cells) -> list[Scalar]:
    """Return the values and words of a measure that seem to mean that there is no answer."""
    return [*_numbers(cells), *_words(cells)]


def _numbers(cells: Cells) -> list[Scalar]:
    if cells.limits is None:
        return []
    low, high = cells.limits
    values = cells.values
    outside = pd.Series(values[(values < low) | (values > high)]).value_counts()
    if not 0 < len(outside) <= MOST_CODES or _wider(cells) or _lower(cells):
        return []
    # further out than the scale is wide, and again and again: no slip of the pen
    far = [abs(value - (low + high) / 2) > high - low and times >= OFTEN for value, times in outside.items()]
    codes = [bool(_CODE.fullmatch(f"{value:.12g}")) for value in outside.index]
    return sorted(outside.index) if all(a or b for a, b in zip(far, codes, strict=True)) else []


def _words(cells: Cells) -> list[Scalar]:
    known = {*cells.measure.missing}
    found = {word: times for word, times in cells.words.items() if word not in known and show(word) == repr(word)}
    often = [str(word) for word, times in found.items() if times >= OFTEN or str(word).casefold() in _NO_ANSWER]
    return sorted(often) if len(found) <= MOST_CODES else [word for word in often if word.casefold() in _NO_ANSWER]


def code_fix(cells: Cells, codes: Sequence[Scalar], definition: Definition, everywhere: Sequence[Scalar]) -> str:
    """Return the line with the codes for missing: for the whole study where no measure can have such a value.

    Parameters
    ----------
    cells : Cells
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
    own = list(dict.fromkeys([*cells.measure.missing, *codes]))
    return snippet(("measures", cells.measure.name, "missing"), own)


def _impossible(code: Scalar, measure: Measure) -> bool:
    if isinstance(code, str):
        return True
    low, high = (measure.item_low, measure.item_high) if measure.items else (measure.low, measure.high)
    return low is not None and high is not None and not low <= code <= high


def _whole(values: np.ndarray) -> np.ndarray:
    given = values[~np.isnan(values)]
    return given if (given % 1 == 0).all() else given[:0]


def _lower(cells: Cells) -> bool:
    """Say whether all answers lie on the same scale counted from one less: 0 to 4 for 1 to 5."""
    answers = cells.values[~np.isnan(cells.values)]
    if cells.limits is None or not answers.size or (cells.measure.score == "sum" and not cells.measure.items):
        return False
    low, high = cells.limits
    return bool(low - 1 <= answers.min() < low and answers.max() <= high - 1)


def _wider(cells: Cells) -> float | None:
    """Return the highest answer where the form seems to have more steps than the instrument usually has."""
    answers = _whole(cells.values)
    if cells.limits is None or not answers.size:
        return None
    low, high = cells.limits
    beyond = answers[answers > high]
    steps = beyond.size and high < beyond.max() <= high + WIDER_STEPS and np.unique(beyond).size == beyond.max() - high
    return float(beyond.max()) if steps and answers.min() >= low and beyond.size > WIDER_SHARE * answers.size else None


def scale_fix(cells: Cells) -> tuple[str, str]:
    """Return another scale on which all values would be possible, as a sentence and a piece of study.yml, or ""."""
    if cells.limits is None:
        return "", ""
    (low, high), path = cells.limits, ("measures", cells.measure.name)
    other = (low - 1, high - 1) if _lower(cells) else (low, most) if (most := _wider(cells)) else None
    if other:
        text = f"All answers lie between {other[0]:g} and {other[1]:g}: the form may be coded so. "
        return text, snippet((*path, "range"), other, "if the form is coded so")
    known = INSTRUMENTS.get(cells.measure.instrument or "")
    score = "sum" if cells.measure.score == "mean" else "mean"
    possible = known.score_range(score) if known and not cells.measure.items else None
    values = cells.values[~np.isnan(cells.values)]
    if possible and values.size and values.min() >= possible[0] and values.max() <= possible[1]:
        text = f"All values lie between {possible[0]:g} and {possible[1]:g}, where the {score} of the items can lie. "
        return text, snippet((*path, "score"), score, f"if the column is the {score}")
    return "", ""
