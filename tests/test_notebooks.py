"""The notebook contract: one question, fixed sections, short cells, no logic, no typed numbers, no outputs."""

import ast
import json
import re

import pytest

import alliance_analysis as aa
from alliance_analysis.resources import notebooks_folder
from alliance_analysis.study.feasibility import QUESTIONS

NOTEBOOKS = sorted(notebooks_folder().glob("*.ipynb"))
SECTIONS = ["Validate", "Describe", "Model", "Check", "Compare with published findings", "Report"]
FORBIDDEN = (
    ast.FunctionDef,
    ast.ClassDef,
    ast.For,
    ast.While,
    ast.If,
    ast.Lambda,
    ast.ListComp,
    ast.DictComp,
    ast.IfExp,
)
TYPED_NUMBER = re.compile(r"\d\.\d|\d\s?%|\bp\s?[<=>]")
CAUSAL = re.compile(r"\b(effects? of|leads? to|improves? the|comes? first|causes?)\b", re.IGNORECASE)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return json.loads(request.param.read_text(encoding="utf-8"))


def code(notebook):
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def prose(notebook):
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]


def test_every_question_has_its_notebook_and_every_notebook_its_question():
    assert [path.stem for path in NOTEBOOKS] == [f"{q.number}_{q.slug}" for q in QUESTIONS]


def test_the_title_is_the_question(notebook):
    titles = [q.title for q in QUESTIONS]
    assert prose(notebook)[0].splitlines()[0].removeprefix("# ") in titles


def test_sections_come_in_the_fixed_order(notebook):
    headings = [re.match(r"## ([^:\n]+)", text).group(1) for text in prose(notebook) if text.startswith("## ")]
    assert list(dict.fromkeys(headings)) == SECTIONS


def test_the_first_code_cell_and_only_it_holds_parameters(notebook):
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    tagged = ["parameters" in cell["metadata"].get("tags", []) for cell in cells]
    assert tagged == [True] + [False] * (len(cells) - 1)
    assert all(isinstance(line, ast.AnnAssign) for line in ast.parse(code(notebook)[0]).body)


def test_cells_are_short_and_free_of_logic(notebook):
    for source in code(notebook):
        assert len(source.splitlines()) <= 8, source
        found = [type(node).__name__ for node in ast.walk(ast.parse(source)) if isinstance(node, FORBIDDEN)]
        assert found == [], source


def test_notebooks_import_the_package_and_nothing_else(notebook):
    trees = [ast.parse(source) for source in code(notebook)]
    lines = [ast.unparse(n) for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert lines == ["import alliance_analysis as aa"]


def test_every_name_used_is_offered_by_the_front_door(notebook):
    used = {
        node.attr
        for source in code(notebook)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "aa"
    }
    assert used <= set(aa.__all__)


def test_no_number_is_typed_into_prose(notebook):
    assert [text for text in prose(notebook) if TYPED_NUMBER.search(text)] == []


def test_prose_claims_no_cause(notebook):
    assert [text for text in prose(notebook) if CAUSAL.search(text)] == []


def test_committed_without_outputs(notebook):
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell for cell in cells if cell["outputs"] or cell["execution_count"]] == []
