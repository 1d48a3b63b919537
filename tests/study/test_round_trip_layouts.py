"""The example study, written in every layout that a clinic may use, comes back equal."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.errors import DataError
from alliance_analysis.study.studyfile import load_study

ROOT = Path(__file__).parents[2] / "data" / "example"
RATINGS = ["alliance_client", "alliance_therapist", "symptoms"]
MEASURES = {
    "alliance_client": {"instrument": "WAI-SR", "score": "mean", "collected": "after"},
    "alliance_therapist": {"instrument": "WAI-SRT", "score": "mean", "collected": "after"},
    "symptoms": {"instrument": "CORE-10", "score": "sum", "collected": "before"},
}
KEYS = ["client", "therapist", "session"]


@pytest.fixture(scope="module")
def sessions():
    frame = pd.read_csv(ROOT / "sessions.csv")
    return frame[[*KEYS, "date", *RATINGS]]


def study(folder, own=None, measures=None, /, **keys):
    """Write a study file; JSON is YAML too."""
    named = {name: {**stated, **(own or {}).get(name, {})} for name, stated in (measures or MEASURES).items()}
    (folder / "study.yml").write_text(json.dumps({**keys, "measures": named}, ensure_ascii=False), encoding="utf-8")
    return load_study(folder / "study.yml")


def same(found, frame, columns=("date", *RATINGS)):
    wanted = frame.sort_values(KEYS, ignore_index=True)
    wanted = wanted[wanted[[*set(columns) & set(RATINGS)]].notna().any(axis=1)].reset_index(drop=True)
    got = found.sessions
    assert got[KEYS].astype(str).to_numpy().tolist() == wanted[KEYS].astype(str).to_numpy().tolist()
    for column in columns:
        if column == "date":
            assert got[column].tolist() == pd.to_datetime(wanted[column]).tolist()
        else:
            np.testing.assert_array_equal(got[column], wanted[column])


def test_long_with_semicolons_and_decimal_commas(tmp_path, sessions):
    sessions.to_csv(tmp_path / "s.csv", sep=";", decimal=",", index=False, encoding="utf-8-sig")
    same(study(tmp_path, data="s.csv"), sessions)


def test_long_in_windows_encoding_with_german_dates_and_other_names(tmp_path, sessions):
    frame = sessions.assign(date=pd.to_datetime(sessions["date"]).dt.strftime("%d.%m.%Y"))
    frame.rename(columns={"client": "Patient", "therapist": "Behändler", "date": "Tag"}).to_csv(
        tmp_path / "s.csv", sep=";", index=False, encoding="cp1252"
    )
    columns = {"client": "Patient", "therapist": "Behändler", "date": "Tag"}
    same(study(tmp_path, data="s.csv", columns=columns), sessions)


@pytest.mark.parametrize("write", ["to_excel", "to_parquet"])
def test_other_formats(tmp_path, sessions, write):
    file = tmp_path / {"to_excel": "s.xlsx", "to_parquet": "s.parquet"}[write]
    getattr(sessions, write)(file, index=False)
    same(study(tmp_path, data=file.name), sessions)


def test_a_sheet_below_a_title_with_two_rows_of_names(tmp_path, sessions):
    names = pd.DataFrame([["Our clinic", *[None] * 6], [*sessions.columns[:4], "alliance", None, "symptoms"]])
    second = pd.DataFrame([[None, None, None, None, "client", "therapist", None]])
    body = pd.DataFrame(sessions.to_numpy(dtype=object))
    with pd.ExcelWriter(tmp_path / "book.xlsx") as book:
        pd.DataFrame({"a": [1]}).to_excel(book, sheet_name="Read me", index=False)
        pd.concat([names, second, body]).to_excel(book, sheet_name="Sessions", index=False, header=False)
    entry = {"file": "book.xlsx", "sheet": "Sessions", "header_row": [2, 3]}
    same(study(tmp_path, data=entry), sessions)


def wide(frame, name):
    once = frame.drop_duplicates("client")[["client", "therapist"]]
    spread = frame.pivot(index="client", columns="session", values=["date", *RATINGS])
    spread.columns = [name.format(column=column, session=int(session)) for column, session in spread.columns]
    return once.merge(spread.reset_index(), on="client")


@pytest.mark.parametrize("name", ["{column}_s{session}", "{column}_T{session:02d}", "t{session}.{column}"])
def test_one_column_per_session(tmp_path, sessions, name):
    wide(sessions, name).to_csv(tmp_path / "wide.csv", index=False)
    spelt = name.replace(":02d", "").replace("{session}", "{{session}}")
    own = {one: {"column": spelt.format(column=one)} for one in RATINGS}
    same(study(tmp_path, own, data="wide.csv", columns={"date": spelt.format(column="date")}), sessions)


def test_words_in_place_of_session_numbers_in_the_names(tmp_path, sessions):
    frame = sessions[sessions["session"] <= 3]
    words = {1: "pre", 2: "mid", 3: "end"}
    spread = wide(frame, "{column}_{session}")
    spread.columns = [
        column.rpartition("_")[0] + "_" + words[int(column.rpartition("_")[2])] if column[-1].isdigit() else column
        for column in spread.columns
    ]
    spread.to_csv(tmp_path / "wide.csv", index=False)
    found = study(
        tmp_path,
        {one: {"column": f"{one}_{{session}}"} for one in RATINGS},
        data="wide.csv",
        wide={"sessions": {"pre": 1, "mid": 2, "end": 3}},
    )
    same(found, frame, RATINGS)


def test_one_row_per_rating(tmp_path, sessions):
    rows = [
        sessions[KEYS].assign(date=sessions["date"], role=role, wai=sessions[f"alliance_{role}"], core=core)
        for role, core in (("client", sessions["symptoms"]), ("therapist", np.nan))
    ]
    pd.concat(rows).to_csv(tmp_path / "s.csv", index=False)
    found = study(
        tmp_path,
        {"alliance_client": {"column": "wai"}, "alliance_therapist": {"column": "wai"}, "symptoms": {"column": "core"}},
        data="s.csv",
        raters={"column": "role", "client": "client", "therapist": "therapist"},
    )
    wanted = sessions.sort_values(KEYS, ignore_index=True)
    assert len(found.sessions) == len(wanted)
    for one in RATINGS:
        np.testing.assert_array_equal(found.sessions[one], wanted[one])


def test_one_file_per_questionnaire_with_keys_of_other_names(tmp_path, sessions):
    sessions[[*KEYS, "date", "alliance_client", "alliance_therapist"]].to_csv(tmp_path / "wai.csv", index=False)
    own = {"client": "Code", "therapist": "Th", "session": "Nr"}
    sessions[[*KEYS, "symptoms"]].rename(columns=own).to_csv(tmp_path / "core.csv", index=False)
    found = study(tmp_path, data=["wai.csv", {"file": "core.csv", "columns": own}])
    same(found, sessions)


def test_dates_instead_of_numbers(tmp_path, sessions):
    sessions.drop(columns="session").to_csv(tmp_path / "s.csv", index=False)
    found = study(tmp_path, data="s.csv", session_numbers={"from": "date"})
    ranks = sessions.assign(session=sessions.groupby(["client", "therapist"])["date"].rank().astype(int))
    same(found, ranks)


def test_rows_instead_of_numbers(tmp_path, sessions):
    sessions.drop(columns=["session", "date"]).to_csv(tmp_path / "s.csv", index=False)
    found = study(tmp_path, data="s.csv", session_numbers={"from": "rows"})
    same(found, sessions.assign(session=sessions.groupby(["client", "therapist"]).cumcount() + 1), RATINGS)


def test_events_of_a_survey_tool(tmp_path, sessions):
    events = sessions.assign(event=[f"session_{number}_arm_1" for number in sessions["session"]])
    base = sessions.drop_duplicates("client")[["client"]].assign(event="baseline_arm_1", symptoms=20.0, age=33)
    pd.concat([base, events.drop(columns="session")]).to_csv(tmp_path / "export.csv", index=False)
    numbers = sorted(set(sessions["session"]))
    names = [f"session_{number}_arm_1" for number in numbers]
    found = study(
        tmp_path,
        {"symptoms_baseline": {"column": "symptoms"}},
        MEASURES | {"symptoms_baseline": {"instrument": "CORE-10"}},
        data={"file": "export.csv", "rows": {"event": names}},
        clients={"file": "export.csv", "rows": {"event": ["baseline_arm_1"]}},
        columns={"session": "event"},
        words={"session": {str(number): [name] for number, name in zip(numbers, names, strict=True)}},
    )
    same(found, sessions)
    assert set(found.clients["symptoms_baseline"]) == {20.0}
    assert "symptoms_baseline" not in found.sessions
    assert set(found.clients["age"]) == {33}


def test_intake_post_and_follow_up_in_the_column_of_the_sessions(tmp_path, sessions):
    visits = sessions.drop(columns="date").assign(visit=["S" + str(number) for number in sessions["session"]])
    first = sessions.drop_duplicates("client")[["client", "therapist"]]
    extra = [first.assign(visit=visit, symptoms=value) for visit, value in (("Pre", 30), ("Post", 10), ("FU", 12))]
    pd.concat([visits.drop(columns="session"), *extra]).to_csv(tmp_path / "s.csv", index=False)
    found = study(
        tmp_path,
        data="s.csv",
        columns={"session": "visit", "phase": "visit"},
        words={
            "session": {str(number): [f"S{number}"] for number in sorted(set(sessions["session"]))},
            "phase": {"intake": ["Pre"], "post": ["Post"], "follow_up": ["FU"]},
        },
    )
    got = found.sessions
    treated = got[(got["phase"] == "treatment") & (got["session"] > 0)]
    assert len(treated) == len(sessions)
    assert (got.loc[got["session"] == 0, "symptoms"] == 30).all()
    last = got.groupby("client")["session"].max()
    follow_up = got[got["phase"] == "follow_up"].set_index("client")["session"]
    assert (last == follow_up).all()


def test_a_wide_file_that_is_the_file_of_clients_too(tmp_path, sessions):
    frame = wide(sessions, "{column}_s{session}").assign(symptoms_post=11.0, age=40)
    frame.loc[0, "age"] = 41
    frame.to_csv(tmp_path / "wide.csv", index=False)
    found = study(
        tmp_path,
        {**{one: {"column": f"{one}_s{{session}}"} for one in RATINGS}},
        MEASURES | {"symptoms_post": {"instrument": "CORE-10"}},
        data="wide.csv",
        clients="wide.csv",
        columns={"date": "date_s{session}"},
    )
    same(found, sessions)
    assert set(found.clients["symptoms_post"]) == {11.0}
    assert "symptoms_post" not in found.sessions
    assert not [name for name in found.clients if name.startswith("alliance")]


def test_status_in_the_clinics_own_words_and_the_end_of_therapy(tmp_path, sessions):
    sessions.to_csv(tmp_path / "s.csv", index=False)
    clients = sessions.drop_duplicates("client")[["client"]].assign(Ende="1", Abschluss="31.12.2025")
    clients.iloc[0, 1] = "läuft noch"
    clients.to_csv(tmp_path / "c.csv", index=False)
    found = study(
        tmp_path,
        data="s.csv",
        clients="c.csv",
        columns={"status": "Ende", "therapy_end": "Abschluss"},
        words={"status": {"completed": ["1"], "ongoing": ["läuft noch"]}},
    )
    assert found.clients["status"].value_counts().to_dict() == {"completed": 239, "ongoing": 1}
    assert set(found.clients["therapy_end"]) == {pd.Timestamp("2025-12-31")}


@pytest.mark.parametrize("rule", ["separate", "first"])
def test_episodes(tmp_path, sessions, rule):
    ids = sorted(set(sessions["client"]))[:2]
    again = sessions[sessions["client"] == ids[1]].assign(client=ids[0], episode=2)
    again = again.assign(therapist=sessions.loc[sessions["client"] == ids[0], "therapist"].iloc[0])
    pd.concat([sessions.assign(episode=1), again]).to_csv(tmp_path / "s.csv", index=False)
    found = study(tmp_path, data="s.csv", columns={"episode": "episode"}, episodes=rule)
    names = set(found.sessions["client"])
    if rule == "first":
        same(found, sessions)
    else:
        assert {f"{ids[0]} (episode 1)", f"{ids[0]} (episode 2)"} <= names
        assert len(names) == sessions["client"].nunique() + 1


def test_codes_for_missing_of_one_measure(tmp_path, sessions):
    frame = sessions.assign(symptoms=sessions["symptoms"].fillna(99))
    frame.to_csv(tmp_path / "s.csv", index=False)
    same(study(tmp_path, {"symptoms": {"missing": [99]}}, data="s.csv"), sessions)


def test_a_sheet_for_each_session(tmp_path, sessions):
    with pd.ExcelWriter(tmp_path / "book.xlsx") as book:
        for number, rows in sessions.groupby("session"):
            rows.drop(columns="session").to_excel(book, sheet_name=f"T{number}", index=False)
    numbers = sorted(int(number) for number in sessions["session"].unique())
    data = [{"file": "book.xlsx", "sheet": f"T{number}", "session": number} for number in numbers]
    same(study(tmp_path, data=data), sessions)


def test_files_of_several_clinics_stand_below_each_other(tmp_path, sessions):
    clinic = sessions["client"].str[-1].astype(int) % 3
    for number in range(3):
        sessions[clinic == number].to_csv(tmp_path / f"clinic_{number}.csv", index=False)
    same(study(tmp_path, data=[f"clinic_{number}.csv" for number in range(3)]), sessions)


def test_a_session_stated_for_a_file_that_numbers_its_own_is_refused(tmp_path, sessions):
    sessions.to_csv(tmp_path / "s.csv", index=False)
    with pytest.raises(DataError, match="session: is 2 by the study file, but the file has the column 'session'"):
        study(tmp_path, data={"file": "s.csv", "session": 2})


def test_a_file_for_each_measure_with_one_name_for_the_score(tmp_path, sessions):
    data = []
    for name in RATINGS:
        sessions[[*KEYS, "date", name]].rename(columns={name: "score"}).to_csv(tmp_path / f"{name}.csv", index=False)
        data.append({"file": f"{name}.csv", "prefix": f"{name}_"})
    own = {name: {"column": f"{name}_score"} for name in RATINGS}
    same(study(tmp_path, own, data=data), sessions)


def test_a_prefix_that_makes_two_columns_of_one_name_is_refused(tmp_path, sessions):
    sessions.assign(phq_x=1, x=2).to_csv(tmp_path / "s.csv", index=False)
    with pytest.raises(DataError, match="prefix: with the prefix 'phq_' two columns are called 'phq_x'"):
        study(tmp_path, data={"file": "s.csv", "prefix": "phq_"}, columns={"age": "phq_x"})


@pytest.mark.parametrize("shared", [False, True])
def test_words_that_no_cell_holds_change_nothing(tmp_path, sessions, shared):
    sessions.to_csv(tmp_path / "s.csv", index=False)
    words = {"session": {"1": "First"}}
    columns = {"session": "session", **({"phase": "session"} if shared else {})}
    same(study(tmp_path, data="s.csv", columns=columns, words=words), sessions)
