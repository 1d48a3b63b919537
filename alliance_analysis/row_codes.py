"""Turns the keys of rows into one whole number each: millions of rows are compared without copying their texts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

_LARGEST = 2**62


def row_codes(columns: Iterable[pd.Series | pd.Index | np.ndarray]) -> np.ndarray:
    """Return one number per row, the same for rows with the same values; empty cells count as one value.

    Examples
    --------
    >>> row_codes([np.array(["a", "a", "b", "a"]), np.array([1, 2, 1, 1])]).tolist()
    [0, 1, 2, 0]
    """
    total: np.ndarray | None = None
    size = 1
    for column in columns:
        codes, found = pd.factorize(column, use_na_sentinel=False)
        if total is None:
            total, size = codes.astype(np.int64), max(len(found), 1)
            continue
        if size * max(len(found), 1) > _LARGEST:
            total, seen = pd.factorize(total)
            size = max(len(seen), 1)
        total *= max(len(found), 1)
        total += codes
        size *= max(len(found), 1)
    return np.empty(0, dtype=np.int64) if total is None else total


def repeated(codes: np.ndarray, *, keep_first: bool = False) -> np.ndarray:
    """Say of every row whether another has its number; with `keep_first`, whether an earlier one has.

    Examples
    --------
    >>> repeated(np.array([4, 7, 4])).tolist(), repeated(np.array([4, 7, 4]), keep_first=True).tolist()
    ([True, False, True], [False, False, True])
    """
    if np.all(codes[1:] > codes[:-1]):
        return np.zeros(len(codes), dtype=bool)
    order = np.argsort(codes, kind="stable")
    in_order = codes[order]
    like_before = np.append(False, in_order[1:] == in_order[:-1])
    flags = like_before if keep_first else like_before | np.append(like_before[1:], False)
    found = np.empty(len(codes), dtype=bool)
    found[order] = flags
    return found
