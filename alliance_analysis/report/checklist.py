"""The reporting checklist at the end of a report: where each item of a standard is answered, and what is left to write.

Standards: JARS-Quant for every report, GRRAS beside it for agreement, STROBE beside it for associations in
observational data. The items are in words of our own; where a report answers one is this module's own judgement. What
JARS-Quant covers in the same list is not repeated (GRRAS 2 and 10; STROBE 2, 3, 7, 8, 11, 22); GRRAS 15, detailed
results, is the report itself.

Checked against public copies of the checklists (November 2026): numbers and content of all 15 items of GRRAS; of STROBE
items 1 to 19 (13, 14 and 16 by topic only); of JARS-Quant the topics from the title page to the participants, and those
of its results on estimates and failed fits. Domain knowledge, not checked: STROBE 20 to 22 and the other topics of
JARS-Quant. JARS-Quant has no item numbers: its items are named by section and topic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

YOURS = "yours to write"
NOT_IN_DATA = "not in these data"
COLOPHON = "How this page was made"
_COLOPHON_ANCHOR = "colophon"
_VALIDATE, _DESCRIBE, _MODEL, CHECK, _REPORT = "Validate", "Describe", "Model", "Check", "Report"
_COMPARE = "Compare with published findings"

# Items that each notebook answers in another section, or not at all.
_BY_QUESTION: dict[str, Mapping[str, str]] = {
    "measures": {"01": _VALIDATE, "02": _VALIDATE, "10": _VALIDATE},
    "reliability": {"01": _MODEL, "07": _DESCRIBE, "10": _DESCRIBE},
    "flow": {"02": _VALIDATE, "07": _MODEL, "10": _MODEL},
}

# What the data must contain for an item to have an answer; without it the item is NOT_IN_DATA.
_REAL, _THERAPISTS = "real", "therapists"


@dataclass(frozen=True)
class Item:
    """One item of a reporting standard.

    Attributes
    ----------
    standard : str
        "JARS-Quant", "GRRAS" or "STROBE".
    item : str
        Its number (a topic in JARS-Quant) and what it asks for, in our words.
    where : str
        The section of the report that answers it, "yours to write" or "not in these data".
    anchor : str
        Id of that section in the page, for a link; "" where there is none.
    """

    standard: str
    item: str
    where: str
    anchor: str = ""


_Row = tuple[str, str, str]  # item; section, YOURS or a name of _BY_QUESTION; what the data must contain

_JARS: tuple[_Row, ...] = (
    ("Author note: funding, conflicts of interest, registration, earlier reports on the same data", YOURS, ""),
    ("Introduction: the problem, earlier work, hypotheses (primary, secondary, exploratory)", YOURS, ""),
    ("Method, participants: age, gender, diagnosis and what else matters for the question", YOURS, _REAL),
    ("Method, measures: scales, and when each is collected", "measures", ""),
    ("Method, data: what was done with the file before any analysis", _VALIDATE, ""),
    ("Method, analysis: each model, its predictors, how intervals are made", _MODEL, ""),
    ("Results, estimates: all of them with intervals, also where nothing is found", _MODEL, ""),
    ("Results, problems: diagnostics, failed fits, assumptions that do not hold", CHECK, ""),
    ("Discussion: the results beside earlier ones", _COMPARE, ""),
    ("Materials: software and versions, data files by checksum", COLOPHON, ""),
)
_JARS_PSYCHOMETRICS: _Row = ("Method, psychometrics: reliability of the measures in these data", "reliability", "")
# What GRRAS and STROBE ask for with numbers of their own; listed where neither stands beside.
_JARS_ALONE: tuple[_Row, ...] = (
    ("Method, sampling: setting, recruitment, who was eligible, consent and ethics approval", YOURS, _REAL),
    ("Method, sample size: how it was decided, power or precision aimed at", YOURS, _REAL),
    ("Results, flow: sessions and clients, missing values by measure", _DESCRIBE, ""),
    ("Discussion: limits, for whom the results hold, what they are good for", YOURS, ""),
)
_GRRAS: tuple[_Row, ...] = (
    ("1 Say in title or abstract that agreement of raters is studied", YOURS, ""),
    ("3, 4 Populations of clients and of raters", YOURS, _REAL),
    ("5 What is known already", _COMPARE, ""),
    ("6, 7 How clients and raters were sampled, and how their number was decided", YOURS, _REAL),
    ("8 How rating took place: intervals, what raters knew, blinding", YOURS, _REAL),
    ("9 Whether the two rated independently of each other", YOURS, _REAL),
    ("11 Numbers of ratings in the analysis", _DESCRIBE, ""),
    ("12 Training and experience of the therapists who rated", YOURS, _THERAPISTS),
    ("13 Reliability and agreement with their uncertainty", _MODEL, ""),
    ("14 What that much agreement means in practice", YOURS, ""),
)
_STROBE: tuple[_Row, ...] = (
    ("1, 4 Design of the study, named in the title or the abstract too", YOURS, ""),
    ("5, 6, 10 Setting, recruitment, who was eligible, follow-up, how the size was decided", YOURS, _REAL),
    ("9 What was done against bias", YOURS, ""),
    ("12, 17 Sensitivity analyses: other models of the same question", _MODEL, ""),
    ("13 Numbers of clients and sessions that entered, and rows lost", "flow", ""),
    ("14, 15 Spread and missing values, course or caseloads", _DESCRIBE, ""),
    ("16 Estimates with and without what is held constant, with intervals", _MODEL, ""),
    ("18 Key results in the light of the question", _REPORT, ""),
    ("19 to 21 Limits, a careful reading of all the evidence, for whom the results hold", YOURS, ""),
)


def checklist_for(question: str, kind: str, page: Mapping[str, Any]) -> list[Item]:
    """Return the reporting checklist of one report: JARS-Quant, and the standard of its kind of question.

    Parameters
    ----------
    question : str
        Two digits. Question 03 gets GRRAS beside JARS-Quant.
    kind : str
        Of the question: any other "replication" gets STROBE; a "tool" and all others, such as an "own question" whose
        design is not known, get JARS-Quant alone.
    page : mapping
        What the page shows: `sections` (mappings with `id` and `title`, as `arrange` returns them) and `study`
        (`simulated`, `n_therapists`). Items of a section that the page does not have are "yours to write"; what a
        simulated study has no answer to is "not in these data".

    Returns
    -------
    list of Item
        Standard by standard, in the order of each.

    Examples
    --------
    >>> page = {"sections": [{"id": "section-4", "title": "Model: agreement"}], "study": {"simulated": False}}
    >>> item = checklist_for("03", "replication", page)[5]
    >>> item.where, item.anchor
    ('Model', 'section-4')
    """
    found = []
    for standard, rows in _standards(question, kind):
        for item, section, needs in rows:
            answered = _BY_QUESTION[section].get(question, YOURS) if section in _BY_QUESTION else section
            found.append(Item(standard, item, *_locate(answered, needs, page)))
    return found


def _standards(question: str, kind: str) -> list[tuple[str, Sequence[_Row]]]:
    if question == "03":
        return [("JARS-Quant", _JARS), ("GRRAS", _GRRAS)]
    jars = (*_JARS[:4], _JARS_PSYCHOMETRICS, *_JARS[4:])
    if kind == "replication":
        return [("JARS-Quant", jars), ("STROBE", _STROBE)]
    return [("JARS-Quant", (*jars, *_JARS_ALONE))]


def _locate(section: str, needs: str, page: Mapping[str, Any]) -> tuple[str, str]:
    """Return where an item is answered, a section by what stands before its colon, and the id of the first such one."""
    study = page.get("study") or {}
    if (needs == _REAL and study.get("simulated")) or (needs == _THERAPISTS and not study.get("n_therapists")):
        return NOT_IN_DATA, ""
    if section == COLOPHON:
        return COLOPHON, _COLOPHON_ANCHOR
    anchor = find_section(page.get("sections") or (), section)
    return (section, anchor) if anchor else (YOURS, "")


def find_section(sections: Sequence[Mapping[str, str]], name: str) -> str:
    """Return the id of the first section of this name, by what stands before a colon in its title; "" without one.

    Examples
    --------
    >>> find_section([{"id": "section-4", "title": "Model: agreement"}], "Model")
    'section-4'
    """
    return next((one["id"] for one in sections if one["title"].partition(":")[0] == name), "")
