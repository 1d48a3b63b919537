"""The rows of a file in the order of the sessions of each dyad."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_analysis.study.vocabulary import CLIENT, SESSION, THERAPIST


@dataclass(frozen=True)
class Course:
    """The rows of a file, dyad by dyad, session by session.

    Attributes
    ----------
    order : ndarray of int
        Positions of the rows, in that order.
    dyad : ndarray of int
        Number of the dyad of each of them, rising.
    """

    order: np.ndarray
    dyad: np.ndarray


def course_of(frame: pd.DataFrame) -> Course:
    """Return the rows of a frame with ``client session`` and optional ``therapist`` in order.

    Examples
    --------
    >>> course_of(pd.DataFrame({"client": ["b", "a", "a"], "session": [1, 2, 1]}))
    Course(order=array([0, 2, 1], dtype=int32), dyad=array([0, 1, 1], dtype=int32))
    """
    # numbers for ids first: sorting millions of texts takes minutes
    ids = [pd.factorize(frame[name])[0].astype(np.int32) for name in (CLIENT, THERAPIST) if name in frame]
    order = np.lexsort((frame[SESSION].to_numpy(), *reversed(ids))).astype(np.int32)  # no file has two billion rows
    new = np.zeros(len(order), dtype=bool)
    for each in ids:
        new[1:] |= np.diff(each[order]) != 0
    return Course(order, np.cumsum(new, dtype=np.int32))
