"""The page of a check: cause by cause, escaped, without anything that stands in a cell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alliance_analysis.errors import ReportError
from alliance_analysis.report.check_page import check_html, write_check_page
from alliance_analysis.report.redact import fix_without_cells, without_cells
from alliance_analysis.study.examine import examine_study

STUDY = """\
study: {title: <b>Clinic</b>}
data: sessions.csv
clients: clients.csv
measures:
  alliance_client: {instrument: WAI-SR, column: wai, collected: after}
  symptoms: {instrument: PHQ-9, column: phq, collected: befor}
"""
SESSIONS = """\
client,therapist,session,wai,phq
Maria Huber,Dr. Wolf,1,3.5,14
Maria Huber,Dr. Wolf,1,4,her mother died
Maria Huber,Dr. Fuchs,2,99,sad
Jan Novak,Dr. Wolf,1,2,104233
"""
CLIENTS = "client,status\nMaria Huber,Wolfgang\nJan Novak,completed\nJan Novak,completed\n"
CELLS = ("Huber", "Novak", "Wolf", "Fuchs", "mother", "sad", "104233", "Wolfgang")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for name, text in (("study.yml", STUDY), ("sessions.csv", SESSIONS), ("clients.csv", CLIENTS)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / "study.yml"


def words_of(html: str) -> str:
    body = html[html.index("<body") : html.index('id="colophon"')]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_no_cell_of_a_file_reaches_the_page(study: Path) -> None:
    examined = examine_study(study)
    told = " ".join(str(problem) + problem.fix for problem in examined.problems)
    assert sum(cell in told for cell in CELLS) > 3  # the terminal does show them
    html = check_html(examined)
    assert [cell for cell in CELLS if cell in html] == []


def test_the_page_names_cause_file_place_rows_and_what_to_paste(study: Path) -> None:
    text = words_of(check_html(examine_study(study)))
    assert "problems stop this study from being loaded as study.yml states it." in text
    assert "stops Rows that repeat File Where What, and what to do sessions.csv client" in text
    assert (
        "sessions.csv session 2 rows repeat (client, therapist, session); first in rows 2 and 3. Keep one row per session."
        in text
    )
    assert "measures: symptoms: collected: before" in text
    assert "1 id stands under more than one therapist; first in row 2 and row 4." in text
    assert "&lt;b&gt;Clinic" in check_html(examine_study(study))


def test_a_study_that_loads_has_its_questions_on_the_page() -> None:
    text = words_of(check_html(examine_study("example")))
    assert "Nothing stops this study, and nothing in it raises a doubt." in text
    assert "Which questions it can answer" in text
    assert "SIMULATED" in text


def test_the_page_is_written_as_a_whole_or_not_at_all(study: Path, tmp_path: Path) -> None:
    examined = examine_study(study)
    page = write_check_page(examined, tmp_path / "check.html")
    assert page.read_text(encoding="utf-8") == check_html(examined)
    for wrong, message in (
        ("check.txt", "does not end in .html. Name a page, such as check.html."),
        ("no/check.html", f"there is no folder {tmp_path / 'no'}. Make it, or name another one."),
    ):
        with pytest.raises(ReportError) as raised:
            write_check_page(examined, tmp_path / wrong)
        assert str(raised.value) == f"{tmp_path / wrong}: {message}"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("1 id stands under more than one therapist; first 'a' under 't1' (row 2) and 't2' (row 4).",
         "1 id stands under more than one therapist; first in row 2 and row 4."),
        ("there is no column 'wai_t' in s.csv; nearest: wai_sr. Correct it.",
         "there is no column … in s.csv. Correct it."),
        ("8 values outside 0 to 27; first 101 (row 2), 1.5e+06 (row 3). If 101 means missing, add it.",
         "8 values outside 0 to 27; first row 2, row 3. If they mean missing, add it."),
        ("2 values outside 1 to 5; first 7 (row 2), 6 (row 2). Correct them.",
         "2 values outside 1 to 5; first row 2. Correct them."),
        ('"O\'Neil" is not a number (row 3). Correct it.', "a cell is not a number (row 3). Correct it."),
        ("leaves the client's course (row 5), a form's end.", "leaves the client's course (row 5), a form's end."),
        ("there is no such file at /home/me/raw/s.csv. Correct the name.", "there is no such file. Correct the name."),
    ],
)  # fmt: skip
def test_messages_lose_their_cells_and_keep_their_rows(message: str, shown: str) -> None:
    assert without_cells(message, {"session"}) == shown


def test_a_fix_that_names_words_nobody_knows_is_not_shown() -> None:
    assert fix_without_cells("missing: [k.A., 99]", set()) == "missing: [k.A., 99]"
    assert fix_without_cells("missing: [104233]", set()) == ""
    assert fix_without_cells("columns:\n  client: PatID  # if this column holds them", {"PatID"})
    assert fix_without_cells("words:\n  phase:\n    treatment: [Huber]", {"treatment"}) == ""
