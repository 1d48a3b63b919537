"""Looks at which items of a battery run against the others, which is how a reversed item shows in raw answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

SEEN_ROWS = 20_000
_ENOUGH = 40
_CLEAR = 0.3


def items_against(frame: pd.DataFrame, columns: Sequence[str], missing: Sequence[float] = ()) -> list[str] | None:
    """Return the items that run against most of the others; None when too little is seen to say so.

    The sign of the loadings on the first principal component of the correlations decides. The component has to be
    larger than that of independent answers (Marčenko and Pastur's upper edge), and every loading has to be clear: an
    item that goes with nothing tells nothing about its direction.

    Parameters
    ----------
    frame : DataFrame
        One column per item, answers as the file has them.
    columns : sequence of str
        The items.
    missing : sequence of float, optional
        Codes to leave out.

    Examples
    --------
    >>> answers = pd.DataFrame({"a": [1, 2, 3, 4] * 20, "b": [1, 2, 3, 3] * 20, "c": [5, 4, 2, 1] * 20})
    >>> items_against(answers, ["a", "b", "c"])
    ['c']
    """
    answers = frame[list(columns)].iloc[:SEEN_ROWS].apply(pd.to_numeric, errors="coerce")
    answers = answers.mask(answers.isin(list(missing))).dropna()
    if len(columns) < 3 or len(answers) < _ENOUGH:
        return None
    values = answers.to_numpy(dtype=float)
    spread = values.std(axis=0)
    if (spread == 0).any():
        return None
    sizes, vectors = np.linalg.eigh(np.corrcoef(values, rowvar=False))
    if sizes[-1] <= (1 + np.sqrt(len(columns) / len(values))) ** 2:
        return None
    loadings = vectors[:, -1]
    if np.abs(loadings).min() < _CLEAR / np.sqrt(len(columns)):
        return None
    majority = np.sign(np.sum(np.sign(loadings))) or 1.0
    return [column for column, loading in zip(columns, loadings, strict=True) if np.sign(loading) != majority]
