"""Writes what a close look at a study found as a page: cause by cause, with rows and files, without a client."""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alliance_analysis.errors import ReportError
from alliance_analysis.report.folder import replace_file
from alliance_analysis.report.html import render
from alliance_analysis.report.provenance import commit, study_card, versions
from alliance_analysis.report.redact import fix_without_cells, safe_words, without_cells
from alliance_analysis.study.causes import cause_of
from alliance_analysis.study.examine import Examined
from alliance_analysis.study.problems import Problem, count

if TYPE_CHECKING:
    from markupsafe import Markup

_KEY = re.compile(r"`([^`]*)`")


def write_check_page(examined: Examined, file: str | Path) -> Path:
    """Write what was found in a study as one page that opens without a connection.

    It holds no id, name, text or value of a client: rows and files only, and the pieces of study.yml that mend them.

    Parameters
    ----------
    examined : Examined
        What `examine_study` returned.
    file : str or Path
        The page, replaced as a whole; its folder must exist.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ReportError
        When it cannot be written there, or its name does not end in .html.

    Examples
    --------
    >>> import tempfile
    >>> from alliance_analysis.study.examine import examine_study
    >>> page = write_check_page(examine_study("example"), Path(tempfile.mkdtemp(), "check.html"))
    >>> "Nothing stops this study" in page.read_text(encoding="utf-8")
    True
    """
    page = Path(file)
    if page.suffix.lower() not in (".html", ".htm"):
        raise ReportError(f"{page}: does not end in .html. Name a page, such as check.html.")
    if not page.parent.is_dir():
        raise ReportError(f"{page}: there is no folder {page.parent}. Make it, or name another one.")
    try:
        replace_file(page, check_html(examined))
    except OSError as error:
        raise ReportError(f"{page}: cannot be written ({error.strerror}). Name another place.") from error
    return page


def check_html(examined: Examined) -> str:
    """Return the page of `write_check_page`."""
    safe = safe_words(examined.checked)
    study = examined.study
    sections = [
        {"id": name, "title": title, "word": word, "groups": _by_cause(found, safe)}
        for name, title, word, found in (
            ("stops", "What stops it", "red", examined.stops),
            ("warns", "What could make a number wrong", "amber", examined.warns),
        )
        if found
    ]
    card = study_card(study) if study else {"title": examined.title, "simulated": False, "source": None}
    return render(
        "check.html.j2",
        {
            "study": card,
            "status": "failed" if examined.stops else "caution" if examined.warns else "answered",
            "answer": _answer(examined),
            "next_step": _next_step(examined),
            "counts": {word: len(getattr(examined, word)) for word in ("stops", "warns", "notes")},
            "sections": sections,
            "notes": [_note(note, safe, examined.path.name) for note in examined.notes],
            "study_file": examined.path.name,
            "questions": study.feasibility().to_dict("records") if study else [],
            "inputs": {
                "study": {"title": card["title"], "source": card["source"]},
                "files": examined.checked.files,
                "versions": versions(),
                "commit": commit(),
            },
        },
    )


def _answer(examined: Examined) -> str:
    if examined.stops:
        stops = count(len(examined.stops), "problem stops", "problems stop")
        return f"{stops} this study from being loaded as study.yml states it."
    if examined.warns:
        thing = count(len(examined.warns), "thing is", "things are")
        return f"Nothing stops this study; {thing} worth a second look."
    return "Nothing stops this study, and nothing in it raises a doubt."


def _next_step(examined: Examined) -> str:
    if examined.stops:
        return "Mend what stops it, in the files or in study.yml, and run the check again."
    if examined.warns:
        return "Look at each warning. What is right may stay as it is; the reports can be run either way."
    return "The reports can be run."


def _by_cause(problems: Sequence[Problem], safe: AbstractSet[str]) -> list[dict[str, Any]]:
    """Return the problems cause by cause, in the order in which the causes come first; a fix stands once."""
    groups: dict[str, list[Problem]] = {}
    for problem in problems:
        groups.setdefault(cause_of(problem), []).append(problem)
    found = []
    for cause, members in groups.items():
        fixes = [fix_without_cells(fix, safe) for fix in dict.fromkeys(one.fix for one in members) if fix]
        rows = [_row(problem, safe) for problem in members]
        found.append({"cause": cause, "rows": rows, "fixes": [*filter(None, fixes)], "hidden": "" in fixes})
    return found


def _row(problem: Problem, safe: AbstractSet[str]) -> dict[str, Any]:
    text = without_cells(problem.text, safe)
    return {"file": problem.file, "place": without_cells(problem.place, safe), "text": _with_keys(text)}


def _note(note: Problem, safe: AbstractSet[str], study_file: str) -> Markup:
    return _with_keys(without_cells(note.told(study_file), safe))


def _with_keys(text: str) -> Markup:
    """Return a message as HTML, everything in it escaped, with the keys of study.yml set as code."""
    from markupsafe import Markup, escape

    return Markup(_KEY.sub(r"<code>\1</code>", str(escape(text))))
