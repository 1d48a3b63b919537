"""Finds blocks of sessions of one client that stand value for value at another client too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_analysis.study.doubts.course import Course
from alliance_analysis.study.problems import WARNS, Problem, count
from alliance_analysis.study.tidy import KEYS, Part
from alliance_analysis.study.vocabulary import CLIENT

SHORTEST, LONGEST = 3, 8
"""Sessions in a row: shorter blocks are alike by chance in most studies; if longer ones are, values say too little."""
BY_CHANCE = 0.01
"""Blocks expected to be alike by chance, from how often two sessions in a row are alike: below this it is no chance."""
COMMON = 10
"""Sessions with the same values: what more sessions than this have in common, such as full agreement and no symptoms,
says nothing, however often it follows upon itself."""
FEWEST_VALUES = 2  # per session: one score is alike in many clients

_MIX = np.uint64(1_099_511_628_211)


def find_duplicated_blocks(part: Part, course: Course) -> list[Problem]:
    """Return a doubt when several sessions in a row are the same at two clients.

    The length of the blocks looked for depends on the data: pairs of sessions in a row are compared first, and the
    length is chosen so that blocks alike by chance are unlikely in a file of this size.

    Parameters
    ----------
    part : Part
        A file of sessions.
    course : Course
        The order of its rows.
    """
    columns = [name for name in part.frame if name not in KEYS and part.frame[name].dtype.kind == "f"]
    if len(columns) < FEWEST_VALUES:
        return []
    filled = (part.frame[columns].notna().sum(axis=1).to_numpy() >= FEWEST_VALUES)[course.order]
    order, dyad = course.order[filled], course.dyad[filled]
    if len(order) < SHORTEST:
        return []
    hashes = pd.util.hash_pandas_object(part.frame[columns], index=False).to_numpy()[order]
    new = np.r_[True, np.diff(dyad) != 0]
    at = np.arange(len(order))
    sessions = _Sessions(
        hashes,
        at - np.maximum.accumulate(np.where(new, at, 0)),
        new | np.r_[True, hashes[1:] != hashes[:-1]],
        pd.factorize(part.frame[CLIENT])[0][order],
    )
    length = _length(sessions)
    ends = _alike(sessions, length) if length else at[:0]
    return [_tell(part, order, ends, sessions.client[ends], length)] if length and len(ends) else []


@dataclass(frozen=True)
class _Sessions:
    """Sessions in order: a number for all values, place in the dyad, whether anything changed, number of the client."""

    hashes: np.ndarray
    place: np.ndarray
    changed: np.ndarray
    client: np.ndarray


def _blocks(sessions: _Sessions, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the last positions of all blocks of a length within a dyad, and one number for the values of each."""
    ends = np.flatnonzero(sessions.place >= length - 1)
    mixed = np.zeros(len(ends), dtype=np.uint64)
    for back in range(length):
        mixed = mixed * _MIX ^ sessions.hashes[ends - back]
    return ends, mixed


def _length(sessions: _Sessions) -> int | None:
    """Return the shortest block that is not alike at two clients by chance, or None."""
    ends, pairs = _blocks(sessions, 2)
    if len(ends) < 2:
        return None
    times = np.unique(pairs, return_counts=True)[1].astype(float)
    alike = float(np.sum(times * (times - 1))) / (len(ends) * (len(ends) - 1.0))
    lengths = range(SHORTEST, LONGEST + 1)
    return next((n for n in lengths if len(ends) ** 2 / 2 * alike ** (n / 2) < BY_CHANCE), None)


def _alike(sessions: _Sessions, length: int) -> np.ndarray:
    """Return the last positions of blocks that vary, are made of rare sessions, and stand at more than one client."""
    ends, mixed = _blocks(sessions, length)
    codes = pd.factorize(sessions.hashes)[0]
    rare = np.bincount(codes)[codes] <= COMMON
    telling = rare[ends - length + 1]
    for back in range(length - 1):
        telling &= sessions.changed[ends - back] & rare[ends - back]
    ends, mixed = ends[telling], mixed[telling]
    repeated = pd.Series(mixed).duplicated(keep=False).to_numpy()
    ends, mixed = ends[repeated], mixed[repeated]
    several = pd.Series(sessions.client[ends]).groupby(mixed).transform("nunique").to_numpy() > 1
    order = np.argsort(mixed[several], kind="stable")
    return ends[several][order]


def _tell(part: Part, order: np.ndarray, ends: np.ndarray, clients: np.ndarray, length: int) -> Problem:
    rows = part.rows[order]
    one, other = (f"{rows[end - length + 1]} to {rows[end]}" for end in ends[:2])
    text = f"{count(len(np.unique(clients)), 'client')} share {length} or more sessions in a row in which "
    text += f"every value is the same; first rows {one} and rows {other}. "
    text += f"Blocks of {length} are not alike by chance in this file. "
    text += "Was a block copied, or does one person have two ids?"
    return Problem(part.table.name, "rows", text, severity=WARNS)
