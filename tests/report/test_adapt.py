"""A notebook is copied for a thesis: set to one's study, explained, runnable, and never over another file."""

import json
import shutil
from pathlib import Path

import pytest

from alliance_analysis.errors import ReportError
from alliance_analysis.report.adapt import LEAD, adapt_notebook, step_of
from alliance_analysis.report.explanations import EXPLANATION, EXPLANATIONS, STEPS
from alliance_analysis.report.notebooks import find_notebooks, study_of_notebooks
from alliance_analysis.report.run import run_reports
from alliance_analysis.resources import data_folder, notebooks_folder

NOTEBOOKS = {notebook.number: notebook for notebook in find_notebooks(notebooks_folder())}


def code_cells(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_every_explanation_is_of_a_step_that_a_notebook_takes():
    taken = {step_of(source) for notebook in NOTEBOOKS.values() for source in code_cells(notebook.path)}
    assert set(EXPLANATIONS) - taken == set()


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_every_cell_one_would_change_is_explained(number):
    for source in code_cells(NOTEBOOKS[number].path):
        if any(f"aa.{step}" in source for step in STEPS):
            assert step_of(source) in EXPLANATIONS, source


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_a_copy_has_the_same_code_but_for_its_parameters(tmp_path, number):
    (path,) = adapt_notebook(number, tmp_path / "thesis", study="example", parameters={"conf_level": "0.9"})
    ours, theirs = code_cells(path), code_cells(NOTEBOOKS[number].path)
    assert ours[1:] == theirs[1:]
    assert "conf_level: float = 0.9" in ours[0].splitlines()
    assert 'study: str = "example"' in ours[0].splitlines()
    notes = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if LEAD in "".join(cell["source"])]
    assert len(notes) >= 4
    assert all(cell["metadata"] == {"tags": [EXPLANATION]} for cell in notes)
    (copied,) = find_notebooks(tmp_path / "thesis")
    assert copied.title == NOTEBOOKS[number].title


def test_a_study_is_named_from_the_folder_of_the_copy(tmp_path):
    (tmp_path / "study.yml").write_text("study: {}\n", encoding="utf-8")
    adapt_notebook(["01", "02"], tmp_path / "a" / "thesis", study=tmp_path)
    assert 'study: str = "../../study.yml"' in code_cells(next((tmp_path / "a" / "thesis").glob("01*")))[0]
    found = Path(study_of_notebooks(tmp_path / "a" / "thesis"))
    assert found.resolve() == (tmp_path / "study.yml").resolve()


def test_nothing_is_replaced_and_nothing_half_done(tmp_path):
    adapt_notebook("02", tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(ReportError) as raised:
        adapt_notebook(["01", "02"], tmp_path)
    assert str(raised.value) == (
        f"{tmp_path}: holds 02_alliance_and_symptom_change.ipynb already, and nothing is replaced. "
        "Name another folder, or move it away."
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_unknown_notebooks_and_parameters_are_told_with_the_nearest(tmp_path):
    with pytest.raises(ReportError, match=r"no notebook '99'; there are 01, 02, 03, 07, 10"):
        adapt_notebook("99", tmp_path / "t")
    with pytest.raises(
        ReportError, match=r"no notebook 'alliance_and_symptoms'; nearest: 02_alliance_and_symptom_change"
    ):
        adapt_notebook("alliance_and_symptoms", tmp_path / "t")
    with pytest.raises(ReportError, match=r"no parameter 'conf_lev'.*Did you mean 'conf_level'"):
        adapt_notebook("02", tmp_path / "t", parameters={"conf_lev": 0.9})
    assert not (tmp_path / "t").exists()


def test_notebooks_of_two_studies_ask_for_one(tmp_path):
    adapt_notebook("01", tmp_path)
    adapt_notebook("02", tmp_path, study="implement")
    with pytest.raises(ReportError, match=r"its notebooks name 2 studies \(example, implement\). Add --study."):
        study_of_notebooks(tmp_path)


def test_a_copy_runs_and_its_explanations_are_no_part_of_the_report(tmp_path):
    for file in ("sessions.csv", "clients.csv", "study.yml"):
        shutil.copy(data_folder() / "example" / file, tmp_path / file)
    adapt_notebook("01", tmp_path / "thesis", study=tmp_path / "study.yml")
    summary = run_reports(
        study_of_notebooks(tmp_path / "thesis"), notebooks=tmp_path / "thesis", out=tmp_path / "reports"
    )
    assert dict(summary.failures) == {}
    page = next((tmp_path / "reports").glob("01*.html")).read_text(encoding="utf-8")
    assert "Yours to change" not in page
    assert "Who is in the data" in page
