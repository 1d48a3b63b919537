"""The reporting checklist: every item points to a section that the notebook has, or is left to its author."""

import re

import nbformat
import pytest

from alliance_analysis.report import checklist
from alliance_analysis.report.checklist import COLOPHON, NOT_IN_DATA, YOURS, checklist_for
from alliance_analysis.report.html import arrange
from alliance_analysis.report.notebooks import find_notebooks
from alliance_analysis.resources import notebooks_folder
from alliance_analysis.study.studyfile import load_study

CAUSAL = re.compile(r"\b(effects? of|leads? to|improves?|because|comes? first|causes?|due to)\b", re.IGNORECASE)
NOTEBOOKS = {notebook.number: notebook for notebook in find_notebooks(notebooks_folder())}
KINDS = load_study("example").feasibility().set_index("question")["kind"].to_dict()
REAL = {"simulated": False, "n_therapists": 12}


def page_of(number, study=REAL):
    notebook = nbformat.read(NOTEBOOKS[number].path, as_version=4)
    return {"sections": arrange(notebook)[2], "study": study}


def standards(items):
    return list(dict.fromkeys(item.standard for item in items))


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_every_item_points_to_a_section_of_its_notebook_or_to_its_author(number):
    page = page_of(number)
    titles = {section["id"]: section["title"] for section in page["sections"]}
    for item in checklist_for(number, KINDS[number], page):
        if item.where in (YOURS, NOT_IN_DATA):
            assert item.anchor == ""
        elif item.where == COLOPHON:
            assert item.anchor == "colophon"
        else:
            assert titles[item.anchor] == item.where or titles[item.anchor].startswith(f"{item.where}: ")


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_the_notebook_has_every_section_that_the_checklist_names(number):
    page = page_of(number)
    answered = {item.item for item in checklist_for(number, KINDS[number], page) if item.where != YOURS}
    for _, listed in checklist._standards(number, KINDS[number]):
        for item, section, _ in listed:
            where = checklist._BY_QUESTION.get(section, {number: section}).get(number, YOURS)
            assert (item in answered) == (where != YOURS), f"{number}: {item}"


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_a_report_has_twelve_to_twenty_items_some_of_them_left_to_write(number):
    items = checklist_for(number, KINDS[number], page_of(number))
    assert 12 <= len(items) <= 20
    assert len({(item.standard, item.item) for item in items}) == len(items)
    assert {YOURS, COLOPHON, "Validate", "Model", "Check", "Compare with published findings"} <= {
        i.where for i in items
    }


@pytest.mark.parametrize(
    ("number", "kind", "expected"),
    [
        ("01", "tool", ["JARS-Quant"]),
        ("02", "replication", ["JARS-Quant", "STROBE"]),
        ("03", "replication", ["JARS-Quant", "GRRAS"]),
        ("07", "replication", ["JARS-Quant", "STROBE"]),
        ("10", "replication", ["JARS-Quant", "STROBE"]),
        ("42", "own question", ["JARS-Quant"]),
    ],
)
def test_the_question_decides_which_standards_stand_beside(number, kind, expected):
    assert standards(checklist_for(number, kind, {})) == expected


def test_a_page_without_sections_leaves_everything_but_its_making_to_its_author():
    items = checklist_for("02", "replication", {"study": REAL})
    assert {item.where for item in items} == {YOURS, COLOPHON}


def test_what_a_simulated_study_cannot_have_is_said_not_to_be_in_the_data():
    real, simulated = (
        checklist_for("03", "replication", page_of("03", study)) for study in (REAL, REAL | {"simulated": True})
    )
    changed = [s.item for r, s in zip(real, simulated, strict=True) if r.where != s.where]
    assert changed == [
        "Method, participants: age, gender, diagnosis and what else matters for the question",
        "3, 4 Populations of clients and of raters",
        "6, 7 How clients and raters were sampled, and how their number was decided",
        "8 How rating took place: intervals, what raters knew, blinding",
        "9 Whether the two rated independently of each other",
    ]
    assert {s.where for r, s in zip(real, simulated, strict=True) if r.where != s.where} == {NOT_IN_DATA}


def test_therapists_who_are_not_in_the_data_cannot_be_described():
    items = checklist_for("03", "replication", page_of("03", {"simulated": False, "n_therapists": None}))
    assert [item.item for item in items if item.where == NOT_IN_DATA] == [
        "12 Training and experience of the therapists who rated"
    ]


def test_ethics_funding_and_recruitment_are_always_left_to_the_author():
    for number, kind in KINDS.items():
        items = checklist_for(number, kind, page_of(number))
        for word in ("funding", "recruitment", "sampled", "consent"):
            assert {item.where for item in items if word in item.item} <= {YOURS}


def test_items_are_short_and_claim_no_cause():
    rows = [
        *checklist._JARS,
        *checklist._JARS_ALONE,
        *checklist._GRRAS,
        *checklist._STROBE,
        checklist._JARS_PSYCHOMETRICS,
    ]
    assert [item for item, *_ in rows if CAUSAL.search(item) or len(item) > 95] == []


def test_items_of_grras_and_strobe_carry_their_numbers_in_order():
    for listed, last in ((checklist._GRRAS, 15), (checklist._STROBE, 22)):
        firsts = [int(re.match(r"\d+", item)[0]) for item, *_ in listed]
        assert firsts == sorted(firsts)
        assert firsts[-1] <= last
