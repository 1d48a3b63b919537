"""What examining a study hands out: what stops it, what warns, what was done, and the study when nothing stops."""

from __future__ import annotations

from small_study import STUDY, Writer

from alliance_analysis.study.examine import examine_study
from alliance_analysis.study.validate import check_study


def test_a_good_study_is_handed_out(write: Writer) -> None:
    examined = examine_study(write())
    assert examined.problems == ()
    assert examined.study is not None
    assert len(examined.study.sessions) == 7
    assert examined.title == "Clinic"


def test_a_study_that_stops_has_no_study_and_the_same_problems_as_check_study(write: Writer) -> None:
    path = write(STUDY.replace("PHQ-9", "PHQ9"))
    examined = examine_study(path)
    assert examined.study is None
    assert examined.stops
    assert [(one.place, one.text) for one in examined.stops] == [(one.place, one.text) for one in check_study(path)]
    assert {one.severity for one in examined.stops} == {"stops"}


def test_notes_know_their_file_and_place(write: Writer) -> None:
    study = STUDY + "missing: [99]\n"
    notes = examine_study(write(study, write().with_name("sessions.csv").read_text().replace("4,11", "4,99"))).notes
    assert [(one.file, str(one), one.severity) for one in notes] == [
        ("sessions.csv", "symptoms: 1 cell with code 99 read as missing.", "note")
    ]


def test_a_doubt_about_ids_keeps_no_study_of_several_files_from_being_joined(write: Writer) -> None:
    study = STUDY.replace("data: sessions.csv", "data: [sessions.csv, forms.csv]")
    names = ["Huber", "Novak", "Muster"]
    rows = [(who, session) for who in names for session in (1, 2, 3)]
    sessions = "client,session,alliance_client\n" + "".join(f"{who},{at},{1 + at}\n" for who, at in rows)
    forms = "client,session,symptoms\n" + "".join(f"{who},{at},{9 - at}\n" for who, at in rows)
    examined = examine_study(write(study, sessions, forms_csv=forms))
    assert [one.file for one in examined.warns] == ["sessions.csv", "forms.csv"]
    assert examined.study is not None
    assert len(examined.study.sessions) == 9
