"""`alliance new` recognises what clinics' files hold, writes a study file that loads, or says what it doubts."""

import files
import numpy as np
import pandas as pd
import pytest

from alliance_analysis.draft.study import draft_study
from alliance_analysis.study.validate import read_checked

CLIENT, BOTH = {"client": "client"}, {"client": "client", "session": "session"}
ALL = {**BOTH, "therapist": "therapist"}
WAI, PHQ = {"alliance_client": "WAI-SR"}, {"symptoms": "PHQ-9"}
BOTH_WAI = {**WAI, "alliance_therapist": "WAI-SR"}

# file -> columns, measures with their instruments, words that a doubt has to contain
KNOWN = {
    "long_items": ({**ALL, "date": "date"}, {**BOTH_WAI, **PHQ}, []),
    "german_scores": (
        {
            "client": "Patientencode",
            "therapist": "Therapeut",
            "session": "Sitzung",
            "date": "Datum",
            "status": "Abbruch",
        },
        {"alliance_client": "WAI-SR", "alliance_therapist": "WAI-SRT", "symptoms": "OQ-45"},
        ["0 for completed and 1 for dropout"],
    ),
    "wide_means": (CLIENT, {**WAI, **PHQ, "symptoms_baseline": "PHQ-9", "symptoms_post": "PHQ-9"}, ["who rated"]),
    "wide_sums": (CLIENT, {**WAI, **PHQ}, ["who rated"]),
    "wide_items": (CLIENT, WAI, ["who rated"]),
    "wide_items_of_two_raters": (CLIENT, BOTH_WAI, []),
    "row_per_rating": ({**ALL, "rater": "rater"}, BOTH_WAI, []),
    "file_per_rater": (BOTH, BOTH_WAI, []),
    "file_per_questionnaire": (
        {**ALL, "status": "status"},
        {**WAI, **PHQ, "bdi_ii_baseline": "BDI-II", "bdi_ii_post": "BDI-II"},
        ["who rated"],
    ),
    "files_with_the_same_names": (ALL, {**WAI, "alliance_therapist": "WAI-SRT", **PHQ}, ["reversed items of WAI-SRT"]),
    "files_with_a_score_each": (BOTH, {**WAI, "symptoms": "OQ-45"}, ["who rated"]),
    "dates_only": ({**CLIENT, "date": "date"}, {"alliance_client": "SRS", "symptoms": "ORS"}, ["who rated"]),
    "redcap_events": (
        {"client": "record_id", "session": "redcap_event_name"},
        {**WAI, **PHQ, "symptoms_baseline": "PHQ-9"},
        ["taken for intake"],
    ),
    "redcap_repeating_form": (
        {"client": "record_id", "session": "redcap_repeat_instance", "date": "date", "status": "dropout"},
        {**WAI, **PHQ},
        ["for completed and"],
    ),
    "other_coding": (BOTH, {**WAI, **PHQ}, ["the answers run 0 to 4", "the answers run 1 to 4"]),
    "change_of_therapist": (ALL, {**WAI, **PHQ}, ["8 ids taken for same person"]),
    "words_for_sessions": ({**CLIENT, "session": "visit"}, WAI, []),
    "pre_post_follow_up": (
        {**CLIENT, "therapist": "therapist"},
        {**WAI, "symptoms_baseline": "PHQ-9", "symptoms_post": "PHQ-9", "symptoms_follow_up": "PHQ-9"},
        [],
    ),
    "sheets_below_a_title": (ALL, {**WAI, "symptoms_baseline": "PHQ-9", "symptoms_post": "PHQ-9"}, []),
    "two_rows_of_names": ({"client": "Patient", "session": "Sitzung"}, {**WAI, **PHQ}, []),
    "labels_of_spss": ({**ALL, "status": "abschl"}, {**WAI, **PHQ}, []),
    "qualtrics": ({"client": "Q1", "session": "Q2", "date": "RecordedDate"}, {**WAI, **PHQ}, ["'Q1'"]),
    "qualtrics_by_reference": (
        {"client": "ExternalReference", "session": "Q1", "date": "RecordedDate"},
        PHQ,
        ["'ExternalReference'"],
    ),
    "answers_in_words": (
        ALL,
        {**WAI, "srs_client": "SRS"},
        ["everyday language: Seldom, Sometimes, Fairly Often", "symptoms: its answers are words, and nothing says"],
    ),
    "google_form": (
        {"client": "Your personal code", "session": "Which session was this?", "date": "Timestamp"},
        PHQ,
        ["'Your personal code'"],
    ),
    "sosci": ({"client": "REF", "session": "SI01", "date": "STARTED"}, WAI, ["'REF'", "'SI01'"]),
    "unread_dates": (
        {**BOTH, "status": "dropout"},
        PHQ,
        ["Datum: its name says dates, but it holds numbers", "nein for completed and ja for dropout"],
    ),
    "row_of_labels": (
        {"client": "ID_Client identifier", "session": "SES_Session number"},
        {**WAI, **PHQ},
        ["who rated"],
    ),
    "workbook_with_codebook": (
        {"client": "PatNr", "therapist": "TherNr", "session": "Sitzung", "status": "Therapieende"},
        {**PHQ, "bdi_ii_baseline": "BDI-II"},
        [],
    ),
    "episodes": (
        {**ALL, "episode": "treatment_episode"},
        {"symptoms": "BDI-II"},
        ["each episode is taken for a person of its own"],
    ),
    "sheets_of_two_raters": (
        {"client": "Pat", "therapist": "Therapist", "session": "Sess"},
        {**WAI, "alliance_therapist": "WAI-SRT", **PHQ},
        ["which form of the WAI"],
    ),
    "names_in_other_languages": (
        {"client": "Danışan", "therapist": "Terapeuta", "session": "Sesja"},
        {"alliance_client": "WAI-SR", "alliance_therapist": "WAI-SRT", "symptoms": "BDI-II"},
        ["which form of the WAI"],
    ),
    "ids_without_a_name": (
        {"client": "kod_x", "session": "n"},
        PHQ,
        ["no name says which column holds the clients", "count up within"],
    ),
    "codes_of_answers": (BOTH, WAI, ["its answers are codes, A1, A2, A3, A4, A5, read as the numbers in them"]),
    "visits": ({**CLIENT, "session": "visit", "phase": "visit"}, PHQ, ["'Mid'"]),
    "visits_and_sessions": ({**CLIENT, "session": "visit", "phase": "visit"}, {**WAI, **PHQ}, []),
    "totals": (
        {"client": "PatientID", "therapist": "ClinicianID", "session": "SessNo"},
        {"alliance_client": "SRS", "symptoms": "OQ-45", "ors": "ORS"},
        [],
    ),
    "named_items_and_totals": (
        {"client": "Client ID", "therapist": "Provider", "session": "Session Number"},
        {"alliance_client": "SRS", "symptoms": "ORS"},
        ["who rated", "'Closed'"],
    ),
    "a_total_and_its_parts": (ALL, {**WAI, "symptoms": "OQ-45", "phq_9": "PHQ-9"}, ["PHQ9_alt: taken for parts"]),
    "personal_columns": (BOTH, {**WAI, "symptoms": "BDI-II"}, []),
    "reversed_items": (BOTH, {"alliance_client": "HAq-II", "symptoms": "CORE-OM"}, []),
    "sheets_by_time": (BOTH, WAI, ["sheet Post"]),
    "files_of_two_clinics": ({**ALL, "date": "date"}, {**WAI, **PHQ}, ["1 client in several"]),
    "stata": (ALL, {**WAI, "symptoms": "GAD-7"}, []),
    "written_by_r": (
        {"client": "row_names", "condition": "treatment"},
        {"symptoms": "BDI-II", "symptoms_baseline": "BDI-II"},
        ["each row is taken for a client", "its numbers are time (2m, 4m)"],
    ),
    "parts_of_the_alliance": (
        ALL,
        {
            "alliance_client": None,
            "alliance_therapist": None,
            **{
                f"alliance_{rater}_{part}": "WAI-SR"
                for part in ("goal", "task", "bond")
                for rater in ("client", "therapist")
            },
            "symptoms": "PHQ-9",
        },
        ["it is made of them"],
    ),
    "centred_items": (
        ALL,
        {
            **dict.fromkeys(
                ["alliance_client", *(f"alliance_client_{part}" for part in ("goal", "task", "bond")), "symptoms"]
            )
        },
        ["taken for centred ones", "3 columns, but BAI has 21 items"],
    ),
    "couples": (
        {"client": "CoupleID", "rater": "Role"},
        {},
        ["'Wife' and 'Husband': taken for two persons", "no questionnaire was recognised"],
    ),
    "other_scorings": (BOTH, {**WAI, "symptoms": "CORE-OM", "ors": "ORS"}, ["mean times 10", "no known scoring"]),
}


def drafted(name, folder):
    draft = draft_study(getattr(files, name)(folder), folder)
    (folder / "study.yml").write_text(draft.text(name, "2026-11-27"), encoding="utf-8")
    return draft, read_checked(folder / "study.yml")


@pytest.mark.parametrize("name", KNOWN)
def test_files_are_recognised_and_the_draft_loads(tmp_path, name):
    columns, measures, doubted = KNOWN[name]
    draft, checked = drafted(name, tmp_path)
    assert {role: guess.value for role, guess in draft.draft.columns.items()} == columns
    found = {one.name: one.keys.get("instrument") for one in draft.draft.measures if one.active}
    assert found == measures
    for words in doubted:
        assert any(words in doubt for doubt in draft.doubts), (words, draft.doubts)
    assert [str(problem) for problem in checked.problems] == []
    assert len(checked.sessions) > 0


def test_the_sessions_of_a_draft_are_those_of_the_clinic(tmp_path):
    for name in (
        "long_items",
        "wide_means",
        "row_per_rating",
        "redcap_events",
        "file_per_rater",
        "two_rows_of_names",
        "files_with_the_same_names",
        "files_with_a_score_each",
        "sheets_of_two_raters",
        "files_of_two_clinics",
    ):
        folder = tmp_path / name
        folder.mkdir()
        _, checked = drafted(name, folder)
        keys = checked.sessions[["client", "session"]].astype(str).to_numpy().tolist()
        assert sorted(keys) == sorted(files.C[["client", "session"]].astype(str).to_numpy().tolist()), name


def test_what_nothing_is_known_of_is_left_to_the_reader(tmp_path):
    draft, checked = drafted("unknown_batteries", tmp_path)
    text = (tmp_path / "study.yml").read_text(encoding="utf-8")
    assert [one.active for one in draft.draft.measures] == [False] * 3
    assert "# q1: {items: [q1, q2, q3, q4, q5, q6, q7, q8], range: [1, 5], score: mean}" in text
    assert "# gas: {column: gas, range: null}" in text
    assert any("no questionnaire was recognised" in line for line in text.splitlines())
    assert checked.measures == {}


def test_the_whole_of_an_alliance_is_the_mean_of_its_parts(tmp_path):
    _, checked = drafted("parts_of_the_alliance", tmp_path)
    rows = checked.sessions[["alliance_client_goal", "alliance_client_task", "alliance_client_bond"]]
    assert np.allclose(checked.sessions["alliance_client"], rows.mean(axis=1))
    assert (checked.measures["alliance_client"].low, checked.measures["alliance_client"].high) == (1, 5)
    assert (checked.measures["alliance_therapist"].low, checked.measures["alliance_therapist"].high) == (12, 60)


def test_columns_with_names_of_their_own_are_the_items_or_the_parts_of_a_whole(tmp_path):
    draft, checked = drafted("named_items_and_totals", tmp_path)
    measures = {one.name: one for one in draft.draft.measures}
    assert len(measures["symptoms"].keys["items"]) == len(measures["alliance_client"].keys["items"]) == 4
    assert checked.sessions["symptoms"].max() > 10
    assert "ORS Total: left out, because its items are scored; `column:` would take it as it is" in draft.draft.notes
    draft, checked = drafted("a_total_and_its_parts", tmp_path)
    assert "OQ SD, OQ IR, OQ SR: parts of OQ-45, of which OQ Total is the whole; not used" in draft.draft.notes


def test_answers_in_words_give_the_scores_of_their_numbers(tmp_path):
    draft, checked = drafted("answers_in_words", tmp_path)
    order = checked.sessions[["client", "session"]].astype(int).to_numpy().tolist()
    assert order == files.C.sort_values(["client", "session"])[["client", "session"]].to_numpy().tolist()
    plain = files.C[["client", "session"]].join([files.wai("{}").mean(axis=1).rename("wai")])
    plain = plain.sort_values(["client", "session"], ignore_index=True)
    assert np.allclose(checked.sessions["alliance_client"], plain["wai"])
    measures = {one.name: one for one in draft.draft.measures}
    assert measures["srs_client"].keys["answers"] == {0: "0 - Not at all", 10: "10 - Fully"}
    assert "  # symptoms:" in (tmp_path / "study.yml").read_text(encoding="utf-8").splitlines()


def test_the_order_of_words_is_asked_for_and_then_no_doubt(tmp_path):
    right = ["no day", "some days", "most days", "every day"]

    def ask(question):
        return next(word for word in right if word in question.choices) if "hold words" in question.text else None

    draft = draft_study(files.answers_in_words(tmp_path), tmp_path, ask)
    (symptoms,) = [one for one in draft.draft.measures if one.name == "symptoms"]
    assert symptoms.active and symptoms.keys["answers"] == dict(enumerate(right))
    assert not any("symptoms" in doubt for doubt in draft.doubts)

    half = draft_study(
        files.answers_in_words(tmp_path), tmp_path, lambda one: ask(one) if "lowest" in one.text else None
    )
    (symptoms,) = [one for one in half.draft.measures if one.name == "symptoms"]
    assert not symptoms.active and symptoms.keys["answers"][0] == right[0]


def test_an_answer_takes_a_doubt_away(tmp_path):
    asked = []

    def ask(question):
        asked.append(question.text)
        return "alliance, rated by the therapist" if "q1" in question.text else "symptoms or distress (higher is worse)"

    draft = draft_study(files.unknown_batteries(tmp_path), tmp_path, ask)
    assert asked == ["What are q1 to q8 (values 1 to 5)?", "What are v1 to v6 (values 0 to 100)?"]
    assert [one.name for one in draft.draft.measures] == ["alliance_therapist", "symptoms"]
    assert draft.draft.measures[1].keys["higher_is_worse"] is True
    assert draft.doubts == []


def test_without_ids_the_draft_says_so(tmp_path):
    draft, checked = drafted("no_ids", tmp_path)
    assert "client" not in draft.draft.columns
    assert "which client a row belongs to" in (tmp_path / "study.yml").read_text(encoding="utf-8")
    assert "which client a row belongs to" in draft.doubts[0]
    assert checked.problems


@pytest.mark.parametrize(
    ("name", "words"), [("sheet_per_client", "one for each client, as it seems"), ("turned_table", "turn the table")]
)
def test_a_table_that_cannot_be_used_as_it_is_gets_one_doubt_that_says_why(tmp_path, name, words):
    draft, _ = drafted(name, tmp_path)
    assert "client" not in draft.draft.columns
    assert [words in doubt for doubt in draft.doubts].count(True) == 1


def test_sheets_of_hundreds_of_items_bring_no_warning(tmp_path):
    items = np.random.default_rng(1).integers(0, 5, (30, 130))
    with pd.ExcelWriter(tmp_path / "book.xlsx") as book:
        for number in (1, 2):
            frame = pd.DataFrame(items, columns=[f"x{at}" for at in range(130)]).assign(client=range(30))
            frame.to_excel(book, sheet_name=f"T{number}", index=False)
    draft = draft_study([tmp_path / "book.xlsx"], tmp_path)
    assert {role: guess.value for role, guess in draft.draft.columns.items()} == {
        "client": "client",
        "session": "session",
    }


def test_a_code_for_missing_and_seven_answer_steps(tmp_path):
    draft, _ = drafted("seven_steps_and_codes", tmp_path)
    (symptoms,) = [one for one in draft.draft.measures if one.name == "symptoms"]
    assert symptoms.keys["reverse"] == ["core2", "core3"]
    (alliance,) = [one for one in draft.draft.measures if one.name == "alliance_client"]
    assert alliance.keys["missing"] == [99]
