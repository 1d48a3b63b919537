"""The wheel: it carries library, notebooks and data, and `alliance` runs from any folder with nothing of the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_the_wheel_carries_everything_a_run_needs(installed):
    package = installed / "alliance_analysis"
    for name in (
        "_bundled/data/example/study.yml",
        "_bundled/data/example/sessions.csv",
        "_bundled/data/published_findings.csv",
        "_bundled/notebooks/02_alliance_and_symptom_change.ipynb",
        "__init__.pyi",
        "report/results.schema.json",
        "report/templates/style.css",
    ):
        assert (package / name).is_file(), name


def test_the_wheel_stays_small_and_carries_no_report_and_no_fetched_data(installed):
    sizes = {path: path.stat().st_size for path in installed.rglob("*") if path.is_file()}
    assert sum(sizes.values()) < 3_000_000
    assert [path.name for path in sizes if path.suffix in (".RDS", ".html")] == []


def test_the_command_runs_from_any_folder(installed, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-P", "-m", "alliance_analysis.cli", "check", "example"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Example outpatient clinic: no problems found.")
