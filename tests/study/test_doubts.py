"""Each reason for doubt is found where it is, said whole, and kept quiet about where it is not."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from alliance_analysis.study.doubts.privacy import find_telling_columns, find_telling_ids
from alliance_analysis.study.examine import Examined, examine_study
from alliance_analysis.study.readers import Table
from alliance_analysis.study.tidy import Part

ITEMS = [f"wai{number}" for number in range(1, 13)]
STUDY = f"""\
study: {{title: Clinic}}
data: sessions.csv
clients: clients.csv
measures:
  alliance_client: {{instrument: WAI-SR, items: [{", ".join(ITEMS)}], collected: after}}
  symptoms: {{instrument: PHQ-9, column: phq, collected: before}}
"""
CLIENTS, SESSIONS = 60, 8

Doubt = Callable[..., Examined]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Sixty clients with eight sessions each, twelve items of one factor, symptoms that go with it."""
    rng = np.random.default_rng(1)
    of_client = np.repeat(rng.normal(size=CLIENTS), SESSIONS)
    state = of_client + 0.5 * rng.normal(size=CLIENTS * SESSIONS)
    items = np.clip(np.round(3.2 + state[:, None] + 0.7 * rng.normal(size=(len(state), 12))), 1, 5).astype(int)
    symptoms = np.clip(np.round(10 - 3 * state + 2 * rng.normal(size=len(state))), 0, 27).astype(int)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * np.tile(np.arange(SESSIONS), CLIENTS), unit="D")
    keys = {
        "client": [f"c{number:02d}" for number in np.repeat(np.arange(CLIENTS), SESSIONS)],
        "session": np.tile(np.arange(1, SESSIONS + 1), CLIENTS),
        "date": days.strftime("%Y-%m-%d"),
    }
    return pd.DataFrame(keys).assign(**dict(zip(ITEMS, items.T, strict=True)), phq=symptoms)


@pytest.fixture
def examine(tmp_path: Path) -> Doubt:
    def act(frame: pd.DataFrame, study: str = STUDY, ends: dict[str, str] | None = None) -> Examined:
        ids = frame["client"].unique()
        clients = pd.DataFrame({"client": ids}).assign(therapy_end=[(ends or {}).get(one, "2024-12-31") for one in ids])
        frame.to_csv(tmp_path / "sessions.csv", index=False)
        clients.to_csv(tmp_path / "clients.csv", index=False)
        (tmp_path / "study.yml").write_text(study, encoding="utf-8")
        return examine_study(tmp_path / "study.yml")

    return act


def told(examined: Examined) -> list[str]:
    assert examined.stops == ()
    return [f"{one.file}, {one}" for one in examined.warns]


@pytest.mark.parametrize("name", ["example", "implement"])
def test_studies_that_come_with_the_package_raise_no_doubt(name: str) -> None:
    if name == "implement" and not os.environ.get("ALLIANCE_DATA"):
        pytest.skip("ALLIANCE_DATA does not name a folder with the open data")
    assert examine_study(name).problems == ()


def test_an_ordinary_study_raises_no_doubt(examine: Doubt, frame: pd.DataFrame) -> None:
    assert told(examine(frame)) == []


def test_a_score_that_leaves_the_course_and_comes_back_is_doubted(examine: Doubt, frame: pd.DataFrame) -> None:
    frame = frame.copy()
    frame.loc[2:4, "phq"] = [2, 27, 3]
    assert told(examine(frame)) == [
        "sessions.csv, symptoms: 1 value leaves the client's course by 50% of the possible range and back at the next "
        "session, or by 75% at once (row 5). Compare with the forms: a slip of the pen, or a form filled in the wrong "
        "way round?"
    ]


def test_two_clients_side_by_side_are_no_jump(examine: Doubt, frame: pd.DataFrame) -> None:
    frame = frame.assign(phq=np.where(frame["client"] < "c30", frame["phq"] // 9, 24 + frame["phq"] // 9))
    assert told(examine(frame)) == []


def test_a_copied_block_is_doubted(examine: Doubt, frame: pd.DataFrame) -> None:
    frame = frame.copy()
    frame.iloc[40:45, 3:] = frame.iloc[160:165, 3:].to_numpy()
    assert told(examine(frame)) == [
        "sessions.csv, rows: 2 clients share 4 or more sessions in a row in which every value is the same; first rows "
        "42 to 45 and rows 162 to 165. Blocks of 4 are not alike by chance in this file. Was a block copied, or does "
        "one person have two ids?"
    ]


def test_clients_who_always_answer_alike_are_no_copies(examine: Doubt, frame: pd.DataFrame) -> None:
    frame = frame.copy()
    frame.loc[frame["client"].isin(["c01", "c02", "c03"]), [*ITEMS, "phq"]] = [*[5] * 12, 1]
    assert told(examine(frame)) == []


def test_sessions_after_the_end_of_therapy_are_doubted_but_not_those_of_follow_up(
    examine: Doubt, frame: pd.DataFrame
) -> None:
    ends = {"c00": "2024-02-10", "c01": "2024-02-10"}
    assert told(examine(frame, ends=ends)) == [
        "sessions.csv, date: 4 sessions of 2 clients after the end of therapy, by up to 9 days (rows 8, 9, 16 and 17). "
        "Correct the dates; if these are occasions of post or follow-up, name their column under `columns: {phase: …}`."
    ]
    phased = frame.assign(phase=np.where(frame["session"] > 6, "follow_up", "treatment"))
    assert told(examine(phased, ends=ends)) == []


@pytest.mark.parametrize(
    ("flipped", "stated", "sentence", "right"),
    [
        (["wai4"], [], "wai4 correlates −0.72 with the rest of the battery, below −0.39, after reversing. It seems to be "
         "reversed and not yet turned.", ["wai4"]),
        ([], ["wai2", "wai5", "wai9"], "wai2, wai5 and wai9 correlate −0.76 to −0.74 with the rest of the battery, below "
         "−0.39, after reversing. These are all of its 3 reversed items: they seem to be recoded already.", []),
        (["wai4"], ["wai2"], "wai2 and wai4 correlate −0.76 to −0.72 with the rest of the battery, below −0.39, after "
         "reversing. The file seems to hold recoded items, or `reverse:` names wrong ones.", ["wai4"]),
    ],
)  # fmt: skip
def test_items_against_the_rest_are_doubted_with_the_right_list(
    examine: Doubt, frame: pd.DataFrame, flipped: list[str], stated: list[str], sentence: str, right: list[str]
) -> None:
    turned = frame.assign(**{item: 6 - frame[item] for item in flipped})
    study = STUDY.replace("], collected", f"], reverse: [{', '.join(stated)}], collected")
    examined = examine(turned, study)
    assert told(examined) == [f"sessions.csv, alliance_client: {sentence}"]
    assert yaml.safe_load(examined.warns[0].fix) == {"measures": {"alliance_client": {"reverse": right}}}
    mended = STUDY.replace("], collected", f"], reverse: [{', '.join(right)}], collected")
    assert told(examine(turned, mended)) == []


def test_forms_ticked_through_are_doubted(examine: Doubt, frame: pd.DataFrame) -> None:
    frame = frame.copy()
    frame.loc[::4, ITEMS] = 4
    assert told(examine(frame)) == [
        "sessions.csv, alliance_client: 120 of 480 complete forms of 60 clients have the same answer to all 12 items "
        "(first rows 2, 6, 10, 14 and 18); the ends of the scale are not counted, and more than 20% is much. "
        "Are these real answers, or was the form ticked through? Check `reverse:` too."
    ]


def test_full_agreement_throughout_is_a_ceiling_not_a_straight_line(examine: Doubt, frame: pd.DataFrame) -> None:
    frame = frame.copy()
    frame.loc[::4, ITEMS] = 5
    examined = examine(frame)
    assert told(examined) == []
    assert any("are the highest possible (5)" in note.text for note in examined.notes)


def test_a_measure_that_is_mostly_at_its_floor_is_doubted(examine: Doubt, frame: pd.DataFrame) -> None:
    floor = frame.assign(phq=frame["phq"].where(np.arange(len(frame)) % 8 < 3, 0))
    (sentence,) = told(examine(floor))
    assert sentence.startswith(
        "sessions.csv, symptoms: 62% of 480 values are the lowest possible (0); more than 50% is"
    )


def part_of(ids: list[str], **columns: list[str]) -> Part:
    frame = pd.DataFrame({"client": ids, **columns})
    table = Table("sessions.csv", frame, np.arange(len(frame)) + 2, {})
    return Part(table, table.rows, frame[["client"]], {"client": "client"})


@pytest.mark.parametrize(
    ("ids", "what"),
    [
        (["Maria Huber", "Jan Novak", "Li Na"], "names"),
        (["Huber, Maria", "Novak, Jan", "Na, Li"], "names"),
        (["Huber", "Novak", "Müller"], "names"),
        (["王小明", "李娜", "张伟"], "names"),
        (["محمد علي", "فاطمة حسن", "ليلى سعيد"], "names"),
        (["a@x.org", "b@x.org", "c@y.at"], "mail addresses"),
        (["1985-03-12", "1990-12-01", "2001-01-31"], "dates of birth"),
        (["12.3.1985", "1.12.1990", "31.01.2001"], "dates of birth"),
        (["MH12031985", "JN01121990", "LN31012001"], "dates of birth"),
        (["c01", "c02", "c03"], ""),
        (["101", "102", "103"], ""),
        (["ANMA", "KLHU", "PETO"], ""),
        (["ANMA12", "KLHU07", "PETO31"], ""),
        (["2024-03-12", "2024-03-13", "2024-04-01"], ""),
        (["90871234", "47110815", "12345678"], ""),
        (["a", "b", "c"], ""),
    ],
)
def test_ids_that_tell_who_somebody_is_are_doubted_and_never_repeated(ids: list[str], what: str) -> None:
    found = find_telling_ids(part_of(ids), date(2026, 1, 1))
    texts = [
        f"3 of 3 ids look like {what}. Whoever gets the file can tell who they are. Replace them by random codes, and "
        "keep the key elsewhere; no report shows ids."
    ]
    assert [one.text for one in found] == (texts if what else [])


def test_columns_of_names_that_nobody_reads_are_noted() -> None:
    part = part_of(["c1", "c2"], Vorname=["A", "B"], GebDatum=["1", "2"], phq=["1", "2"])
    assert [one.text for one in find_telling_columns(part)] == [
        "Vorname and GebDatum may tell who somebody is. Not read here; delete before you share the file."
    ]


@pytest.mark.parametrize(
    ("column", "telling"),
    [
        ("Name", True), ("patient_name", True), ("Name des Patienten", True), ("lastName", True), ("E-Mail", True),
        ("Geb.-Datum", True), ("DOB", True), ("redcap_event_name", False), ("scale name", False), ("mailing_wave", False),
        ("nachher", False), ("phq1", False),
    ],
)  # fmt: skip
def test_names_of_columns_tell_or_do_not(column: str, telling: bool) -> None:
    assert bool(find_telling_columns(part_of(["c1", "c2"], **{column: ["1", "2"]}))) is telling
