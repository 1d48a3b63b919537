"""Every kind of problem has its own whole sentence; all of them come at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from small_study import SESSIONS, STUDY

from alliance_analysis.study.validate import check_study

Message = Callable[..., str]


def changed(old: str, new: str, text: str = SESSIONS) -> str:
    assert old in text
    return text.replace(old, new, 1)


CASES = {
    "repeated keys": (
        changed("c1,t1,3", "c1,t1,2"),
        "session: 2 rows repeat (client, therapist, session); first ('c1', 't1', 2) in rows 3 and 4. "
        "Keep one row per session.",
    ),
    "session not whole": (
        changed("c1,t1,3", "c1,t1,2.5"),
        "session: 2.5 is not a whole number of 0 or more (row 4). Number the sessions 1, 2, 3 …, 0 for the intake.",
    ),
    "session negative": (
        changed("c1,t1,3", "c1,t1,-3"),
        "session: -3 is not a whole number of 0 or more (row 4). Number the sessions 1, 2, 3 …, 0 for the intake.",
    ),
    "session a word": (
        changed("c1,t1,3", "c1,t1,three"),
        "session: 'three' is not a number (row 4). Correct it.",
    ),
    "session missing": (
        changed("c1,t1,3", "c1,t1,"),
        "session: 1 row without a number; first row 4. Fill it in, or delete the row.",
    ),
    "client missing": (
        changed("c1,t1,3", "NA,t1,3"),
        "client: 1 row without an id; first row 4. Fill it in, or delete the row.",
    ),
    "therapist missing": (
        changed("c1,t1,3", "c1,,3"),
        "therapist: 1 row without an id; first row 4. Fill it in, or delete the row.",
    ),
    "out of range": (
        changed("4,11", "99,11"),
        "alliance_client: 1 value outside 1 to 5; first 99 (row 3). "
        "Correct it. If 99 means missing, add it under `missing:` in study.yml.",
    ),
    "text": (
        changed("4,11", "4,five"),
        "symptoms: 'five' is not a number (row 3). "
        "Correct it, or add it under `missing:` in study.yml if it means missing.",
    ),
    "infinite": (changed("4,11", "4,-inf"), "symptoms: '-inf' is infinite (row 3). Correct it."),
    "infinite by size": (changed("4,11", "4,1e999"), "symptoms: '1e999' is infinite (row 3). Correct it."),
    "two therapists": (
        changed("c2,t1,2", "c2,t2,2"),
        "client: 1 id stands under more than one therapist; first 'c2' under 't1' (row 5) and 't2' (row 6). "
        "Add `repeated_client_ids: same_person` or `repeated_client_ids: different_people` to study.yml.",
    ),
    "no rows": (
        "client,therapist,session,alliance_client,symptoms\n",
        "file: has no rows below the names of the columns. Save the data again.",
    ),
    "no client column": (
        changed("client,", "person,"),
        "client: there is no such column; the file has 'person', 'therapist', 'session', 'alliance_client', "
        "'symptoms'. "
        "Add `client: its name` under `columns:` in study.yml.",
    ),
}


@pytest.mark.parametrize(("sessions", "sentence"), CASES.values(), ids=CASES.keys())
def test_each_problem_of_the_sessions_has_its_sentence(message: Message, sessions: str, sentence: str) -> None:
    assert message(STUDY, sessions) == f"sessions.csv has 1 problem.\n  {sentence}"


def test_a_measure_without_values_is_a_problem(message: Message) -> None:
    sessions = "client,therapist,session,alliance_client,symptoms\nc1,t1,1,3,\nc1,t1,2,4,\n"
    assert message(STUDY, sessions) == (
        "sessions.csv has 1 problem.\n  symptoms: all 2 values are missing; a measure has to vary. "
        "Correct the column, or delete the measure from study.yml."
    )


def test_a_measure_that_never_varies_is_a_problem(message: Message) -> None:
    sessions = "client,therapist,session,alliance_client,symptoms\nc1,t1,1,3,7\nc1,t1,2,4,7\n"
    assert message(STUDY, sessions) == (
        "sessions.csv has 1 problem.\n  symptoms: all 2 values are 7; a measure has to vary. "
        "Correct the column, or delete the measure from study.yml."
    )


def test_a_text_cell_does_not_hide_an_impossible_value_in_the_same_column(message: Message) -> None:
    sessions = changed("4.5,9", "4.5,99", changed("4,11", "4,five"))
    assert message(STUDY, sessions) == (
        "sessions.csv has 2 problems.\n"
        "  symptoms: 'five' is not a number (row 3). "
        "Correct it, or add it under `missing:` in study.yml if it means missing.\n"
        "  symptoms: 1 value outside 0 to 27; first 99 (row 4). "
        "Correct it. If 99 means missing, add it under `missing:` in study.yml."
    )


def test_examples_are_at_most_five_but_the_count_is_always_there(message: Message) -> None:
    rows = "".join(f"c1,t1,{session},3,{100 + session}\n" for session in range(1, 9))
    assert message(
        STUDY, "client,therapist,session,alliance_client,symptoms\n" + rows + "c1,t1,9,4,1\nc1,t1,10,4,2\n"
    ) == (
        "sessions.csv has 1 problem.\n"
        "  symptoms: 8 values outside 0 to 27; first 101 (row 2), 102 (row 3), 103 (row 4), 104 (row 5), 105 (row 6). "
        "Correct them. If 101 means missing, add it under `missing:` in study.yml."
    )


def test_free_text_in_a_number_column_is_never_repeated(message: Message) -> None:
    secret = "her mother died last spring"
    text = message(STUDY, changed("4,11", f"4,{secret}"))
    assert text == (
        "sessions.csv has 1 problem.\n  symptoms: a text of 27 characters is not a number (row 3). "
        "Correct it, or add it under `missing:` in study.yml if it means missing."
    )


def test_raters_of_one_family_on_two_scales_are_a_problem(message: Message) -> None:
    study = STUDY + "  alliance_therapist: {instrument: WAI-SRT, column: wait, range: [1, 7], collected: after}\n"
    sessions = "client,session,alliance_client,symptoms,wait\nc1,1,3,7,6\nc1,2,4,8,7\n"
    assert message(study, sessions) == (
        "study.yml has 1 problem.\n  line 6: measures.alliance_therapist: WAI-SRT mean (1 to 7) and WAI-SR mean "
        "(1 to 5) of "
        "alliance_client are one family of instruments on two scales. Score both alike, or correct `range:` or "
        "`score:`."
    )


def test_a_missing_collected_is_asked_for(message: Message) -> None:
    study = STUDY.replace(", collected: before", "")
    assert message(study) == (
        "study.yml has 1 problem.\n  line 5: measures.symptoms.collected is missing; whether the form is filled "
        "in before or "
        "after the session decides which session predicts which. Add `collected: before` or `collected: after`."
    )


def test_unknown_columns_are_named_with_the_nearest_of_the_file(message: Message) -> None:
    study = """\
data: sessions.csv
columns: {client: Client, date: day}
measures:
  alliance_client: {instrument: WAI-SR, column: aliance, collected: after}
  symptoms: {instrument: PHQ-9, items: [symptom, b, c, d, e, f, g, h, i], collected: before}
  hope: {range: [0, 1], higher_is_worse: false}
"""
    text = message(study, SESSIONS.replace("client,", "person,", 1))
    assert text.splitlines()[:6] == [
        "study.yml has 13 problems.",
        "  line 2: columns.client: there is no column 'Client' in sessions.csv. Correct the name.",
        "  line 2: columns.date: there is no column 'day' in sessions.csv. Correct the name.",
        "  line 4: measures.alliance_client.column: there is no column 'aliance' in sessions.csv; "
        "nearest: alliance_client. Correct the name.",
        "  line 5: measures.symptoms.items: there is no column 'b' in sessions.csv. Correct the name.",
        "  line 5: measures.symptoms.items: there is no column 'c' in sessions.csv. Correct the name.",
    ]
    assert text.splitlines()[-1] == (
        "  line 6: measures.hope: there is no column 'hope' in sessions.csv. Name the column under `column:`."
    )


def test_problems_of_the_clients_file_have_their_own_heading(message: Message) -> None:
    study = STUDY + "clients: clients.csv\n"
    clients = "client,status,planned_sessions,symptoms_post\nc1,finished,10.5,99\nc1,completed,10,3\nc2,dropot,,2\n"
    assert message(study, SESSIONS, clients_csv=clients) == (
        "clients.csv has 4 problems.\n"
        "  client: 2 rows repeat client; first 'c1' in rows 2 and 3. Keep one row per client.\n"
        "  planned_sessions: 10.5 is not a whole number of 0 or more (row 2). Correct it.\n"
        "  status: 2 cells are not one of the allowed words completed, dropout, referred, ongoing; "
        "first 'finished' (row 2), 'dropot' (row 4). Use one of them.\n"
        "  symptoms_post: 1 value outside 0 to 27; first 99 (row 2). "
        "Correct it. If 99 means missing, add it under `missing:` in study.yml."
    )


def test_clients_that_never_meet_the_sessions_are_a_problem(message: Message) -> None:
    text = message(STUDY + "clients: clients.csv\n", SESSIONS, clients_csv="client,age\n1,30\n2,40\n")
    assert text == (
        "clients.csv has 1 problem.\n  client: none of these ids stands among the sessions. "
        "Check which column holds the ids in each file."
    )


def test_phase_outside_the_vocabulary_is_a_problem(message: Message) -> None:
    sessions = "client,session,phase,alliance_client,symptoms\nc1,1,treatment,3,7\nc1,2,pots,4,8\n"
    assert message(STUDY, sessions) == (
        "sessions.csv has 1 problem.\n"
        "  phase: 'pots' is not one of the allowed words treatment, post, follow_up (row 3). Use post."
    )


def test_an_ambiguous_date_is_a_problem(message: Message) -> None:
    sessions = (
        "client,session,date,alliance_client,symptoms\nc1,1,03/04/2024,3,7\nc1,2,2024-02-30,4,8\nc1,3,1.2.2024,4,8\n"
    )
    assert message(STUDY, sessions) == (
        "sessions.csv has 2 problems.\n"
        "  date: '03/04/2024' is a date whose order nothing in the column shows (row 2). Write the dates as 2024-03-31.\n"
        "  date: '2024-02-30' is not a date (row 3). Write it as 2024-03-31 or 31.03.2024."
    )


def test_a_column_of_the_client_must_not_change_between_sessions(message: Message) -> None:
    study = STUDY.replace("measures:", "columns: {condition: arm}\nmeasures:")
    sessions = "client,session,arm,alliance_client,symptoms\nc1,1,a,3,7\nc1,2,b,4,8\n"
    assert message(study, sessions) == (
        "sessions.csv has 1 problem.\n  condition: 1 client has more than one value; it belongs to the client, "
        "not to the "
        "session. Correct it, or put what changes from session to session under `measures:`."
    )


def test_shared_ids_need_the_therapist_in_the_clients_file(message: Message) -> None:
    study = STUDY + "clients: clients.csv\nrepeated_client_ids: different_people\n"
    sessions = changed("c2,t1,2", "c2,t2,2")
    assert message(study, sessions, clients_csv="client,age\nc1,30\nc2,40\nc3,50\n") == (
        "clients.csv has 1 problem.\n"
        "  client: 1 row with an id that several people share. Add the column therapist here."
    )


def test_a_clients_file_without_clients_is_told_where_ids_are_shared(message: Message) -> None:
    study = STUDY + "clients: clients.csv\nrepeated_client_ids: different_people\n"
    said = message(study, changed("c2,t1,2", "c2,t2,2"), clients_csv="therapist\nt1\n")
    assert "client: there is no such column; the file has 'therapist'" in said


def test_many_problems_come_at_once_sorted_by_file_and_place(message: Message) -> None:
    study = """\
study: {title: Bad, simulted: false}
data: sessions.csv
clients: clients.csv
measures:
  alliance_client: {instrument: WAISR, collected: after}
  symptoms: {instrument: PHQ-9, collected: befor}
  symptoms: {instrument: BAI}
"""
    sessions = """\
client,therapist,session,alliance_client,symptoms
c1,t1,1,3,14
c1,t1,1,4,five
c1,t2,3,4.5,99
c2,t1,0.5,2,20
"""
    assert message(study, sessions, clients_csv="client,status\nc1,gone\nc2,ongoing\n") == (
        "study.yml has 4 problems.\n"
        "  line 1: study.simulted is not a key; nearest: simulated.\n"
        "  line 5: measures.alliance_client.instrument 'WAISR' is not known; nearest: WAI-SR, WAI-SRT, WAI-S. "
        "Correct it, or add `range: [lowest, highest]`.\n"
        "  line 6: measures.symptoms.collected must be before or after, got 'befor'.\n"
        "  line 7: measures.symptoms stands twice, first in line 6. Keep one of them.\n"
        "sessions.csv has 5 problems.\n"
        "  client: 1 id stands under more than one therapist; first 'c1' under 't1' (row 2) and 't2' (row 4). "
        "Add `repeated_client_ids: same_person` or `repeated_client_ids: different_people` to study.yml.\n"
        "  session: 0.5 is not a whole number of 0 or more (row 5). Number the sessions 1, 2, 3 …, 0 for the intake.\n"
        "  session: 2 rows repeat (client, therapist, session); first ('c1', 't1', 1) in rows 2 and 3. "
        "Keep one row per session.\n"
        "  symptoms: 'five' is not a number (row 3). "
        "Correct it, or add it under `missing:` in study.yml if it means missing.\n"
        "  symptoms: 1 value outside 0 to 27; first 99 (row 4). "
        "Correct it. If 99 means missing, add it under `missing:` in study.yml.\n"
        "clients.csv has 1 problem.\n"
        "  status: 'gone' is not one of the allowed words completed, dropout, referred, ongoing (row 2). Use one "
        "of them."
    )


def test_a_good_study_has_no_problems(write: Callable[..., object]) -> None:
    assert check_study(str(write())) == ()


def test_a_client_with_sessions_needs_a_therapist_where_the_clients_file_has_them(message: Message) -> None:
    sessions = "client,session,alliance_client,symptoms\nc1,1,3,7\nc1,2,4,8\nc2,1,4,8\n"
    text = message(STUDY + "clients: clients.csv\n", sessions, clients_csv="client,therapist\nc1,t1\nc2,\nc3,\n")
    assert text == (
        "clients.csv has 1 problem.\n  therapist: 1 client with sessions without a therapist in this file. "
        "Fill them in, or delete the column."
    )


def test_a_join_without_therapists_is_refused_where_it_is_ambiguous(message: Message) -> None:
    study = STUDY.replace("sessions.csv", "[sessions.csv, forms.csv]") + "repeated_client_ids: same_person\n"
    sessions = "client,therapist,session,alliance_client\nc1,t1,1,3\nc1,t2,1,4\n"
    assert message(study, sessions, forms_csv="client,session,symptoms\nc1,1,3\nc1,2,4\n") == (
        "sessions.csv has 1 problem.\n"
        "  therapist: 1 session without a therapist after joining the files. Add the column to each file.\n"
        "forms.csv has 1 problem.\n"
        "  therapist: 1 session number of one client stands under two therapists, and one of the files has no "
        "therapist. "
        "Add the column to each file."
    )


def test_items_of_one_scale_must_stand_in_one_place(message: Message) -> None:
    study = STUDY + "  hope: {items: [h1, h2], range: [0, 4], higher_is_worse: false}\nclients: clients.csv\n"
    sessions = SESSIONS.replace("symptoms", "symptoms,h1", 1)
    sessions = "\n".join(
        [sessions.splitlines()[0], *(f"{line},{n % 4}" for n, line in enumerate(SESSIONS.splitlines()[1:]))]
    )
    assert message(study, sessions, clients_csv="client,h2\nc1,1\nc2,2\nc3,3\n") == (
        "study.yml has 1 problem.\n  line 6: measures.hope: its items stand partly in the sessions and partly in the "
        "clients file. Put them into one."
    )


def test_two_values_of_one_session_in_two_files_are_a_problem(message: Message) -> None:
    study = STUDY.replace("sessions.csv", "[sessions.csv, forms.csv]")
    assert message(study, SESSIONS, forms_csv="client,session,therapist,symptoms\nc1,1,t1,3\nc1,2,t1,4\n") == (
        "forms.csv has 1 problem.\n  symptoms: 2 sessions with another value in sessions.csv. Keep it in one file; "
        "where it is two things, give this file a `prefix:`."
    )


def test_a_missing_data_file_is_told_beside_the_other_problems(message: Message) -> None:
    study = STUDY.replace("sessions.csv", "session.csv").replace("before", "befor")
    assert message(study) == (
        "study.yml has 1 problem.\n  line 5: measures.symptoms.collected must be before or after, got 'befor'.\n"
        "session.csv has 1 problem.\n"
        "  file: there is no such file beside the study file; nearest: sessions.csv. Correct the name in study.yml."
    )


def test_a_row_that_breaks_off_is_a_problem_of_the_file(message: Message) -> None:
    assert message(STUDY, changed("c1,t1,2,4,11", "c1,t1,2")) == (
        "sessions.csv has 1 problem.\n  file: row 3 has 3 cells, the header has 5. "
        "Save the file again; an empty cell needs its separator too."
    )


def test_a_misspelt_key_is_told_once(message: Message) -> None:
    assert message(STUDY.replace("collected: before", "colected: before")) == (
        "study.yml has 1 problem.\n  line 5: measures.symptoms.colected is not a key; nearest: collected, centred."
    )


def test_misspelt_columns_are_told_once(message: Message) -> None:
    study = STUDY.replace("measures:", "colums: {client: person}\nmeasures:")
    assert message(study, changed("client,", "person,")) == (
        "study.yml has 1 problem.\n  line 3: colums is not a key; nearest: columns."
    )


def test_a_misspelt_column_of_a_measure_is_told_once(message: Message) -> None:
    study = STUDY.replace("{instrument: PHQ-9,", "{instrument: PHQ-9, colum: phq,")
    assert message(study, changed("symptoms", "phq")) == (
        "study.yml has 1 problem.\n  line 5: measures.symptoms.colum is not a key; nearest: column."
    )


def test_a_long_list_of_columns_says_that_it_is_cut(message: Message) -> None:
    header = ",".join(f"v{number}" for number in range(1, 11))
    study = "data: sessions.csv\n"
    assert message(study, f"client,{header}\nc1,{header}\nc1,{header}\n") == (
        "sessions.csv has 1 problem.\n"
        "  session: there is no such column; the file has 'client', 'v1', 'v2', 'v3', 'v4', 'v5', 'v6', 'v7', …. "
        "Add `session: its name` under `columns:` in study.yml. "
        "None is needed where every file has one row per client: the data are then one time point."
    )


def test_a_missing_file_in_a_folder_is_told_with_its_path(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write(STUDY.replace("sessions.csv", "raw/sessions.csv"))
    assert [(problem.file, problem.text) for problem in check_study(path)] == [
        (
            "raw/sessions.csv",
            f"there is no such file at {tmp_path / 'raw' / 'sessions.csv'}. Correct the name in study.yml.",
        )
    ]
