"""Reads files of SPSS and Stata: codes stay codes, labels are kept beside them, user-missing codes become missing."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alliance_analysis.errors import DataError
from alliance_analysis.study.problems import count
from alliance_analysis.study.readers.isolated import CELLS, SAID
from alliance_analysis.study.readers.table import Cells, Kind

SPSS, STATA = (".sav", ".zsav"), (".dta",)
_MOST_CELLS = 200_000_000
_STATA_OLD = frozenset(range(102, 116))
_PROGRAM = {".sav": "SPSS", ".zsav": "SPSS", ".dta": "Stata"}
_MOST_SECONDS = 900


def read_statistics(name: str, path: Path) -> Cells:
    """Read a file of SPSS (sav, zsav) or Stata (dta).

    Raises
    ------
    DataError
        When it is damaged or no such file.
    """
    suffix = path.suffix.lower()
    _check_start(name, path, suffix)
    frame, said = _read(name, path)
    frame = frame.set_axis(range(frame.shape[1]), axis=1)
    notes = _drop_user_missing(name, frame, said["missing"])
    labels = {place: text for place, text in enumerate(said["labels"]) if text}
    values = {
        place: {value: str(label) for value, label in each} for place, each in enumerate(said["value_labels"]) if each
    }
    kind: Kind = "stata" if suffix in STATA else "spss"
    return Cells(frame, said["header"], 1, notes, False, labels, values, kind)


def _check_start(name: str, path: Path, suffix: str) -> None:
    """Refuse what is no such file, or claims more cells than a study can have, before a C library reads it."""
    with path.open("rb") as file:
        start = file.read(176)
    size = path.stat().st_size
    damaged = f"{name}: is not a file of {_PROGRAM[suffix]}, or it is damaged. Save it again."
    if suffix in STATA:
        if not (start.startswith(b"<stata_dta>") or (start and start[0] in _STATA_OLD and size > 109)):
            raise DataError(damaged)
        return
    if not start.startswith((b"$FL2", b"$FL3")) or len(start) < 176:
        raise DataError(damaged)
    order = "<" if start[64:68] in (b"\x02\0\0\0", b"\x03\0\0\0") else ">"
    width, compression, _, rows = struct.unpack(f"{order}4i", start[68:84])
    plain = compression == 0 and width > 0 and rows > 0 and 8 * width * rows > 2 * size
    if width < -1 or rows < -1 or compression not in (0, 1, 2) or plain or max(width, 1) * max(rows, 1) > _MOST_CELLS:
        raise DataError(damaged)


def _read(name: str, path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read a file in a program of its own and return its cells and what it says of them."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "alliance_analysis.study.readers.isolated", str(path.resolve()), folder]
        try:
            ended = subprocess.run(command, capture_output=True, timeout=_MOST_SECONDS, check=False)
            if ended.returncode == 0:
                said = json.loads(Path(folder, SAID).read_text(encoding="utf-8"))
                return pd.read_parquet(Path(folder, CELLS)), said
        except (OSError, subprocess.TimeoutExpired, ValueError):
            pass  # said below: whatever ended it, the file cannot be read
    program = _PROGRAM[path.suffix.lower()]
    raise DataError(f"{name}: cannot be read as a file of {program}; it may be damaged. Save it again.")


def _drop_user_missing(name: str, frame: pd.DataFrame, missing: list[list[dict[str, Any]]]) -> list[str]:
    """Empty the cells whose codes the file itself calls missing, and say how many there were of each."""
    found: dict[str, tuple[int, int]] = {}
    for column, ranges in enumerate(missing):
        cells = frame[column]
        codes = np.zeros(len(cells), dtype=bool)
        for each in ranges:
            codes |= _within(cells, each["lo"], each["hi"])
        if codes.any():
            values = sorted({f"{value:g}" if isinstance(value, float) else str(value) for value in cells[codes]})
            shown = ", ".join(values[:5])
            columns, number = found.get(shown, (0, 0))
            found[shown] = (columns + 1, number + int(codes.sum()))
            frame[column] = cells.mask(codes)
    return [
        f"{name}: {count(number, 'cell')} of {count(columns, 'column')} with {shown} read as missing, as the file says."
        for shown, (columns, number) in found.items()
    ]


def _within(cells: pd.Series, low: Any, high: Any) -> np.ndarray:
    if isinstance(low, str):
        return (cells.astype(str).str.strip() == low.strip()).to_numpy(dtype=bool)
    numbers = pd.to_numeric(cells, errors="coerce")
    return ((numbers >= low) & (numbers <= high)).to_numpy(dtype=bool)
