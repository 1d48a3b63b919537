"""Loading a good study: what stands in the frames, what is noted; form and order of the files do not matter."""

from __future__ import annotations

import dataclasses
import hashlib
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_study import SESSIONS, STUDY, Writer

from alliance_analysis.errors import AllianceError, DataError
from alliance_analysis.study.studyfile import Study, find_study, load_study, registered_studies


def load_frame(folder: Path, frame: pd.DataFrame) -> Study:
    frame.to_csv(folder / "sessions.csv", index=False)
    (folder / "study.yml").write_text(STUDY, encoding="utf-8")
    return load_study(folder)


def test_sessions_have_the_contract_columns_and_time(write: Writer) -> None:
    study = load_study(write())
    assert list(study.sessions) == ["client", "therapist", "session", "time", "alliance_client", "symptoms"]
    assert [str(kind) for kind in study.sessions.dtypes] == ["str", "str", "int64", "int64", "float64", "float64"]
    assert study.sessions["time"].tolist() == [0, 1, 2, 0, 1, 0, 2]
    assert study.clients["client"].tolist() == ["c1", "c2", "c3"]
    assert (study.rows_read, study.min_cell, study.max_gap_days, study.notes) == (7, 5, None, ())


def test_study_is_frozen_and_fingerprints_its_files(write: Writer) -> None:
    path = write()
    study = load_study(path)
    with pytest.raises(dataclasses.FrozenInstanceError):
        study.title = "other"  # type: ignore[misc]
    expected = {
        file: hashlib.sha256((path.parent / file).read_bytes()).hexdigest() for file in ("study.yml", "sessions.csv")
    }
    assert study.files == expected


def test_has_needs_at_least_one_value(write: Writer) -> None:
    study = load_study(write())
    assert study.has("symptoms")
    assert not study.has("alliance_therapist")


def test_row_order_changes_nothing(tmp_path: Path, good_frame: pd.DataFrame) -> None:
    first = load_frame(tmp_path, good_frame)
    other = load_frame(tmp_path, good_frame.sample(frac=1, random_state=3))
    pd.testing.assert_frame_equal(first.sessions, other.sessions)
    pd.testing.assert_frame_equal(first.clients, other.clients)


@pytest.mark.parametrize("suffix", ["xlsx", "parquet", "tsv"])
def test_every_format_gives_the_same_sessions(tmp_path: Path, good_frame: pd.DataFrame, suffix: str) -> None:
    expected = load_frame(tmp_path, good_frame).sessions
    path = tmp_path / f"sessions.{suffix}"
    if suffix == "xlsx":
        good_frame.to_excel(path, index=False)
    elif suffix == "parquet":
        good_frame.to_parquet(path)
    else:
        good_frame.to_csv(path, sep="\t", index=False)
    (tmp_path / "study.yml").write_text(STUDY.replace("sessions.csv", path.name), encoding="utf-8")
    pd.testing.assert_frame_equal(load_study(tmp_path).sessions, expected)


def test_decimal_commas_are_read_and_noted(write: Writer) -> None:
    commas = SESSIONS.replace(",", ";").replace(".", ",")
    study = load_study(write(STUDY, commas))
    assert study.sessions["alliance_client"].tolist() == [3.5, 4, 4.5, 2, 2.5, 5, 4.75]
    assert study.notes == ("sessions.csv, alliance_client: 4 decimal commas read as decimal points.",)


def test_codes_for_missing_are_counted_in_the_notes(write: Writer) -> None:
    path = write(STUDY + "missing: [99, k.A.]\n", SESSIONS.replace("4,11", "99,k.A."))
    study = load_study(path)
    assert int(study.sessions[["alliance_client", "symptoms"]].isna().to_numpy().sum()) == 3
    assert study.notes == (
        "sessions.csv, alliance_client and symptoms: 2 cells with codes 99, 'k.A.' read as missing.",
    )


def test_a_code_for_missing_never_eats_an_id(write: Writer) -> None:
    study = load_study(write(STUDY + "missing: [1, c3]\n", SESSIONS.replace("c1,", "1,")))
    assert study.clients["client"].tolist() == ["1", "c2", "c3"]


def test_columns_that_are_not_declared_are_not_kept(write: Writer) -> None:
    sessions = "\n".join(
        f"{line},{extra}" for line, extra in zip(SESSIONS.splitlines(), ["note", *"abcdefg"], strict=True)
    )
    study = load_study(write(STUDY, sessions + "\n"))
    assert "note" not in study.sessions
    assert study.notes == ("sessions.csv: 1 column not used and not kept (note).",)


def test_mapped_columns_get_their_contract_names(write: Writer) -> None:
    study = STUDY.replace(
        "measures:", "columns: {client: PatID, session: No, modality: Format, date: Datum}\nmeasures:"
    )
    sessions = "PatID;No;Format;Datum;alliance_client;symptoms\n007;1;online;31.03.2024;3;7\n007;2;room;7.4.2024;4;8\n"
    loaded = load_study(write(study, sessions))
    assert loaded.sessions["client"].tolist() == ["007", "007"]
    assert loaded.sessions["modality"].tolist() == ["online", "room"]
    assert loaded.sessions["date"].tolist() == [pd.Timestamp("2024-03-31"), pd.Timestamp("2024-04-07")]
    assert loaded.notes == ("sessions.csv, date (column 'Datum'): 2 dates read as day.month.year.",)


def test_items_are_scored_with_the_subscales_of_the_instrument(write: Writer) -> None:
    items = [f"w{number}" for number in range(1, 13)]
    study = STUDY.replace("{instrument: WAI-SR,", f"{{instrument: WAI-SR, items: [{', '.join(items)}],")
    answers = [[1, 1, 2, 3, 2, 3, 2, 3, 2, 1, 3, 1], [5, 5, 4, 3, 4, 3, 4, 3, 4, 5, "", 5]]
    lines = [",".join(map(str, ["c1", number + 1, *row, 7 + number])) for number, row in enumerate(answers)]
    loaded = load_study(write(study, "\n".join([",".join(["client", "session", *items, "symptoms"]), *lines, ""])))
    assert loaded.sessions["alliance_client_task"].tolist() == [1, 5]
    assert loaded.sessions["alliance_client_bond"].tolist() == [2, 4]
    assert loaded.sessions["alliance_client_goal"].tolist() == [3, 3]
    assert loaded.sessions["alliance_client"].tolist() == pytest.approx([2, 45 / 11])
    assert loaded.measures["alliance_client_bond"].unit == "WAI-SR mean (1 to 5)"
    assert "w1" not in loaded.sessions
    assert loaded.notes[0] == (
        "alliance_client: scored as mean of 12 items; 1 score from incomplete answers by the mean of the "
        "answered items."
    )


def test_two_files_are_joined_on_their_keys(write: Writer) -> None:
    study = STUDY.replace("data: sessions.csv", "data: [sessions.csv, forms.csv]")
    sessions = "client,therapist,session,alliance_client\nc1,t1,1,3\nc1,t1,2,4\nc1,t1,3,4\n"
    forms = "session,client,therapist,symptoms\n2,c1,t1,9\n1,c1,t1,12\n4,c1,t1,5\n"
    loaded = load_study(write(study, sessions, forms_csv=forms))
    assert loaded.sessions["session"].tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(loaded.sessions["symptoms"], [12, 9, np.nan, 5])
    assert loaded.notes == (
        "forms.csv: joined on client, therapist, session; 2 rows in both, 1 only in the other files, 1 only in "
        "this one.",
    )
    assert loaded.rows_read == 6


def test_clients_file_gives_covariates_and_inherited_measures(write: Writer) -> None:
    clients = "client,condition,age,name,symptoms_post\nc1,a,30,Anna,9\nc2,b,40,Bert,20\nc4,b,50,Cora,11\n"
    loaded = load_study(write(STUDY + "clients: clients.csv\n", SESSIONS, clients_csv=clients))
    assert list(loaded.clients) == ["client", "condition", "age", "symptoms_post"]
    assert loaded.clients["client"].tolist() == ["c1", "c2", "c3", "c4"]
    assert loaded.measures["symptoms_post"].unit == "PHQ-9 sum (0 to 27)"
    assert loaded.notes == (
        "clients.csv: 1 column not used and not kept (name).",
        "clients.csv: 1 client with sessions not in this file; their values are missing.",
        "clients.csv: 1 client without any session; kept among the clients.",
    )


def test_a_client_column_may_stand_in_the_sessions(write: Writer) -> None:
    study = STUDY.replace("measures:", "columns: {condition: arm, age: Alter}\nmeasures:")
    sessions = "client,session,arm,Alter,alliance_client,symptoms\nc1,1,a,30,3,7\nc1,2,a,30,4,8\nc2,1,b,40,4,8\n"
    loaded = load_study(write(study, sessions))
    assert "condition" not in loaded.sessions
    assert loaded.clients.to_dict("list") == {"client": ["c1", "c2"], "condition": ["a", "b"], "age": [30, 40]}


def test_the_therapist_may_stand_in_the_clients_file(write: Writer) -> None:
    sessions = "client,session,alliance_client,symptoms\nc1,1,3,7\nc1,2,4,8\nc2,1,4,8\n"
    loaded = load_study(
        write(STUDY + "clients: clients.csv\n", sessions, clients_csv="client,therapist\nc1,t1\nc2,t9\n")
    )
    assert loaded.sessions["therapist"].tolist() == ["t1", "t1", "t9"]


def test_one_person_with_two_therapists_keeps_the_id(write: Writer) -> None:
    path = write(STUDY + "repeated_client_ids: same_person\n", SESSIONS.replace("c2,t1,2", "c2,t2,2"))
    loaded = load_study(path)
    assert loaded.sessions["client"].nunique() == 3
    assert loaded.notes == ("1 client had more than one therapist; each pair counts as a dyad of its own.",)


def test_different_people_with_one_id_get_ids_of_their_own(write: Writer) -> None:
    path = write(STUDY + "repeated_client_ids: different_people\n", SESSIONS.replace("c2,t1,2", "c2,t2,2"))
    loaded = load_study(path)
    assert loaded.clients["client"].tolist() == ["c1", "c2 (t1)", "c2 (t2)", "c3"]
    assert loaded.notes == ("1 client id stood under more than one therapist and became one id per therapist.",)


def test_one_client_loads(write: Writer) -> None:
    loaded = load_study(write(STUDY, "client,session,alliance_client,symptoms\nc1,1,3,7\n"))
    assert len(loaded.clients) == 1


def test_raters_on_different_instruments_are_noted(write: Writer) -> None:
    study = STUDY + "  alliance_therapist: {instrument: HAq-II, column: haq, collected: after}\n"
    loaded = load_study(write(study, "client,session,alliance_client,symptoms,haq\nc1,1,3,7,6\nc1,2,4,8,5\n"))
    assert loaded.notes == (
        "alliance_client (WAI-SR mean (1 to 5)) and alliance_therapist (HAq-II mean (1 to 6)) are on different scales: "
        "no report claims a mean difference between these raters.",
    )


def test_hostile_names_and_cells_stay_data(write: Writer) -> None:
    study = (
        STUDY.replace("measures:", "columns: {client: '</script>'}\nmeasures:")
        + "  hope: {column: '=1+1', label: '<b>', "
    )
    study += "range: [0, 9], higher_is_worse: false}\n"
    sessions = "</script>,session,alliance_client,symptoms,=1+1\n<img src=x>,1,3,7,1\n<img src=x>,2,4,8,2\n"
    loaded = load_study(write(study, sessions))
    assert loaded.sessions["client"].unique().tolist() == ["<img src=x>"]
    assert loaded.measures["hope"].unit == "<b> (0 to 9)"


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("Pilot A & Co. <2024>", "pilot-a-co-2024"),
        ("Größe", "grosse-"),
        ("Köln", "koln-"),
        ("研究", "study-"),
        ("調査", "study-"),
        ("Clinic 研究", "clinic-"),
        ("a" * 70, "a" * 60 + "-"),
    ],
)
def test_name_is_safe_for_a_folder_and_its_own(
    tmp_path: Path, good_frame: pd.DataFrame, folder: str, name: str
) -> None:
    (tmp_path / folder).mkdir()
    digits = hashlib.sha256(folder.encode()).hexdigest()[:6] if name.endswith("-") else ""
    assert load_frame(tmp_path / folder, good_frame).name == name + digits


def test_both_spellings_of_a_letter_give_one_name(tmp_path: Path, good_frame: pd.DataFrame) -> None:
    names = set()
    for form in ("NFC", "NFD"):
        folder = tmp_path / form / unicodedata.normalize(form, "Köln")
        folder.mkdir(parents=True)
        names.add(load_frame(folder, good_frame).name)
    assert len(names) == 1


def test_the_study_file_names_the_study_unless_it_is_called_study(tmp_path: Path, good_frame: pd.DataFrame) -> None:
    load_frame(tmp_path, good_frame)
    (tmp_path / "study.yml").rename(tmp_path / "Pilot A.yml")
    assert load_study(tmp_path / "Pilot A.yml").name == "pilot-a"


def test_registered_names_are_found_and_an_existing_path_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"example", "implement"} <= set(registered_studies())
    monkeypatch.chdir(tmp_path)
    path, name = find_study("example")
    assert (path.is_absolute(), name) == (True, "example")
    assert find_study(path) == (path, "example")
    (tmp_path / "example").mkdir()
    (tmp_path / "example" / "study.yml").write_text(STUDY, encoding="utf-8")
    assert find_study("example") == (Path("example") / "study.yml", "example")


@pytest.mark.parametrize(
    ("study", "sentence"),
    [
        (
            "exampel",
            "exampel: there is no such study file, folder or registered study; nearest: example. Check the path.",
        ),
        (
            "qqq",
            "qqq: there is no such study file, folder or registered study; registered are example, implement. "
            "Check the path.",
        ),
    ],
)
def test_an_unknown_study_names_the_nearest(study: str, sentence: str) -> None:
    with pytest.raises(DataError) as raised:
        load_study(study)
    assert str(raised.value) == sentence


def test_a_folder_without_a_study_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        load_study(tmp_path)
    assert str(raised.value) == f"{tmp_path}: the folder has no study.yml. Add one, or name the study file itself."


def test_a_column_of_the_clients_never_passes_for_a_score_of_the_sessions(write: Writer) -> None:
    clients = "client,symptoms,time\nc1,9,1\nc2,20,2\nc3,11,3\n"
    loaded = load_study(write(STUDY + "clients: clients.csv\n", SESSIONS, clients_csv=clients))
    assert list(loaded.clients) == ["client"]
    assert loaded.notes == ("clients.csv: 2 columns not used and not kept (symptoms, time).",)


def test_a_subscale_is_collected_when_its_scale_is(write: Writer) -> None:
    study = STUDY + "  alliance_client_bond: {instrument: WAI-SR, column: bond}\n"
    sessions = "client,session,alliance_client,symptoms,bond\nc1,1,3,7,2\nc1,2,4,8,3\n"
    assert load_study(write(study, sessions)).measures["alliance_client_bond"].collected == "after"


EXTRA = STUDY + "  hope: {range: [0, 9], higher_is_worse: false}\n"


@pytest.mark.parametrize(
    ("cell", "note"),
    [
        ("3", "sessions.csv, hope: all 7 values are 3; no question can use it."),
        ("", "sessions.csv, hope: all 7 values are missing; no question can use it."),
    ],
)
def test_a_further_measure_without_information_is_a_note(write: Writer, cell: str, note: str) -> None:
    first, *rest = SESSIONS.splitlines()
    study = load_study(write(EXTRA, "\n".join([f"{first},hope", *(f"{line},{cell}" for line in rest)])))
    assert study.notes == (note,)
    assert study.core_measures == ("alliance_client", "symptoms")


def test_a_measure_of_the_clients_may_be_constant(write: Writer) -> None:
    clients = "client,hope,symptoms_post\nc1,3,\nc2,3,\nc3,3,\n"
    study = load_study(write(EXTRA + "clients: clients.csv\n", SESSIONS, clients_csv=clients))
    assert study.notes == (
        "clients.csv, hope: all 3 values are 3; no question can use it.",
        "clients.csv, symptoms_post: all 3 values are missing; no question can use it.",
    )


def test_files_of_one_name_in_two_folders_are_kept_apart(tmp_path: Path) -> None:
    for folder, column in (("client", "alliance_client"), ("clinic", "symptoms")):
        (tmp_path / folder).mkdir()
        text = f"client,session,{column}\nc1,1,3\nc1,2,4\n"
        (tmp_path / folder / "forms.csv").write_text(text, encoding="utf-8")
    study = STUDY.replace("sessions.csv", "[client/forms.csv, clinic/forms.csv]")
    (tmp_path / "study.yml").write_text(study, encoding="utf-8")
    loaded = load_study(tmp_path)
    expected = {
        name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        for name in ("study.yml", "client/forms.csv", "clinic/forms.csv")
    }
    assert loaded.files == expected
    assert loaded.notes == (
        "clinic/forms.csv: joined on client, session; 2 rows in both, 0 only in the other files, 0 only in this one.",
    )


def test_the_measures_of_the_sessions_and_the_core_of_them(write: Writer) -> None:
    study = EXTRA + "  alliance_client_bond: {instrument: WAI-SR, column: bond, collected: after}\n"
    sessions = "client,session,alliance_client,symptoms,hope,bond\nc1,1,3,7,5,2\nc1,2,4,8,5,3\nc2,1,4,8,6,3\n"
    clients = "client,symptoms_post\nc1,3\nc2,4\n"
    loaded = load_study(write(study + "clients: clients.csv\n", sessions, clients_csv=clients))
    assert loaded.session_measures == ("alliance_client", "symptoms", "hope", "alliance_client_bond")
    assert loaded.core_measures == ("alliance_client", "symptoms")
    assert loaded.ranges == {
        "alliance_client": (1, 5),
        "symptoms": (0, 27),
        "hope": (0, 9),
        "alliance_client_bond": (1, 5),
        "symptoms_post": (0, 27),
    }


def test_a_study_without_measures_has_none_at_its_core(write: Writer) -> None:
    loaded = load_study(write("data: sessions.csv\n"))
    assert (loaded.session_measures, loaded.core_measures, loaded.ranges) == ((), (), {})
    assert list(loaded.describe_measures()) == ["measure", "scale", "higher_is", "collected", "recall_days"]
    assert loaded.describe_measures().empty


def test_one_session_per_client_has_no_core(write: Writer) -> None:
    sessions = "client,session,alliance_client,symptoms\nc1,1,3,7\nc2,1,4,8\n"
    assert load_study(write(STUDY, sessions)).core_measures == ()


def test_timing_is_what_choose_timing_asks_for(write: Writer) -> None:
    assert load_study(write()).timing("alliance_client") == {
        "alliance_collected": "after",
        "symptoms_collected": "before",
        "recall_days": 14,
    }


def test_the_direction_of_a_measure_is_as_stated(write: Writer) -> None:
    study = load_study(write())
    assert (study.higher_is_worse("symptoms"), study.higher_is_worse("alliance_client")) == (True, False)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "symptom",
            "symptom: the study has no such measure; nearest: symptoms. Add it under `measures:` in study.yml.",
        ),
        (
            "zzz",
            "zzz: the study has no such measure; it has alliance_client, symptoms. "
            "Add it under `measures:` in study.yml.",
        ),
    ],
)
def test_a_measure_the_study_lacks_is_named_with_the_nearest(write: Writer, name: str, sentence: str) -> None:
    study = load_study(write())
    for ask in (study.higher_is_worse, study.timing):
        with pytest.raises(DataError) as raised:
            ask(name)
        assert str(raised.value) == sentence


def test_notes_and_measures_become_tables(write: Writer) -> None:
    study = load_study(write())
    assert study.describe_notes()["note"].tolist() == ["nothing was changed, dropped or left out"]
    assert study.describe_measures().fillna({"recall_days": 0}).to_dict("list") == {
        "measure": ["alliance_client", "symptoms"],
        "scale": ["WAI-SR mean (1 to 5)", "PHQ-9 sum (0 to 27)"],
        "higher_is": ["better", "worse"],
        "collected": ["after", "before"],
        "recall_days": [0, 14],
    }


def test_notes_on_items_are_few(write: Writer) -> None:
    items = [f"w{number}" for number in range(1, 13)]
    study = STUDY.replace("{instrument: WAI-SR,", f"{{instrument: WAI-SR, items: [{', '.join(items)}],")
    answers = [[99, 1, 2, 3, 2, 3, 2, 3, 2, 1, 3, 99], [5, 5, 4, 3, 4, 3, 4, 3, 4, 5, 99, 5]]
    lines = [",".join(map(str, ["c1", number + 1, *row, 7 + number])) for number, row in enumerate(answers)]
    text = "\n".join([",".join(["client", "session", *items, "symptoms"]), *lines, ""])
    assert load_study(write(study + "missing: 99\n", text)).notes == (
        "sessions.csv, w1, w11 and w12: 3 cells with code 99 read as missing.",
        "alliance_client: scored as mean of 12 items; 2 scores from incomplete answers by the mean of the answered "
        "items.",
        "alliance_client_goal, alliance_client_task and alliance_client_bond: each scored as mean of 4 items; "
        "1 score from incomplete answers by the mean of the answered items; 1 row with fewer than 75% answered got no "
        "score.",
    )


CELLS = st.one_of(
    st.sampled_from(
        ["", "1", "2", "3.5", "-1", "99", "NA", "five", "1,5", "inf", "1e400", "=A1", "</script>", '"', "\x00", "c1"]
    ),
    st.text(max_size=4),
)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(CELLS, min_size=5, max_size=5), max_size=6), separator=st.sampled_from(",;\t"))
def test_any_cells_load_or_raise_an_error_with_a_message(tmp_path: Path, rows: list[list[str]], separator: str) -> None:
    lines = [SESSIONS.splitlines()[0].split(","), *rows]
    text = "\n".join(separator.join(line) for line in lines)
    (tmp_path / "sessions.csv").write_bytes(text.encode("utf-8", "surrogatepass"))
    (tmp_path / "study.yml").write_text(STUDY, encoding="utf-8")
    try:
        sessions = load_study(tmp_path).sessions
    except AllianceError as error:
        assert str(error).startswith(("sessions.csv", "study.yml"))
    else:
        assert sessions["session"].min() >= 0
        assert not sessions.duplicated(["client", "therapist", "session"]).any()


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.one_of(
        st.text(max_size=60), st.lists(st.sampled_from(list("{}[]:,-&*!|>'\"#%@ \nab1")), max_size=40).map("".join)
    )
)
def test_any_study_file_loads_or_raises_an_error_with_a_message(tmp_path: Path, text: str) -> None:
    (tmp_path / "study.yml").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(DataError, match=r"^study.yml"):
        load_study(tmp_path / "study.yml")


def test_an_absolute_path_of_a_data_file_stays_on_the_machine(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "sessions.csv").write_text("client,session,wai,phq\na,1,3,9\na,2,4,7\n", encoding="utf-8")
    (tmp_path / "study.yml").write_text(
        f"study: {{title: T}}\ndata: {(elsewhere / 'sessions.csv').as_posix()}\nmeasures:\n"
        "  alliance_client: {instrument: WAI-SR, column: wai, score: mean, collected: after}\n"
        "  symptoms: {instrument: PHQ-9, column: phq, collected: before}\n",
        encoding="utf-8",
    )
    study = load_study(tmp_path / "study.yml")
    assert set(study.files) == {"study.yml", "sessions.csv"}
    assert str(elsewhere) not in " ".join(study.notes)
