"""One row per rating and one row per client: the same sessions come out, and each problem has its whole sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_study import Writer

from alliance_analysis.errors import AllianceError
from alliance_analysis.resources import data_folder
from alliance_analysis.study.studyfile import Study, load_study

Message = Callable[..., str]

COUPLES = Path(os.environ.get("ALLIANCE_DATA", "")) / "acitelli_couples_pairwise.csv"

STUDY = """\
study: {title: Clinic, source: none}
data: sessions.csv
raters: {column: Role, client: Patient, therapist: Therapist}
measures:
  alliance_client: {instrument: WAI-SR, column: wai, collected: after}
  alliance_therapist: {instrument: WAI-SRT, column: wai, collected: after}
  symptoms: {instrument: PHQ-9, column: phq, collected: before}
"""

RATINGS = """\
client,therapist,session,Role,wai,phq
c1,t1,1,Patient,3.5,14
c1,t1,1, Therapist ,4,
c1,t1,2,Patient,4,11
c1,t1,2,Therapist,4.5,
c2,t1,1,Therapist,2.5,
c2,t1,2,Patient,2,20
c2,t1,2,Therapist,3,
"""

WIDE = """\
client,therapist,session,alliance_client,alliance_therapist,symptoms
c1,t1,1,3.5,4,14
c1,t1,2,4,4.5,11
c2,t1,1,,2.5,
c2,t1,2,2,3,20
"""


def changed(old: str, new: str, text: str = RATINGS) -> str:
    assert old in text
    return text.replace(old, new, 1)


def one_row_per_session(write: Writer) -> pd.DataFrame:
    lines = [line for line in STUDY.splitlines() if not line.startswith("raters")]
    study = "\n".join(lines).replace("column: wai, ", "").replace("column: phq, ", "")
    return load_study(write(study, WIDE)).sessions


def melt_example(folder: Path, *, seed: int) -> Study:
    """Write the example study with one row per rating, in any order, and load it."""
    wide = pd.read_csv(data_folder() / "example" / "sessions.csv", dtype=str, keep_default_na=False)
    shared = ["client", "therapist", "session", "date", "modality"]
    parts = ("", "_goal", "_task", "_bond")
    halves = []
    for rater, others in (("client", ["symptoms"]), ("therapist", ["burnout", "self_care"])):
        columns = {f"alliance_{rater}{part}": f"wai{part}" for part in parts}
        half = wide[[*shared, *columns, *others]].rename(columns=columns)
        halves.append(half.assign(who="1" if rater == "client" else "2"))
    melted = pd.concat(halves).sample(frac=1, random_state=seed)
    melted.to_csv(folder / "ratings.csv", index=False)
    (folder / "clients.csv").write_bytes((data_folder() / "example" / "clients.csv").read_bytes())
    study = (data_folder() / "example" / "study.yml").read_text(encoding="utf-8")
    for part in reversed(parts):
        for rater in ("client", "therapist"):
            study = study.replace(f"column: alliance_{rater}{part},", f"column: wai{part},")
    for name in ("burnout", "self_care"):
        study = study.replace(f"column: {name},", f"column: {name}, rater: therapist,")
    study = study.replace("data: sessions.csv", "data: ratings.csv\nraters: {column: who, client: 1, therapist: 2}")
    (folder / "study.yml").write_text(study, encoding="utf-8")
    return load_study(folder)


def test_ratings_become_the_sessions_of_the_contract_and_a_missing_rater_a_missing_value(
    write: Writer, tmp_path: Path
) -> None:
    study = load_study(write(STUDY, RATINGS))
    assert study.notes == ("sessions.csv: 7 ratings read as 4 sessions; 1 without the client's.",)
    assert study.rows_read == 7
    assert (study.measures["alliance_therapist"].rater, study.measures["symptoms"].rater) == ("therapist", "client")
    pd.testing.assert_frame_equal(study.sessions, one_row_per_session(write))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_example_study_with_one_row_per_rating_has_the_same_sessions(tmp_path: Path, seed: int) -> None:
    melted, example = melt_example(tmp_path, seed=seed), load_study("example")
    pd.testing.assert_frame_equal(melted.sessions, example.sessions)
    pd.testing.assert_frame_equal(melted.clients, example.clients)
    number = len(example.sessions)
    assert melted.notes == (f"ratings.csv: {2 * number:,} ratings read as {number:,} sessions.", *example.notes)


@pytest.mark.parametrize("suffix", ["xlsx", "parquet"])
def test_roles_may_be_numbers_of_a_spreadsheet(write: Writer, tmp_path: Path, suffix: str) -> None:
    expected = load_study(write(STUDY, RATINGS)).sessions
    path = write(STUDY.replace("client: Patient, therapist: Therapist", "client: 1, therapist: 2"), RATINGS)
    frame = pd.read_csv(tmp_path / "sessions.csv")
    frame["Role"] = frame["Role"].str.strip().map({"Patient": 1.0, "Therapist": 2.0})
    file = tmp_path / f"sessions.{suffix}"
    if suffix == "xlsx":
        frame.to_excel(file, index=False)
    else:
        frame.to_parquet(file)
    path.write_text(path.read_text(encoding="utf-8").replace("sessions.csv", file.name), encoding="utf-8")
    pd.testing.assert_frame_equal(load_study(path).sessions, expected)


ITEMS = """\
study: {title: Clinic}
data: sessions.csv
missing: [9]
raters: {column: Role, client: Patient, therapist: Therapist}
measures:
  alliance_client: {items: [w1, w2], reverse: [w2], range: [1, 5], collected: after}
  alliance_therapist: {items: [w1, w2], range: [1, 5], score: sum, collected: after}
"""


def test_both_raters_may_answer_the_same_items_and_each_is_scored_by_its_own_rule(write: Writer) -> None:
    ratings = "client;session;Role;w1;w2\n"
    ratings += "c1;1;Patient;1,5;1\nc1;1;Therapist;4;5\nc1;2;Patient;2;2\nc1;2;Therapist;3;9\n"
    study = load_study(write(ITEMS, ratings))
    assert list(study.sessions) == ["client", "session", "time", "alliance_client", "alliance_therapist"]
    assert study.sessions["alliance_client"].tolist() == [3.25, 3]
    assert study.sessions["alliance_therapist"].fillna(0).tolist() == [9, 0]
    assert study.measures["alliance_therapist"].items == ("w1", "w2")
    assert study.notes[:3] == (
        "sessions.csv: 4 ratings read as 2 sessions.",
        "sessions.csv, w1 of the client: 1 decimal comma read as decimal points.",
        "sessions.csv, w2 of the therapist: 1 cell with code 9 read as missing.",
    )


def test_subscales_of_both_raters_are_scored_from_the_same_columns(write: Writer) -> None:
    items = [f"w{number}" for number in range(1, 13)]
    study = "data: sessions.csv\nraters: {column: Role, client: P, therapist: T}\nmeasures:\n"
    for rater in ("client", "therapist"):
        study += f"  alliance_{rater}: {{instrument: WAI-SR, items: [{', '.join(items)}]}}\n"
    header = ",".join(["client", "Role", *items])
    rows = [",".join(["c1", "P", *["2"] * 12]), ",".join(["c1", "T", *["4"] * 12])]
    rows += [",".join(["c2", "P", *["3"] * 12]), ",".join(["c2", "T", *["5"] * 12])]
    loaded = load_study(write(study, "\n".join([header, *rows, ""])))
    assert loaded.sessions["alliance_client_bond"].tolist() == [2, 3]
    assert loaded.sessions["alliance_therapist_bond"].tolist() == [4, 5]
    assert loaded.measures["alliance_therapist_bond"].items == ("w3", "w5", "w7", "w9")


def test_an_item_outside_its_range_is_told_with_its_rater_and_its_row(message: Message) -> None:
    ratings = "client,session,Role,w1,w2\nc1,1,Patient,1,1\nc1,1,Therapist,4,7\nc1,2,Patient,2,3\nc1,2,Therapist,3,3\n"
    assert message(ITEMS, ratings) == (
        "sessions.csv has 1 problem.\n  w2 of the therapist: 1 value outside 1 to 5; first 7 (row 3). "
        "Correct it. If 7 means missing, add it under `missing:` in study.yml."
    )


def test_a_measure_may_be_read_from_the_therapists_rows(write: Writer) -> None:
    study = STUDY + "  hope: {column: hope, range: [0, 9], higher_is_worse: false, rater: therapist}\n"
    hope = ["hope", *"1234567"]
    ratings = "\n".join(f"{line},{cell}" for line, cell in zip(RATINGS.splitlines(), hope, strict=True))
    loaded = load_study(write(study, ratings + "\n"))
    assert loaded.sessions["hope"].tolist() == [2, 4, 5, 7]
    assert loaded.notes[-1] == "sessions.csv, hope: 3 values in rows of another rater not read."


def test_a_file_without_raters_is_joined_as_it_is(write: Writer) -> None:
    study = STUDY.replace("sessions.csv", "[sessions.csv, forms.csv]").replace("column: phq", "column: phq9")
    loaded = load_study(write(study, RATINGS, forms_csv="client,therapist,session,phq9\nc1,t1,1,4\nc1,t1,2,5\n"))
    assert loaded.sessions["symptoms"].fillna(0).tolist() == [4, 5, 0, 0]


def test_each_rater_may_have_a_file_of_its_own(write: Writer) -> None:
    header, *rows = RATINGS.splitlines()
    client, therapist = ([header, *(row for row in rows if who in row), ""] for who in ("Patient", "Therapist"))
    study = STUDY.replace("sessions.csv", "[sessions.csv, forms.csv]")
    loaded = load_study(write(study, "\n".join(client), forms_csv="\n".join(therapist).replace("phq", "other")))
    assert loaded.notes == (
        "sessions.csv: 3 ratings read as 3 sessions.",
        "forms.csv: 4 ratings read as 4 sessions.",
        "forms.csv: 1 column not used and not kept (other).",
        "forms.csv: joined on client, therapist, session; 3 rows in both, 0 only in the other files, 1 only in this "
        "one.",
    )
    pd.testing.assert_frame_equal(loaded.sessions, one_row_per_session(write), check_like=True)


def test_what_repeats_in_the_rows_of_a_session_may_stand_in_one_of_them(write: Writer) -> None:
    study = STUDY.replace("raters:", "columns: {date: day, condition: arm}\nraters:")
    extra = ["day,arm", "2024-01-01,a", ",a", ",", "2024-01-08,a", ",b", "2024-01-01,", "2024-01-01,b"]
    ratings = "\n".join(f"{line},{cells}" for line, cells in zip(RATINGS.splitlines(), extra, strict=True))
    loaded = load_study(write(study, ratings + "\n"))
    assert loaded.sessions["date"].dt.day.fillna(0).tolist() == [1, 8, 0, 1]
    assert loaded.clients.to_dict("list") == {"client": ["c1", "c2"], "condition": ["a", "b"]}


CASES = {
    "repeated rating": (
        changed("c2,t1,2,Therapist", "c2,t1,2,Patient"),
        "session: 2 rows repeat (client, therapist, session, rater); first ('c2', 't1', 2, 'client') in rows 7 and 8. "
        "Keep one row per session and rater.",
    ),
    "unknown role": (
        changed("c2,t1,2,Therapist", "c2,t1,2,Nurse"),
        "raters (column 'Role'): 'Nurse' (row 8) is no rater; allowed are 'Patient', 'Therapist'. "
        "Correct it, or add it under `raters:` in study.yml.",
    ),
    "unknown roles": (
        changed("c2,t1,1,Therapist", "c2,t1,1,Mother", changed("c2,t1,2,Therapist", "c2,t1,2,Nurse")),
        "raters (column 'Role'): 2 cells are no raters; first 'Mother' (row 6), 'Nurse' (row 8); allowed are "
        "'Patient', 'Therapist'. Correct it, or add it under `raters:` in study.yml.",
    ),
    "empty role": (
        changed("c2,t1,2,Therapist", "c2,t1,2,NA"),
        "raters (column 'Role'): 1 row without a rater; first row 8. Fill it in, or delete the row.",
    ),
    "out of range": (
        changed("Therapist,4.5", "Therapist,9"),
        "alliance_therapist (column 'wai'): 1 value outside 1 to 5; first 9 (row 5). "
        "Correct it. If 9 means missing, add it under `missing:` in study.yml.",
    ),
    "two therapists": (
        changed("c2,t1,2,Therapist", "c2,t2,2,Therapist"),
        "client: 1 id stands under more than one therapist; first 'c2' under 't1' (row 6) and 't2' (row 8). "
        "Add `repeated_client_ids: same_person` or `repeated_client_ids: different_people` to study.yml.",
    ),
    "no rows": (
        "client,session,Role,wai,phq\n",
        "file: has no rows below the names of the columns. Save the data again.",
    ),
    "no client column": (
        changed("client,", "person,"),
        "client: there is no such column; the file has 'person', 'therapist', 'session', 'Role', 'wai', 'phq'. "
        "Add `client: its name` under `columns:` in study.yml.",
    ),
    "no session column": (
        changed("session,", "number,"),
        "session: there is no such column; the file has 'client', 'therapist', 'number', 'Role', 'wai', 'phq'. "
        "Add `session: its name` under `columns:` in study.yml. "
        "None is needed where every file has one row per client, therapist and rater: the data are then one time point.",
    ),
}


@pytest.mark.parametrize(("ratings", "sentence"), CASES.values(), ids=CASES.keys())
def test_each_problem_of_the_ratings_has_its_sentence(message: Message, ratings: str, sentence: str) -> None:
    assert message(STUDY, ratings) == f"sessions.csv has 1 problem.\n  {sentence}"


def test_what_must_agree_within_a_session_is_told_where_it_differs(message: Message) -> None:
    study = STUDY.replace("raters:", "columns: {date: day, modality: how, phase: phase, age: age}\nraters:")
    rows = [
        "day,how,phase,age",
        "2024-01-01,room,treatment,30",
        "2024-01-02,room,treatment,30",
        "2024-02-01,room,treatment,30",
        ",,,",
        ",,,40",
        "2024-01-01,room,post,40",
        "2024-01-01,online,treatment,41",
    ]
    ratings = "\n".join(f"{line},{cells}" for line, cells in zip(RATINGS.splitlines(), rows, strict=True))
    assert message(study, ratings + "\n") == (
        "sessions.csv has 4 problems.\n"
        "  age: 1 session whose rows differ; first 40 (row 7), 41 (row 8). Write them alike, or put what differs "
        "between the raters under `measures:`.\n"
        "  date (column 'day'): 1 session whose rows differ; first '2024-01-01' (row 2), '2024-01-02' (row 3). "
        "Write them alike.\n"
        "  modality (column 'how'): 1 session whose rows differ; first 'room' (row 7), 'online' (row 8). "
        "Write them alike.\n"
        "  phase: 1 session whose rows differ; first 'post' (row 7), 'treatment' (row 8). Write them alike."
    )


STUDY_CASES = {
    "no such column": (
        ("column: Role", "column: Rolle"),
        "line 3: raters.column: there is no column 'Rolle' in sessions.csv; nearest: Role. Correct the name.",
    ),
    "role that never occurs": (
        ("therapist: Therapist}", "therapist: Therapist, observer: Rater}"),
        "line 3: raters.observer: there is no 'Rater' in the column 'Role' of sessions.csv. "
        "Correct the word, or delete it.",
    ),
    "misspelt role": (
        ("therapist: Therapist}", "therapist: Terapist}"),
        "line 3: raters.therapist: there is no 'Terapist' in the column 'Role' of sessions.csv; nearest: Therapist. "
        "Correct the word, or delete it.",
    ),
    "misspelt raters": (("raters:", "ratters:"), "line 3: ratters is not a key; nearest: raters."),
    "misspelt key": (("column: Role", "colum: Role"), "line 3: raters.colum is not a key; nearest: column."),
    "misspelt rater": (
        ("therapist: Therapist}", "terapist: Therapist}"),
        "line 3: raters.terapist is not a key; nearest: therapist.",
    ),
    "rater without a word": (
        ("measures:", "measures:\n  alliance_observer: {range: [1, 5], column: wai, collected: after}"),
        "line 5: measures.alliance_observer: is read from the rows of the observer, for whom `raters:` has no word. "
        "Add `observer: the word` there.",
    ),
}


@pytest.mark.parametrize(("change", "sentence"), STUDY_CASES.values(), ids=STUDY_CASES.keys())
def test_a_mistake_about_raters_is_told_once_in_its_line(
    message: Message, change: tuple[str, str], sentence: str
) -> None:
    assert message(changed(*change, STUDY), RATINGS) == f"study.yml has 1 problem.\n  {sentence}"


def test_an_unknown_role_and_one_that_never_occurs_are_both_told(message: Message) -> None:
    study = STUDY.replace("therapist: Therapist}", "therapist: Counsellor}")
    assert message(study, RATINGS) == (
        "study.yml has 1 problem.\n"
        "  line 3: raters.therapist: there is no 'Counsellor' in the column 'Role' of sessions.csv. "
        "Correct the word, or delete it.\n"
        "sessions.csv has 1 problem.\n"
        "  raters (column 'Role'): 4 cells are no raters; first 'Therapist' (row 3); allowed are 'Patient', "
        "'Counsellor'. Correct it, or add it under `raters:` in study.yml."
    )


def test_without_the_role_column_the_cells_are_still_checked(message: Message) -> None:
    study = STUDY.replace("column: Role", "column: Who")
    assert message(study, changed("client,", "person,", changed("Patient,2,20", "Patient,2,200"))) == (
        "study.yml has 1 problem.\n"
        "  line 3: raters.column: there is no column 'Who' in sessions.csv. Correct the name.\n"
        "sessions.csv has 2 problems.\n"
        "  client: there is no such column; the file has 'person', 'therapist', 'session', 'Role', 'wai', 'phq'. "
        "Add `client: its name` under `columns:` in study.yml.\n"
        "  symptoms (column 'phq'): 1 value outside 0 to 27; first 200 (row 7). "
        "Correct it. If 200 means missing, add it under `missing:` in study.yml."
    )


def test_two_raters_can_not_share_a_column_of_a_file_that_does_not_say_who_rated(message: Message) -> None:
    study = STUDY.replace("sessions.csv", "[sessions.csv, forms.csv]").replace("column: wai", "column: srs")
    assert message(study, RATINGS, forms_csv="client,therapist,session,srs\nc1,t1,1,4\nc1,t1,2,5\n") == (
        "forms.csv has 1 problem.\n"
        "  'srs': is the column of alliance_client and alliance_therapist, and this file has no column 'Role' that "
        "says who rated. Add that column to the file."
    )


ONCE = "client,therapist,alliance_client,alliance_therapist,symptoms\nc1,t1,3,4,7\nc2,t1,4,3,9\n"
ONCE_STUDY = "data: sessions.csv\nmeasures:\n  alliance_client: {instrument: WAI-SR}\n  symptoms: {instrument: PHQ-9}\n"


def test_one_row_per_client_without_a_session_column_is_one_time_point(write: Writer) -> None:
    study = load_study(write(ONCE_STUDY, ONCE))
    assert study.sessions["session"].tolist() == [1, 1]
    assert study.sessions["time"].tolist() == [0, 0]
    assert study.notes == (
        "sessions.csv: no column with the session and one row per client and therapist; all is read as one time "
        "point (session 1).",
        "sessions.csv: 1 column not used and not kept (alliance_therapist).",
    )


def test_one_row_per_client_and_rater_is_one_time_point(write: Writer) -> None:
    ratings = "Couple,Role,wai,phq\n3,Patient,4,7\n3,Therapist,3,\n10,Therapist,5,\n10,Patient,2,1\n"
    study = load_study(write(changed("raters", "columns: {client: Couple}\nraters", STUDY), ratings))
    assert study.sessions.to_dict("list") == {
        "client": ["10", "3"],
        "session": [1, 1],
        "time": [0, 0],
        "alliance_client": [2, 4],
        "alliance_therapist": [5, 3],
        "symptoms": [1, 7],
    }
    assert study.notes == (
        "sessions.csv: no column with the session and one row per client and rater; all is read as one time point "
        "(session 1).",
        "sessions.csv: 4 ratings read as 2 sessions.",
    )


def test_files_of_one_time_point_are_joined(write: Writer) -> None:
    study = ONCE_STUDY.replace("sessions.csv", "[sessions.csv, forms.csv]")
    first = "client,alliance_client\nc1,3\nc2,4\n"
    loaded = load_study(write(study, first, forms_csv="client,symptoms\nc2,9\nc1,7\n"))
    assert loaded.sessions["symptoms"].tolist() == [7, 9]


def test_two_rows_of_a_client_are_no_time_point(message: Message) -> None:
    assert message(ONCE_STUDY, "client,alliance_client,symptoms\nc1,3,7\nc1,4,9\nc2,4,9\n") == (
        "sessions.csv has 1 problem.\n"
        "  session: there is no such column; the file has 'client', 'alliance_client', 'symptoms'. "
        "Add `session: its name` under `columns:` in study.yml. "
        "None is needed where every file has one row per client: the data are then one time point."
    )


def test_a_session_column_in_one_of_two_files_is_needed_in_both(message: Message) -> None:
    study = ONCE_STUDY.replace("sessions.csv", "[sessions.csv, forms.csv]")
    text = message(study, "client,session,alliance_client\nc1,1,3\nc1,2,4\n", forms_csv="client,symptoms\nc1,9\nc2,7\n")
    assert text.startswith("forms.csv has 1 problem.\n  session: there is no such column; the file has 'client'")


@pytest.mark.skipif(not COUPLES.is_file(), reason="ALLIANCE_DATA names no folder with the couples' data")
def test_148_married_couples_load_with_both_ratings_at_one_time_point(tmp_path: Path) -> None:
    rating = "{column: Satisfaction_A, range: [1, 4]}"
    (tmp_path / "study.yml").write_text(
        f"data: {COUPLES.resolve().as_posix()}\ncolumns: {{client: CoupleID}}\n"
        "raters: {column: Gender_A, client: Wife, therapist: Husband}\n"
        f"measures:\n  alliance_client: {rating}\n  alliance_therapist: {rating}\n",
        encoding="utf-8",
    )
    sessions = load_study(tmp_path).sessions.set_index("client")
    couples = pd.read_csv(COUPLES, dtype={"CoupleID": str}).pivot(
        index="CoupleID", columns="Gender_A", values="Satisfaction_A"
    )
    assert (len(sessions), set(sessions["session"])) == (148, {1})
    assert (sessions["alliance_client"] == couples["Wife"]).all()
    assert (sessions["alliance_therapist"] == couples["Husband"]).all()


CELLS = st.sampled_from(["", "1", "2", "3.5", "99", "NA", "five", "c1", "Patient", "Therapist", " Patient", "Nurse"])


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(CELLS, min_size=6, max_size=6), max_size=6), with_session=st.booleans())
def test_any_ratings_load_or_raise_an_error_with_a_message(
    tmp_path: Path, rows: list[list[str]], with_session: bool
) -> None:
    header = RATINGS.splitlines()[0] if with_session else RATINGS.splitlines()[0].replace("session", "nr")
    (tmp_path / "sessions.csv").write_text("\n".join([header, *map(",".join, rows)]), encoding="utf-8")
    (tmp_path / "study.yml").write_text(STUDY, encoding="utf-8")
    try:
        sessions = load_study(tmp_path).sessions
    except AllianceError as error:
        assert str(error).startswith(("sessions.csv", "study.yml"))
    else:
        assert not sessions.duplicated(["client", "therapist", "session"]).any()
