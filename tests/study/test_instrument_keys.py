"""A study describes its own questionnaires, which are then used like the known ones."""

import json

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.errors import DataError
from alliance_analysis.study.describe_instruments import describe_instruments
from alliance_analysis.study.instruments import INSTRUMENTS
from alliance_analysis.study.studyfile import load_study, read_own_instruments

OWN = {
    "title": "Our bond scale",
    "items": 4,
    "range": [1, 7],
    "reverse": [2],
    "subscales": {"bond": [1, 2], "goal": [3, 4]},
    "higher_is_worse": False,
    "recall_days": 7,
    "cut_off": 4,
    "reliable_change": 1,
    "source": "Clinic handbook",
}


def write(folder, instruments, **measure):
    rows = [["a", 1, 7, 1, 5, 5], ["a", 2, 5, 2, 3, 4], ["b", 1, 1, 7, 2, 2], ["b", 2, 4, 4, 4, 4]]
    names = ["client", "session", "q1", "q2", "q3", "q4"]
    pd.DataFrame(rows, columns=names).to_csv(folder / "s.csv", index=False)
    alliance = {"instrument": "OUR-BOND", "items": names[2:], "collected": "after", **measure}
    study = {"data": "s.csv", "instruments": instruments, "measures": {"alliance_client": alliance}}
    (folder / "study.yml").write_text(json.dumps(study), encoding="utf-8")
    return folder / "study.yml"


def test_it_is_scored_with_its_own_key(tmp_path):
    study = load_study(write(tmp_path, {"OUR-BOND": OWN}))
    assert study.sessions["alliance_client"].tolist() == [6.0, 4.5, 1.5, 4.0]
    assert study.sessions["alliance_client_bond"].tolist() == [7.0, 5.5, 1.0, 4.0]
    assert study.sessions["alliance_client_goal"].tolist() == [5.0, 3.5, 2.0, 4.0]
    measure = study.measures["alliance_client"]
    assert (measure.low, measure.high, measure.recall_days, measure.cut_off) == (1, 7, 7, 4)
    assert study.ranges["alliance_client_bond"] == (1, 7)


def test_it_is_listed_with_its_source(tmp_path):
    own = read_own_instruments(write(tmp_path, {"OUR-BOND": OWN}))
    frame = describe_instruments(own)
    assert set(frame.loc[frame["instrument"] == "OUR-BOND", "source"]) == {"Clinic handbook"}


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({**OWN, "rang": [1, 5]}, "instruments.OUR-BOND.rang is not a key; nearest: range."),
        (
            {key: value for key, value in OWN.items() if key != "higher_is_worse"},
            "instruments.OUR-BOND.higher_is_worse is missing; write true or false. The direction is never guessed.",
        ),
        (
            {**OWN, "range": [5]},
            "instruments.OUR-BOND.range must be the lowest and the highest answer to one item, such as [1, 5], got "
            "'[5]'.",
        ),
        (
            {**OWN, "reverse": [5]},
            "instruments.OUR-BOND.reverse must be numbers of items, counted from 1 to 4, got '5'.",
        ),
        ({**OWN, "cut_off": 9}, "instruments.OUR-BOND.cut_off must be a number from 1 to 7, got '9'."),
    ],
)
def test_a_wrong_key_is_told_with_what_is_allowed(tmp_path, own, sentence):
    with pytest.raises(DataError) as raised:
        read_own_instruments(write(tmp_path, {"OUR-BOND": own}))
    assert sentence in str(raised.value)


def test_a_known_name_is_not_given_twice(tmp_path):
    with pytest.raises(DataError) as raised:
        load_study(write(tmp_path, {"PHQ-9": OWN}))
    assert "instruments.PHQ-9 is the name of a known instrument (PHQ-9). Give yours another name" in str(raised.value)


def test_every_figure_of_a_known_instrument_has_a_source_and_a_confidence():
    frame = describe_instruments()
    assert set(frame["instrument"]) == set(INSTRUMENTS)
    assert (frame["source"].str.len() > 0).all()
    assert set(frame["confidence"]) <= {"table", "passage", "abstract", "secondary", "domain"}
    assert not frame.duplicated(["instrument", "figure"]).any()
    cut_offs = frame[frame["figure"] == "cut_off"].set_index("instrument")
    assert cut_offs.loc["PHQ-9", ["value", "confidence"]].tolist() == ["10", "secondary"]
    assert cut_offs.loc["CORE-10", "confidence"] == "domain"


def test_the_seventeen_instruments_of_the_field_are_known():
    wanted = "WAI-SR WAI-SRT WAI-S HAq-II ARM SRS ORS PHQ-9 GAD-7 OQ-45 CORE-OM CORE-10 BDI-II BAI BSI SWLS RRI"
    assert set(wanted.split()) == set(INSTRUMENTS)


@pytest.mark.parametrize("name", ["alliance_client"])
def test_own_instruments_do_not_leak_into_the_next_study(tmp_path, name):
    load_study(write(tmp_path, {"OUR-BOND": OWN}))
    with pytest.raises(DataError, match="'OUR-BOND' is not known"):
        load_study(write(tmp_path, {}))
    assert np.all([one.name in INSTRUMENTS for one in INSTRUMENTS.values()])
