"""The promises of data/README.md: it tells every key, its examples load, its questionnaires are those of the package."""

import re
from pathlib import Path

import pandas as pd
import pytest

from alliance_analysis.study.definition import MEASURE_KEYS, PLAN_KEYS, REPORT_KEYS, STUDY_KEYS, TOP_KEYS
from alliance_analysis.study.entries import ENTRY_KEYS
from alliance_analysis.study.instrument_keys import INSTRUMENT_KEYS
from alliance_analysis.study.instruments import INSTRUMENTS
from alliance_analysis.study.studyfile import load_study

PAGE = (Path(__file__).parents[1] / "data" / "README.md").read_text(encoding="utf-8")
KEYS = PAGE.partition("| key | meaning |")[2].partition("\n\n")[0]


def test_the_table_of_keys_tells_every_key():
    every = {*TOP_KEYS, *STUDY_KEYS, *MEASURE_KEYS, *PLAN_KEYS, *REPORT_KEYS, *ENTRY_KEYS, *INSTRUMENT_KEYS}
    told = set(re.findall(r"[a-z_]+", "".join(re.findall(r"`[^`]+`", KEYS))))
    assert every - told == set()


def listed(instrument):
    """Return the row that stands for a questionnaire on the page."""
    numbers = "; ".join(f"{name} {' '.join(map(str, items))}" for name, items in instrument.subscales.items())
    items = "" if instrument.n_items is None else str(instrument.n_items)
    reverse = instrument.reverse
    cells = (
        instrument.name,
        f"{items}: {numbers}" if numbers else items,
        f"{instrument.item_low:g}–{instrument.item_high:g}",
        instrument.score,
        "" if instrument.cut_off is None else f"{instrument.cut_off:g} ({instrument.cut_off_note})",
        "" if instrument.reliable_change is None else f"{instrument.reliable_change:g}",
        "" if instrument.recall_days is None else f"{instrument.recall_days} days",
        "" if reverse is None else " ".join(map(str, reverse)) or "none",
    )
    return "| " + " | ".join(cells) + " |"


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_a_questionnaire_stands_on_the_page_as_the_package_knows_it(name):
    assert listed(INSTRUMENTS[name]).replace("  ", " ") in PAGE.replace("  ", " ")


def example(start):
    return next(block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if block.startswith(start))


def write(folder, text):
    (folder / "study.yml").write_text("study: {title: A study}\n" + text, encoding="utf-8")
    return folder / "study.yml"


def test_the_example_with_one_row_per_rating_loads(tmp_path):
    rows = pd.DataFrame(
        {"Couple": [3, 3, 4, 4], "Nr": 1, "Role": ["Wife", "Husband"] * 2, "Satisfaction": [4, 3.5, 2, 1]}
    )
    rows.to_csv(tmp_path / "ratings.csv", index=False)
    study = load_study(write(tmp_path, "data: ratings.csv\n" + example("columns: {client: Couple")))
    assert study.sessions["alliance_therapist"].tolist() == [3.5, 1.0]


def test_the_example_with_a_column_per_session_loads(tmp_path):
    columns = {"id": [1, 2], "wai_s1": [3.5, 4], "1_phq": [9, 12], "wai_s2": [None, 4.5], "2_phq": [None, 3]}
    columns |= {"pre_phq": [14, 15], "date_s1": "2024-01-02", "date_s2": [None, "2024-01-09"]}
    pd.DataFrame(columns).to_csv(tmp_path / "wide.csv", index=False)
    text = example("data: wide.sav").replace("wide.sav", "wide.csv")
    sessions = load_study(write(tmp_path, text)).sessions
    assert sessions[["client", "session"]].to_numpy().tolist() == [["1", 0], ["1", 1], ["2", 0], ["2", 1], ["2", 2]]
    assert sessions["symptoms"].tolist() == [14, 9, 15, 12, 3]


def test_the_example_with_several_files_loads(tmp_path):
    answers = pd.DataFrame([["", "", ""], ["Code", "WAI", "Nr"], ["", "mean", ""], [1, 4, 1], [2, 3, 1]])
    with pd.ExcelWriter(tmp_path / "clients' forms.xlsx") as book:
        answers.to_excel(book, sheet_name="Answers", index=False, header=False)
        answers.to_excel(book, sheet_name="Other", index=False, header=False)
    pd.DataFrame({"PatID": [1, 2], "Nr": 1, "WAI_mean": [3, 5]}).to_csv(tmp_path / "therapists' forms.csv", index=False)
    form = pd.DataFrame({"record_id": [1, 1, 2], "session": [1, 1, 1], "phq": [9, 3, 4]})
    form.insert(1, "redcap_repeat_instrument", ["session_form", "other", "session_form"])
    form.to_csv(tmp_path / "redcap.csv", index=False)
    measures = """
columns: {client: record_id}
measures:
  alliance_client:    {instrument: WAI-SR, column: WAI_mean, score: mean, collected: after}
  alliance_therapist: {instrument: WAI-SR, column: WAI_mean, score: mean, collected: after}
  symptoms:           {instrument: PHQ-9, column: phq, collected: before, rater: client}
"""
    sessions = load_study(write(tmp_path, example("data:\n") + measures)).sessions
    assert sessions["alliance_client"].tolist() == [4, 3]
    assert sessions["alliance_therapist"].tolist() == [3, 5]
    assert sessions["symptoms"].tolist() == [9, 4]
