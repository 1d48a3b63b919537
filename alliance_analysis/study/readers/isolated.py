"""A program of its own that reads one SPSS or Stata file: a damaged one can crash the C library.

It writes the cells as parquet and what the file says of them as JSON into a folder.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyreadstat

CELLS, SAID = "cells.parquet", "said.json"
OLD_ENCODING = "WINDOWS-1252"


def main() -> None:
    """Read the file of the first argument into the folder of the second."""
    path, folder = Path(sys.argv[1]), Path(sys.argv[2])
    frame, meta = _read(path)
    said = {
        "header": [str(column).strip() for column in frame.columns],
        "labels": [meta.column_names_to_labels.get(column) or "" for column in frame],
        "value_labels": [list(meta.variable_value_labels.get(column, {}).items()) for column in frame],
        "missing": [meta.missing_ranges.get(column, []) for column in frame],
    }
    numbered = frame.set_axis([str(place) for place in range(frame.shape[1])], axis=1)
    numbered.to_parquet(folder / CELLS, index=False)
    (folder / SAID).write_text(json.dumps(said), encoding="utf-8")


def _read(path: Path) -> tuple[pd.DataFrame, Any]:
    stata = path.suffix.lower() == ".dta"
    read = pyreadstat.read_dta if stata else pyreadstat.read_sav
    # codes that the file calls missing are asked for, so that it can be said how many there were
    options: dict[str, Any] = {} if stata else {"user_missing": True}
    try:
        frame, meta = read(str(path), **options)
    except pyreadstat.ReadstatError:
        # old files state no encoding and were written in that of Windows
        frame, meta = read(str(path), encoding=OLD_ENCODING, **options)
    return frame, meta


if __name__ == "__main__":
    main()
