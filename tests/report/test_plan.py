"""A frozen plan: written once, changed unnoticed never, and each report told whether it keeps to it."""

import json
import re

import pytest

from alliance_analysis.errors import DataError
from alliance_analysis.report.plan import DEVIATED, EXPLORATORY, PLANNED, freeze_plan, plan_file, plan_status
from alliance_analysis.study.studyfile import load_study

SESSIONS = """\
client,session,alliance_client,symptoms
c1,1,3.5,14
c1,2,4,11
c2,1,2,20
c2,2,2.5,21
"""
STUDY = """\
data: sessions.csv
measures:
  alliance_client: {instrument: WAI-SR, collected: after}
  symptoms: {instrument: PHQ-9, collected: before}
plan: {primary: "02", sesoi: {within: 0.10}, hypotheses: plan.md}
"""
NOTEBOOK, PARAMETERS = "0" * 64, {"conf_level": 0.95}


@pytest.fixture
def study(tmp_path):
    (tmp_path / "sessions.csv").write_text(SESSIONS, encoding="utf-8")
    (tmp_path / "plan.md").write_text("The alliance predicts fewer symptoms.\n", encoding="utf-8")
    (tmp_path / "study.yml").write_text(STUDY, encoding="utf-8")
    return load_study(tmp_path / "study.yml")


def again(study, text=None):
    if text is not None:
        study.path.write_text(text, encoding="utf-8")
    return load_study(study.path)


def status(study, number="02", notebook=NOTEBOOK, parameters=PARAMETERS):
    found = plan_status(study, number, notebook, parameters)
    return found.word, re.sub(r"\d{4}-\d\d-\d\d, hash [0-9a-f]{12}", "DATE, hash X", found.detail)


def test_without_a_frozen_plan_everything_is_exploratory(study):
    assert status(study) == (EXPLORATORY, "no plan was frozen for this study")


def test_the_primary_question_of_an_unchanged_plan_is_as_planned_and_no_other(study):
    file = freeze_plan(study, NOTEBOOK, PARAMETERS)
    assert file == plan_file(study)
    assert status(study) == (PLANNED, "plan frozen on DATE, hash X")
    assert status(study, "03") == (EXPLORATORY, "plan frozen on DATE, hash X: its primary question is 02")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"notebook": "1" * 64}, "the notebook of the primary question"),
        ({"parameters": {"conf_level": 0.9}}, "a parameter of the primary question"),
    ],
)
def test_another_analysis_deviates(study, change, what):
    freeze_plan(study, NOTEBOOK, PARAMETERS)
    assert status(study, **change) == (DEVIATED, f"plan frozen on DATE, hash X: changed since: {what}")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("within: 0.10", "within: 0.05", "the smallest effect of interest"),
        ("collected: after", "collected: before", "what study.yml says of the measures"),
    ],
)
def test_another_study_file_deviates(study, old, new, what):
    freeze_plan(study, NOTEBOOK, PARAMETERS)
    changed = again(study, STUDY.replace(old, new))
    assert status(changed) == (DEVIATED, f"plan frozen on DATE, hash X: changed since: {what}")


def test_other_hypotheses_deviate(study):
    freeze_plan(study, NOTEBOOK, PARAMETERS)
    (study.path.parent / "plan.md").write_text("Something else.\n", encoding="utf-8")
    assert status(study)[1].endswith("changed since: the file of hypotheses")


def test_a_plan_that_was_edited_afterwards_is_no_plan(study):
    file = freeze_plan(study, NOTEBOOK, PARAMETERS)
    content = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(content | {"frozen": "2020-01-01"}), encoding="utf-8")
    word, detail = status(study)
    assert word == DEVIATED
    assert detail.endswith("the file of the plan was changed after it was frozen")


def test_a_plan_is_frozen_once(study):
    freeze_plan(study, NOTEBOOK, PARAMETERS)
    with pytest.raises(DataError) as raised:
        freeze_plan(study, NOTEBOOK, PARAMETERS)
    assert str(raised.value) == "study.plan.json: a plan is frozen already. Keep it, or replace it with --overwrite."
    freeze_plan(study, "1" * 64, PARAMETERS, overwrite=True)
    assert status(study, notebook="1" * 64)[0] == PLANNED


def test_a_study_without_a_primary_question_has_nothing_to_freeze(study):
    with pytest.raises(DataError) as raised:
        freeze_plan(again(study, STUDY.partition("plan:")[0]), NOTEBOOK, PARAMETERS)
    assert str(raised.value) == (
        "study.yml: plan.primary is missing; the number of a question is needed. Add `plan: {primary: 02}` to it."
    )
    assert not plan_file(study).exists()


def test_hypotheses_that_are_not_there_are_said(study):
    (study.path.parent / "plan.md").unlink()
    with pytest.raises(DataError, match=r"plan\.hypotheses names plan\.md, which is not there"):
        freeze_plan(study, NOTEBOOK, PARAMETERS)


def test_nothing_of_the_data_or_the_machine_is_in_a_plan(study):
    text = freeze_plan(study, NOTEBOOK, PARAMETERS).read_text("utf-8")
    assert str(study.path.parent) not in text
    assert "c1" not in json.loads(text)
