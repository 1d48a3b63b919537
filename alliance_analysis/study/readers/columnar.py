"""Reads parquet files: texts as categories, nothing copied that need not be."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from alliance_analysis.errors import DataError
from alliance_analysis.study.readers.table import Cells

_MOST_CELLS = 200_000_000


def read_parquet(name: str, path: Path) -> Cells:
    """Read a parquet file.

    Raises
    ------
    DataError
        When it cannot be read.
    """
    try:
        with pq.ParquetFile(path) as file:
            size = file.metadata.num_rows * file.metadata.num_columns
            nested = [field.name for field in file.schema_arrow if pa.types.is_nested(field.type)]
        if not nested and size <= _MOST_CELLS:
            frame = _frame(path)
    except Exception as error:  # damaged bytes make arrow raise errors of many unrelated types
        raise DataError(f"{name}: cannot be read as parquet. Write it again.") from error
    if nested:
        raise DataError(f"{name}: the column {nested[0]!r} holds lists or records. Write one value per cell.")
    if size > _MOST_CELLS:
        raise DataError(f"{name}: claims {size:,} cells; up to {_MOST_CELLS:,} are read. Write fewer columns.")
    header = [str(column).strip() for column in frame.columns]
    return Cells(frame.set_axis(range(frame.shape[1]), axis=1), header, 1)


def _frame(path: Path) -> pd.DataFrame:
    texts = [
        field.name
        for field in pq.read_schema(path)
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    ]
    table = pq.read_table(path, read_dictionary=texts)
    frame = table.to_pandas(split_blocks=True, self_destruct=True)
    del table
    pa.default_memory_pool().release_unused()
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    return frame.reset_index(drop=True)
