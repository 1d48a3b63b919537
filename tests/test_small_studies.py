"""Ordinary small studies: what one lacks withholds a part with its reason; no question ends as a failure."""

import json

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.report.run import run_reports
from alliance_analysis.study.simulate import StudyDesign, simulate_study

pytestmark = pytest.mark.slow

STUDY = """\
study: {{title: A small study}}
data: sessions.csv
measures:
  {alliance}: {{instrument: WAI-SR, column: {alliance}, score: mean, collected: {first}}}
  symptoms: {{instrument: CORE-10, column: symptoms, score: sum, collected: {second}}}
"""


def sessions(**design):
    return simulate_study(9, StudyDesign(**{"n_clients": 40, "n_therapists": 6, "n_sessions": 8} | design)).sessions


def run(folder, table, alliance="alliance_client", first="after", second="before"):
    table.to_csv(folder / "sessions.csv", index=False)
    text = STUDY.format(alliance=alliance, first=first, second=second)
    (folder / "study.yml").write_text(text, encoding="utf-8")
    return run_reports(folder / "study.yml", out=folder / "run", parameters={"n_simulations": "2", "n_bootstrap": "20"})


def results(summary, number):
    (path,) = summary.folder.glob(f"{number}_*.results.json")
    return json.loads(path.read_text("utf-8"))


def headline(summary, part):
    return next(h for h in results(summary, "02")["headlines"] if h["part"].startswith(part))


def test_without_therapist_ids(tmp_path):
    summary = run(tmp_path, sessions().drop(columns=["therapist", "date"]))
    assert summary.statuses["01"] in ("answered", "caution")
    assert "number of therapists" in headline(summary, "Early")["reason"]
    rows = [row for row in results(summary, "02")["estimates"] if row["model"] == "early alliance and end state"]
    assert {row["n_therapists"] for row in rows} == {None}


def test_five_sessions_and_no_measure_after_treatment_withhold_the_end_state(tmp_path):
    summary = run(tmp_path, sessions(n_sessions=5))
    assert summary.exit_code == 0
    assert headline(summary, "Early")["status"] == "withheld"
    assert headline(summary, "Early")["reason"].startswith("0 clients have an early rating")


def test_one_client_per_therapist(tmp_path):
    table = sessions()
    summary = run(tmp_path, table.assign(therapist="t" + table["client"]))
    assert summary.exit_code == 0


def test_one_session_per_client_is_described_and_not_modelled(tmp_path):
    summary = run(tmp_path, sessions(n_clients=36).drop_duplicates("client"))
    assert summary.exit_code == 0
    assert summary.statuses["02"] == "not_answerable"


def test_therapist_ratings_only_given_before_and_symptoms_after_the_session(tmp_path):
    summary = run(tmp_path, sessions(), "alliance_therapist", first="before", second="after")
    assert summary.exit_code == 0
    withheld = {row["model"]: row["reason"] for row in results(summary, "02")["withheld"]}
    assert "this pairing is the model" in withheld["same session"]


def test_forms_at_every_second_session_have_no_session_before(tmp_path):
    table = sessions(n_sessions=12)
    summary = run(tmp_path, table[table["session"] % 2 == 1])
    assert summary.exit_code == 0
    assert summary.statuses["02"] == "not_answerable"


def test_an_intake_and_a_follow_up_are_no_sessions_of_treatment(tmp_path):
    table = sessions().assign(phase="treatment")
    intake = table.drop_duplicates("client").assign(session=0, alliance_client=np.nan)
    later = table.drop_duplicates("client").assign(session=90, phase="follow_up", symptoms=2)
    everything = pd.concat([intake, table, later])
    summary = run(tmp_path, everything)
    assert summary.exit_code == 0
    largest = max(row["n_sessions"] for row in results(summary, "02")["estimates"] if row["n_sessions"])
    assert largest <= len(table)
