"""Sets columns of a frame without copying the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd


def with_columns(frame: pd.DataFrame, columns: Mapping[str, Any]) -> pd.DataFrame:
    """Return a frame with some columns set or added; all others are shared with the frame given.

    Files of items have hundreds of columns, each with its own memory: `DataFrame.assign` warns there that the frame is
    fragmented, and the copy it advises would double the memory of a large file.

    Parameters
    ----------
    frame : DataFrame
        Columns with different names.
    columns : mapping of str to Series, array or scalar
        New values, one per row.

    Examples
    --------
    >>> with_columns(pd.DataFrame({"a": [1, 2]}), {"b": 0}).columns.tolist()
    ['a', 'b']
    """
    return pd.DataFrame({**{name: frame[name] for name in frame}, **columns}, index=frame.index, copy=False)
