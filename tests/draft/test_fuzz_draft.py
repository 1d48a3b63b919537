"""Whatever stands in files: a study file that is valid YAML and says nothing the loader does not know, or one error."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_analysis.draft.guess import Question
from alliance_analysis.draft.study import draft_study
from alliance_analysis.errors import DataError
from alliance_analysis.study.definition import read_definition
from alliance_analysis.study.validate import check_study

HANGS_MS = 20_000  # a draft of forty rows takes a fraction of a second; two shared processors may be slow
ROWS = 40

names = st.sampled_from(
    ["client", "Patient", "ID", "code", "CASE", "REF", "session", "Sitzung", "date", "Timestamp", "therapist", "TherNr", "T",
     "rater", "phase", "status", "dropout", "episode", "score", "WAI_T1", "WAI_T2", "WAI_C_s1", "WAI_C_s2", "PHQ_T1",
     "ORS total", "ORS a", "ORS b", "ORS c", "ORS d", "SRS", "OQTOT", "WAItotal", "العميل", "会话", "a: b", "#", "",
     *(f"wai{number}" for number in range(1, 13)), *(f"PHQ9_{number}" for number in range(1, 10)),
     *(f"item{number}" for number in range(1, 6))]
)  # fmt: skip
words = st.sampled_from(
    ["never", "often", "Always", "not at all", "0 - no", "3", "A1", "A2", "ja", "nein", "client", "Therapist", "pre", "post",
     "Completed", "closed", "2024-05-01", "01.05.2024 10:00", "5/1/2024", "2024/5/1 10:00:00 AM GMT+2", "NA", "99", "-9",
     "3,5", "=1+1", "Maria Huber", "x" * 200, 'he said "no"', "a;b", "{session}", "[x", "WAI 3"]
)  # fmt: skip


@st.composite
def columns(draw: st.DrawFn) -> list[Any]:
    """Forty cells: ids, a running number, answers, decimals, a few words, or anything."""
    kind = draw(st.integers(0, 5))
    each = draw(st.integers(1, 9))
    if kind < 2:
        return [row // each if kind else row % each + 1 for row in range(ROWS)]
    if kind == 2:
        return [""] * ROWS
    cells = [st.integers(0, each), st.floats(-3, 40).map(lambda number: round(number, 2)), words][kind - 3]
    few = draw(st.lists(cells, min_size=1, max_size=7))
    return [few[(row * each + row // 7) % len(few)] for row in range(ROWS)]


files = st.lists(
    st.tuples(
        st.sampled_from(["WAI client.csv", "PHQ9.csv", "s.csv", "T1.csv", "T2.csv", "clients.csv"]),
        st.dictionaries(names, columns(), min_size=1, max_size=20),
        st.sampled_from([",", ";", "\t"]),
    ),
    min_size=1, max_size=3, unique_by=lambda file: file[0],
)  # fmt: skip


@pytest.mark.filterwarnings("error")
@settings(max_examples=120, deadline=HANGS_MS)
@given(files, st.lists(st.integers(0, 5), max_size=12))
def test_any_files_give_a_study_file_the_loader_reads_or_one_error(written: Sequence[Any], answers: list[int]) -> None:
    def ask(question: Question) -> str | None:
        return question.choices[answers.pop() % len(question.choices)] if answers else None

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, frame, separator in written:
            text = io.StringIO()
            csv.writer(text, delimiter=separator).writerows([list(frame), *zip(*frame.values(), strict=True)])
            (folder / name).write_text(text.getvalue(), encoding="utf-8")
        try:
            draft = draft_study([folder / name for name, _, _ in written], folder, ask)
        except DataError:
            return
        (folder / "study.yml").write_text(draft.text("any", "2026-11-27"), encoding="utf-8")
        definition, problems, _ = read_definition(folder / "study.yml")
        assert [str(one) for one in problems if one.line and "measures is missing" not in one.text] == []
        check_study(folder / "study.yml")
        known = {str(column) for _, frame, _ in written for column in frame}
        held = pd.Series([one.column or one.items[0] for one in definition.measures.values()], dtype=str)
        assert held.map(lambda name: any(part in name for part in known) or "{session}" in name).all()
