"""The cells of one measure in one file: its items, or the column of its score, with the limits of a cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_analysis.study.cells import texts
from alliance_analysis.study.measure import Measure, tag_items
from alliance_analysis.study.scoring import ITEM
from alliance_analysis.study.tidy import Part


@dataclass(frozen=True)
class Battery:
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
    def columns(self) -> list[str]:
        """The file's names of its columns."""
        return [self.part.used[name] for name in self.names]

    @property
    def answers(self) -> np.ndarray:
        """Numbers of shape (n_rows, n_columns); NaN where there is none."""
        return self.part.frame[list(self.names)].to_numpy(dtype=float)

    @property
    def limits(self) -> tuple[float, float] | None:
        """Lowest and highest possible value of a cell."""
        one = self.measure
        low, high = (one.item_low, one.item_high) if one.items else (one.low, one.high)
        return None if low is None or high is None else (low, high)

    @property
    def words(self) -> pd.Series:
        """Cells that are neither numbers nor answers in words, with how often each stands there."""
        written = pd.concat([texts(self.part.table.frame[column]) for column in self.columns])
        numbers = pd.to_numeric(written.str.replace(",", ".", regex=False), errors="coerce")
        known = [word for word, _ in self.measure.answers]
        return written[(written != "") & numbers.isna() & ~written.isin(known)].value_counts()

    @property
    def reversed_items(self) -> np.ndarray:
        """Whether the study file or the instrument says of each item that it is reversed."""
        return np.array([column in self.measure.reverse for column in self.columns])


def batteries(part: Part, measures: dict[str, Measure]) -> list[Battery]:
    """Return the measures a file has columns of."""
    found = []
    for measure in measures.values():
        names = [ITEM + item for item in tag_items(measure).items] if measure.items else [measure.name]
        names = [name for name in names if name in part.frame and name in part.used]
        if names:
            found.append(Battery(part, measure, tuple(names)))
    return found
