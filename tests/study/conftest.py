"""Writes small studies to disk and collects the message that loading one raises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from small_study import SESSIONS, STUDY, Writer

from alliance_analysis.errors import DataError
from alliance_analysis.study.studyfile import load_study


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Write study.yml and files (keyword `clients_csv` becomes clients.csv) and return the study file."""

    def write_files(study: str = STUDY, sessions: str = SESSIONS, **files: str) -> Path:
        (tmp_path / "sessions.csv").write_text(sessions, encoding="utf-8")
        for name, content in files.items():
            (tmp_path / name.replace("_", ".")).write_text(content, encoding="utf-8")
        path = tmp_path / "study.yml"
        path.write_text(study, encoding="utf-8")
        return path

    return write_files


@pytest.fixture
def message(write: Writer) -> Callable[..., str]:
    """Return the whole message that loading raises."""

    def load(*args: str, **files: str) -> str:
        path = write(*args, **files)
        with pytest.raises(DataError) as raised:
            load_study(path)
        return str(raised.value)

    return load


@pytest.fixture
def good_frame() -> pd.DataFrame:
    """Twelve clients of three therapists with four sessions each, everything varying."""
    rows = [
        (f"c{client:02d}", f"t{client % 3}", session, 1 + (client + session) % 5, (3 * client + 5 * session) % 28)
        for client in range(12)
        for session in range(1, 5)
    ]
    return pd.DataFrame(rows, columns=["client", "therapist", "session", "alliance_client", "symptoms"])
