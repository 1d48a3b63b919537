"""Every piece of study.yml that a problem offers is valid, and mends what the problem is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_study import SESSIONS, STUDY, Writer

from alliance_analysis.study.examine import Examined, examine_study
from alliance_analysis.study.fixes.keys import key_fix
from alliance_analysis.study.problems import Problem
from alliance_analysis.study.tidy import Part
from alliance_analysis.study.validate import read_checked

ITEMS = [f"wai{number}" for number in range(1, 13)]
BATTERY = f"""\
study: {{title: Clinic}}
data: sessions.csv
measures:
  alliance_client: {{instrument: WAI-SR, items: [{", ".join(ITEMS)}], collected: after}}
"""


def merged(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {key: merged(old.get(key), value) for key, value in new.items()}
    return new


@pytest.fixture
def mend(write: Writer) -> Callable[..., tuple[Examined, list[str], Examined]]:
    """Examine a study, paste its fixes into study.yml, and examine it again."""

    def act(study: str = STUDY, sessions: str = SESSIONS, **files: str) -> tuple[Examined, list[str], Examined]:
        path: Path = write(study, sessions, **files)
        before = examine_study(path)
        fixes = [one.fix for one in before.stops if one.fix]
        content = yaml.safe_load(study)
        for fix in fixes:
            content = merged(content, yaml.safe_load(fix))
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        return before, fixes, examine_study(path)

    return act


def battery(change: Callable[[int, int], object]) -> str:
    lines = ["client,session," + ",".join(ITEMS)]
    lines += [
        f"c{row // 4},{row % 4 + 1}," + ",".join(str(change(row, item)) for item in range(12)) for row in range(24)
    ]
    return "\n".join(lines) + "\n"


Mend = Callable[..., tuple[Examined, list[str], Examined]]


def test_a_code_in_many_items_is_one_problem_with_one_line(mend: Mend) -> None:
    sessions = battery(lambda row, item: 99 if (row + item) % 17 == 0 else 1 + (row * item + row) % 5)
    before, fixes, after = mend(BATTERY, sessions)
    assert [str(one) for one in before.stops] == [
        "wai1 to wai12: 14 values outside 1 to 5; first 99 (row 2). "
        "Correct them. If 99 means missing, add it under `missing:` in study.yml."
    ]
    assert fixes == ["missing: [99]"]
    assert after.stops == ()


def test_codes_keep_those_that_stand_there_already(mend: Mend) -> None:
    _, fixes, after = mend(STUDY + "missing: [-9]\n", SESSIONS.replace("4,11", "99,k.A."))
    assert set(fixes) == {"missing: [-9, 99, k.A.]"}
    assert after.stops == ()


def test_a_code_that_another_measure_can_have_is_named_for_its_measure(mend: Mend) -> None:
    study = STUDY + "  effort: {range: [0, 100], higher_is_worse: false}\n"
    sessions = SESSIONS.replace("symptoms\n", "symptoms,effort\n").replace("4,11", "99,11")
    lines = sessions.splitlines()
    sessions = "\n".join([lines[0], *(f"{line},{90 + at}" for at, line in enumerate(lines[1:]))]) + "\n"
    _, fixes, after = mend(study, sessions)
    assert fixes == ["measures:\n  alliance_client:\n    missing: [99]"]
    assert after.stops == ()


def test_answers_from_0_to_4_offer_that_range(mend: Mend) -> None:
    before, fixes, after = mend(BATTERY, battery(lambda row, item: (row * item + row + item) % 5))
    assert before.stops[0].text.endswith(
        "All answers lie between 0 and 4: the form may be coded so. Correct what is wrong."
    )
    assert fixes == ["measures:\n  alliance_client:\n    range: [0, 4]  # if the form is coded so"]
    assert after.stops == ()


def test_answers_up_to_7_offer_that_range(mend: Mend) -> None:
    _, fixes, after = mend(BATTERY, battery(lambda row, item: 1 + (row * item + row + item) % 7))
    assert fixes == ["measures:\n  alliance_client:\n    range: [1, 7]  # if the form is coded so"]
    assert after.stops == ()


def test_a_sum_that_is_called_a_mean_offers_the_sum(mend: Mend) -> None:
    sessions = "client,session,alliance_client,symptoms\n" + "".join(
        f"c{row // 3},{row % 3 + 1},{30 + row},{row}\n" for row in range(12)
    )
    _, fixes, after = mend(STUDY, sessions)
    assert fixes == ["measures:\n  alliance_client:\n    score: sum  # if the column is the sum"]
    assert after.stops == ()


@pytest.mark.parametrize("value", ["99", "five"])
def test_a_single_slip_offers_nothing_but_correction_unless_it_looks_like_a_code(mend: Mend, value: str) -> None:
    _, fixes, _ = mend(STUDY, SESSIONS.replace("4,11", f"4,{value}"))
    assert fixes == (["missing: [99]"] if value == "99" else [])


def test_words_of_phases_and_statuses_are_offered_with_their_meaning(mend: Mend) -> None:
    sessions = "client,session,phase,alliance_client,symptoms\n" + "".join(
        f"c{client},{at},{word},{1 + (client + at) % 5},{client * 3 + at}\n"
        for client in range(3)
        for at, word in enumerate(["Aufnahme", "T1", "T1", "Abschluss", "Kat6"])
    )
    clients = "client,status\nc0,regulär\nc1,Abbruch\nc2,läuft noch\n"
    _, fixes, after = mend(STUDY + "clients: clients.csv\n", sessions, clients_csv=clients)
    assert sorted(fixes) == [
        "words:\n  phase:\n    intake: [Aufnahme]\n    treatment: [T1]\n    post: [Abschluss]\n    follow_up: [Kat6]",
        "words:\n  status:\n    completed: [regulär]\n    dropout: [Abbruch]\n    ongoing: [läuft noch]",
    ]
    assert after.stops == ()


def test_a_word_without_a_known_meaning_is_marked_as_a_guess(mend: Mend) -> None:
    sessions = "client,session,phase,alliance_client,symptoms\nc1,1,blue,3,7\nc1,2,treatment,4,8\n"
    _, fixes, after = mend(STUDY, sessions)
    assert fixes == ["words:\n  phase:\n    intake: [blue]  # a guess; or treatment, post, follow_up"]
    assert after.stops == ()


@pytest.mark.parametrize(
    ("study", "sessions", "fix"),
    [
        (STUDY.replace("collected: before", "colleted: before"), SESSIONS, None),
        (STUDY.replace(", collected: before", ""), SESSIONS,
         "measures:\n  symptoms:\n    collected: before  # or after"),
        (STUDY.replace(", collected: after", ""), SESSIONS,
         "measures:\n  alliance_client:\n    collected: after  # or before"),
        (STUDY.replace("before", "befor"), SESSIONS, "measures:\n  symptoms:\n    collected: before"),
        (STUDY, SESSIONS.replace("c2,t1,2", "c2,t2,2"), "repeated_client_ids: same_person  # or different_people"),
        (STUDY, SESSIONS.replace("client,", "PatID,", 1), "columns:\n  client: PatID  # if this column holds them"),
        (STUDY, SESSIONS.replace("session,", "SitzungNr,"), "columns:\n  session: SitzungNr  # if this column holds them"),
        (STUDY.replace("WAI-SR,", "WAISR,"), SESSIONS, "measures:\n  alliance_client:\n    instrument: WAI-SR"),
        (STUDY.replace("PHQ-9,", "PHQ-9, column: symptms,"), SESSIONS,
         "measures:\n  symptoms:\n    column: symptoms"),
        (STUDY + "columns: {date: datum}\n", SESSIONS.replace("therapist", "datun"),
         "columns:\n  date: datun"),
        (STUDY + "  hope: {higher_is_worse: false, column: symptoms}\n", SESSIONS,
         "measures:\n  hope:\n    range: [3, 21]  # as the data go; write what the form allows"),
        (STUDY.replace("sessions.csv", "session.csv"), SESSIONS, "data: sessions.csv"),
        (BATTERY.replace("wai12", "wai_12"), battery(lambda row, item: 1 + (row + item) % 5),
         f"measures:\n  alliance_client:\n    items: [{', '.join(ITEMS)}]"),
    ],
)  # fmt: skip
def test_each_key_has_its_fix(mend: Mend, study: str, sessions: str, fix: str | None) -> None:
    before, fixes, after = mend(study, sessions)
    assert fixes == ([] if fix is None else [fix])
    assert len(after.stops) < len(before.stops) or fix is None or "datun" in fix


def test_sessions_without_numbers_are_numbered_by_date_or_by_their_order(mend: Mend) -> None:
    rows = [("c1", 1), ("c1", 8), ("c2", 2), ("c2", 9)]
    dated = "client,date,alliance_client,symptoms\n" + "".join(
        f"{who},2024-05-{day:02d},{1 + day % 5},{day}\n" for who, day in rows
    )
    _, fixes, after = mend(STUDY, dated)
    assert fixes == ["session_numbers:\n  from: date"]
    assert after.stops == ()
    bare = "client,alliance_client,symptoms\n" + "".join(f"{who},{1 + day % 5},{day}\n" for who, day in rows)
    _, fixes, after = mend(STUDY, bare)
    assert fixes == ["session_numbers:\n  from: rows  # if the rows of a client stand in the order of its sessions"]
    assert after.stops == ()


def test_rows_of_two_raters_offer_the_raters(mend: Mend) -> None:
    rows = [
        f"c{client},{session},{who},{1 + (client + session + (who == 'Pat')) % 5},{client + session if who == 'Pat' else ''}"
        for client in range(4)
        for session in (1, 2)
        for who in ("Pat", "Ther")
    ]
    study = STUDY + "  alliance_therapist: {instrument: WAI-SRT, column: alliance_client, collected: after}\n"
    before, fixes, after = mend(study, "client,session,Rolle,alliance_client,symptoms\n" + "\n".join(rows) + "\n")
    assert before.stops[0].text.endswith("Keep one row per session. The column 'Rolle' tells them apart.")
    assert fixes == ["raters:\n  column: Rolle\n  client: Pat\n  therapist: Ther"]
    assert after.stops == ()


def test_copied_rows_are_called_copies(mend: Mend) -> None:
    before, _, _ = mend(STUDY, SESSIONS + "c1,t1,3,4.5,9\n")
    assert before.stops[0].text.endswith("Keep one row per session. They are copies, the same in every column.")


def test_an_unknown_keying_is_offered_by_the_correlations(write: Writer) -> None:
    def answer(row: int, item: int) -> int:
        state = (row * 7 + 2) % 5 if item != row % 12 else row % 4
        return 5 - state if item in (0, 5) else 1 + state

    lines = ["client,session," + ",".join(ITEMS)]
    lines += [f"c{row},1," + ",".join(str(answer(row, item)) for item in range(12)) for row in range(60)]
    parts: list[Part] = []

    def look(found: Sequence[Part], *_: object) -> list[Problem]:
        parts.extend(found)
        return []

    definition = read_checked(write(BATTERY, "\n".join(lines) + "\n"), look=look).definition
    problem = Problem("study.yml", "line 4", "measures.alliance_client.reverse is missing; add it.", 4)
    fix = "measures:\n  alliance_client:\n    reverse: [wai1, wai6]  # by their correlations; check against the form"
    assert key_fix(problem, definition, parts) == fix
