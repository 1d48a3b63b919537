"""Finds blocks of sessions of one client that stand value for value at another client too."""

from __future__ import annotations

from collections.abc import Sequence
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
_SPREAD = np.uint64(0x9E37_79B9_7F4A_7C15)


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
    filled = np.zeros(len(part.frame), dtype=np.int16)
    for name in columns:
        filled += part.frame[name].notna().to_numpy()
    enough = (filled >= FEWEST_VALUES)[course.order]
    order, dyad = course.order[enough], course.dyad[enough]
    if len(order) < SHORTEST:
        return []
    hashes = _hash([part.frame[name] for name in columns])[order]
    del enough, filled
    new = np.r_[True, np.diff(dyad) != 0]
    at = np.arange(len(order), dtype=np.int32)
    sessions = _Sessions(
        hashes,
        at - np.maximum.accumulate(np.where(new, at, np.int32(0))),
        new | np.r_[True, hashes[1:] != hashes[:-1]],
        pd.factorize(part.frame[CLIENT])[0].astype(np.int32)[order],
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


def _hash(columns: Sequence[pd.Series]) -> np.ndarray:
    """Return one number for all values of a row; missing values are alike.

    Column by column: a table of five million rows is not copied.
    """
    mixed = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        values = column.to_numpy(dtype=float) + 0.0  # a copy, in which -0 is 0
        values[np.isnan(values)] = np.nan
        mixed ^= values.view(np.uint64)
        mixed *= _SPREAD
        mixed ^= mixed >> np.uint64(32)
    return mixed


def _blocks(sessions: _Sessions, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the last positions of all blocks of a length within a dyad, and one number for the values of each."""
    ends = np.flatnonzero(sessions.place >= length - 1).astype(np.int32)
    mixed = np.zeros(len(ends), dtype=np.uint64)
    for back in range(length):
        mixed *= _MIX
        mixed ^= sessions.hashes[ends - np.int32(back)]
    return ends, mixed


def _length(sessions: _Sessions) -> int | None:
    """Return the shortest block that is not alike at two clients by chance, or None."""
    ends, pairs = _blocks(sessions, 2)
    if len(ends) < 2:
        return None
    pairs.sort()
    times = np.diff(np.r_[0, np.flatnonzero(pairs[1:] != pairs[:-1]) + 1, len(pairs)]).astype(float)
    alike = float(np.sum(times * (times - 1))) / (len(ends) * (len(ends) - 1.0))
    lengths = range(SHORTEST, LONGEST + 1)
    return next((n for n in lengths if len(ends) ** 2 / 2 * alike ** (n / 2) < BY_CHANCE), None)


def _alike(sessions: _Sessions, length: int) -> np.ndarray:
    """Return the last positions of blocks that vary, are made of rare sessions, and stand at more than one client."""
    ends, mixed = _blocks(sessions, length)
    ends, mixed = _repeated(ends, mixed)
    everything = np.sort(sessions.hashes)
    telling = np.ones(len(ends), dtype=bool)
    for back in range(length):
        own = sessions.hashes[ends - back]
        times = np.searchsorted(everything, own, "right") - np.searchsorted(everything, own, "left")
        telling &= (times <= COMMON) & (sessions.changed[ends - back] | (back == length - 1))
    ends, mixed = _repeated(ends[telling], mixed[telling])
    several = pd.Series(sessions.client[ends]).groupby(mixed).transform("nunique").to_numpy() > 1
    ends, mixed = ends[several], mixed[several]
    first = pd.Series(ends).groupby(mixed).transform("min").to_numpy()
    return ends[np.lexsort((ends, first))]


def _repeated(ends: np.ndarray, mixed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keep the blocks that stand in the file more than once."""
    ordered = np.sort(mixed)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(twice):
        return ends[:0], mixed[:0]
    kept = twice[np.minimum(np.searchsorted(twice, mixed), len(twice) - 1)] == mixed
    return ends[kept], mixed[kept]


def _tell(part: Part, order: np.ndarray, ends: np.ndarray, clients: np.ndarray, length: int) -> Problem:
    rows = part.rows[order]
    one, other = (f"{rows[end - length + 1]} to {rows[end]}" for end in ends[:2])
    text = f"{count(len(np.unique(clients)), 'client')} share {length} or more sessions in a row in which "
    text += f"every value is the same; first rows {one} and rows {other}. "
    text += f"Blocks of {length} are not alike by chance in this file. "
    text += "Was a block copied, or does one person have two ids?"
    return Problem(part.table.name, "rows", text, severity=WARNS)
