"""The README's promises: its Python runs, its study file loads, its links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

from alliance_analysis.study.feasibility import QUESTIONS
from alliance_analysis.study.studyfile import load_study

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language):
    return re.search(rf"```{language}\n(.*?)```", README, re.DOTALL).group(1)


def test_the_python_example_runs(tmp_path):
    script = tmp_path / "example.py"
    script.write_text(block("python") + "\nprint(fit.tidy()['term'].iloc[0])\n", encoding="utf-8")
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert result.stdout.strip().endswith("(Intercept)"), result.stderr
    assert "lmer(" in result.stdout  # the same model for R


def test_the_study_file_of_the_readme_loads(tmp_path):
    study = block("yaml").replace("sessions.xlsx", "sessions.csv")
    (tmp_path / "study.yml").write_text(study, encoding="utf-8")
    rows = ["PatID;TherID;SessionNo;Date;wai_mean;phq_sum", "a;t;1;01.02.2024;3,5;12", "a;t;2;08.02.2024;4;99"]
    (tmp_path / "sessions.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    loaded = load_study(tmp_path / "study.yml")
    assert loaded.sessions["alliance_client"].tolist() == [3.5, 4.0]
    assert loaded.sessions["symptoms"].isna().tolist() == [False, True]


def test_links_lead_to_files_of_the_repository():
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert [target for target in targets if "://" not in target and not (ROOT / target).exists()] == []


def test_the_table_of_questions_is_the_registry():
    for question in QUESTIONS:
        assert f"| {question.number} | {question.title}" in README
