"""The validation page: every number beside R's, every failure in sight, and the simulations that are stored."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.report.validation import write_validation
from alliance_analysis.validation import run
from alliance_analysis.validation.cases import CASES
from alliance_analysis.validation.compare import COLUMNS


def golden():
    rows = [
        ("one", "null", "log-likelihood", -10.0, -10.0 + 5e-7, -5e-7, 1e-6, "agrees"),
        ("one", "null", "x|1: estimate", 1.23456789, 1.2, 0.03456789, 1e-4, "DIFFERS"),
        ("one", "slopes", "singular", 1.0, 1.0, 0.0, 0.0, "agrees"),
        ("two", "null", "log-likelihood", -5.0, -5.1, 0.1, 1e-6, "ours is higher: R stopped early"),
        ("two", "aliased", "fit", np.nan, np.nan, np.nan, np.nan, "refused, as it must be"),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.fixture
def page(tmp_path):
    def write(simulations=None, table=None):
        path = tmp_path / "validation.md"
        write_validation(path, golden() if table is None else table, simulations or {})
        assert [p.name for p in tmp_path.iterdir()] == ["validation.md"]
        return path.read_text("utf-8")

    return write


def cells(text, start):
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {start} |")]
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_the_summary_counts_models_and_numbers_and_shows_what_does_not_agree(page):
    text = page()
    head = cells(text, "case")
    assert head == ["case", "models", "numbers", "agree", "r_stopped_early", "largest_share_of_tolerance"]
    assert cells(text, "one") == ["one", "2", "3", "2", "0", "0.5"]
    assert cells(text, "two") == ["two", "2", "2", "2", "1", ""]


def test_every_number_stands_beside_rs_with_its_difference_and_verdict(page):
    text = page()
    assert cells(text, "x\\|1: estimate") == ["x\\|1: estimate", "1.23457", "1.2", "0.0345679", "", "DIFFERS"]
    assert cells(text, "fit")[-1] == "refused, as it must be"
    assert re.findall("<summary>(.*)</summary>", text) == ["one, null", "one, slopes", "two, null", "two, aliased"]
    assert text.count("<details>") == text.count("</details>") == 4


def test_simulations_stand_under_their_heading_with_what_was_simulated(page):
    text = page({"Coverage": ("Studies of few therapists.", pd.DataFrame({"term": ["x"], "covered": [0.948]}))})
    assert "## Coverage\n\nStudies of few therapists.\n\n| term | covered |\n| --- | --- |\n| x | 0.948 |\n" in text
    assert text.index("## Golden cases") < text.index("## Coverage") < text.index("## Every number")


def test_the_page_is_the_same_when_it_is_written_again(page):
    assert page() == page()


def test_only_stored_simulations_are_shown(tmp_path):
    assert run.load_simulations(tmp_path) == {}
    folder = tmp_path / "docs" / "simulations"
    folder.mkdir(parents=True)
    pd.DataFrame({"term": ["x"], "covered": [0.95]}).to_csv(folder / "coverage.csv", index=False)
    ((heading, (paragraph, table)),) = run.load_simulations(tmp_path).items()
    assert heading == "Coverage of 95 % intervals with few therapists"
    assert "those with a singular fit too" in paragraph
    assert table["covered"].tolist() == [0.95]


def test_all_cases_are_run_in_order_and_their_rows_put_together(tmp_path, monkeypatch):
    seen, done = [], []

    def compare(folder, case):
        seen.append((folder, case))
        return golden().head(1).assign(case=case)

    monkeypatch.setattr(run, "CASES", ("a", "b"))
    monkeypatch.setattr(run, "compare_case", compare)
    table = run.validate_golden(tmp_path, progress=lambda *state: done.append(state))
    assert table["case"].tolist() == ["a", "b"]
    assert seen == [(tmp_path / "tests" / "golden", "a"), (tmp_path / "tests" / "golden", "b")]
    assert done == [(1, 2), (2, 2)]


def test_the_page_in_the_repository_holds_every_case_and_no_number_that_differs():
    page = (Path(__file__).parents[2] / "docs" / "validation.md").read_text(encoding="utf-8")
    assert [
        case.model for case in CASES if f"<summary>{case.case}, {case.model or 'model'}</summary>" not in page
    ] == []
    assert "DIFFERS" not in page
