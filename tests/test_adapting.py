"""The page for students: its Python runs, its study files load, its commands exist."""

import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from typer.testing import CliRunner

import alliance_analysis as aa
from alliance_analysis.cli import app
from alliance_analysis.report.run import run_reports
from alliance_analysis.study.studyfile import load_study

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "adapting.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_models_of_the_page_run():
    report = aa.load_study("example")
    names = {"aa": aa, "sessions": report.sessions, "clients": report.clients}
    timing = aa.choose_timing(**report.timing("alliance_client"), gap_days=aa.short_gap_days(report.sessions))
    data = aa.pair_sessions(report.sessions, timing, alliance="alliance_client", max_gap_days=report.max_gap_days)
    names |= {"timing": timing, "data": aa.add_time(data), "shape": "log"}
    models = [code for code in blocks("python") if "tidy()" in code]
    assert len(models) == 3
    for code in models:
        exec(compile(code, "adapting.md", "exec"), names)  # noqa: S102  (the page's own code)
    terms = names["slopes"].fits[aa.CLASSIC].tidy()["term"].tolist()
    assert "life_satisfaction_baseline" in terms
    direct = aa.fit_mixed(
        aa.literature_formulas(timing, "log", "alliance_client", "symptoms")[aa.CLASSIC]
        + " + life_satisfaction_baseline",
        names["data"],
        df="satterthwaite",
    )
    pd.testing.assert_frame_equal(names["slopes"].fits[aa.CLASSIC].tidy(), direct.tidy())


def test_the_instrument_of_the_page_is_scored(tmp_path):
    (study,) = blocks("yaml")
    (tmp_path / "study.yml").write_text(study, encoding="utf-8")
    rows = "client,session,symptoms,m1,m2,m3,m4\na,1,20,1,5,2,3\na,2,15,0,6,1,1\nb,1,9,0,6,0,0\nb,2,11,4,4,4,4\n"
    (tmp_path / "sessions.csv").write_text(rows, encoding="utf-8")
    assert load_study(tmp_path / "study.yml").sessions["mood"].tolist() == [7, 2, 0, 14]


def test_the_new_notebook_of_the_page_is_a_whole_one(tmp_path):
    parameters, body = (code for code in blocks("python") if "study: str" in code or "open_report" in code)
    cells = [
        nbformat.v4.new_markdown_cell("# The symptoms of all sessions"),
        nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("import alliance_analysis as aa\n\n" + body),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "50_symptoms.ipynb")
    summary = run_reports("example", notebooks=tmp_path, out=tmp_path / "reports")
    assert dict(summary.failures) == {}
    assert "symptoms of all sessions" in next((tmp_path / "reports").glob("50*.html")).read_text(encoding="utf-8")


@pytest.mark.parametrize("line", [line for block in blocks("sh") for line in block.splitlines() if line])
def test_commands_of_the_page_exist_with_their_options(line):
    command, *options = re.findall(r"(?<=alliance )\w+|(?<= )--\w+", line)
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for option in options:
        assert option in shown.stdout, option
