"""Writes the pages: a notebook becomes one sealed HTML file, a run becomes an index; both make no request."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alliance_analysis.report.checklist import CHECK, checklist_for, find_section
from alliance_analysis.report.explanations import EXPLANATION
from alliance_analysis.report.formats import format_count, format_counted, format_percent, format_seconds, unbroken
from alliance_analysis.report.methods import describe_methods
from alliance_analysis.report.references import as_bibtex, references_for
from alliance_analysis.report.secondary import secondary_tests
from alliance_analysis.report.strip import comparable_row, count_verdicts, forest_strip
from alliance_analysis.report.tables import table_html
from alliance_analysis.wording import spoken

_TEMPLATES = Path(__file__).parent / "templates"
_TEXT_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "code", "dd", "del", "div", "dl", "dt", "em", "h3", "h4", "h5", "h6", "hr",
    "i", "kbd", "li", "ol", "p", "pre", "s", "small", "span", "strong", "sub", "sup", "ul",
}  # fmt: skip
_TABLE_TAGS = {"caption", "figcaption", "figure", "img", "table", "tbody", "td", "tfoot", "th", "thead", "tr"}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "div": {"role", "tabindex", "aria-label"},
    "img": {"src", "alt", "width"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
}
_CLASSES = {
    "div": {"box", "withheld"},
    "figure": {"broad", "key", "picture", "table", "wide"},
    "p": {"answered", "caution", "empty", "headline", "note", "withheld"},
    "span": {"amber", "green", "red", "status"},
    "td": {"long", "num"},
    "th": {"long", "num"},
}
_PICTURES = ("data:image/svg+xml;base64,", "data:image/png;base64,")
_LINKS = ("#", "https://", "http://", "mailto:")
_EMPTY_PICTURE = re.compile(r'<img(?:\s+(?!src=)[a-z-]+="[^"]*")*>')  # what is left of a picture from elsewhere
_HEADING = re.compile(r"^(#{1,2})\s+(.+?)\s*#*$")


def sealed(html: str) -> str:
    """Return HTML with nothing but text, tables and pictures inside the page: no script, style, form or request.

    Examples
    --------
    >>> sealed('<p onclick="f()">a<script>f()</script><img src="https://x.org/a.png"></p>')
    '<p>a</p>'
    """
    import nh3

    cleaned = nh3.clean(
        html,
        tags=_TEXT_TAGS | _TABLE_TAGS,
        clean_content_tags={"script", "style", "iframe", "object", "template", "title", "noscript", "textarea"},
        attributes=_ATTRIBUTES,
        allowed_classes=_CLASSES,
        attribute_filter=_keep_attribute,
        url_schemes={"data", "https", "http", "mailto"},
        link_rel="noopener noreferrer",
    )
    return _EMPTY_PICTURE.sub("", cleaned)


def _keep_attribute(tag: str, name: str, value: str) -> str | None:
    if tag == "img" and name == "src":
        return value if value.startswith(_PICTURES) else None
    if name == "href":
        return value if value.startswith(_LINKS) else None
    if name == "tabindex":
        return "0"
    return value


def report_html(notebook: Any, page: Mapping[str, Any]) -> str:
    """Return the page of an executed notebook.

    Parameters
    ----------
    notebook : nbformat notebook, cleaned
    page : mapping
        `number, title, kind, status, study, headlines, checks, parameters, inputs`.

    Returns
    -------
    str
    """
    from markupsafe import Markup

    arranged, title, sections = arrange(notebook)
    body, key_figure = lift_key_figure(_exporter().from_notebook_node(arranged)[0])
    doubts = [check for check in page["checks"] if check["status"] in ("amber", "red")]
    several = len(page["headlines"]) > 1  # each then carries its own status, and the page none beside them
    headlines = [
        {**headline, "shown_status": headline["status"] if several else None,
         "reason": reason_beyond(headline["reason"], doubts)}
        for headline in page["headlines"]
    ]  # fmt: skip
    shown = {
        "title": title or page["title"], "sections": sections, "body": Markup(body), "key_figure": Markup(key_figure),
        "changes": [headline["changes"] for headline in page["headlines"] if headline.get("changes")],
        "check_section": find_section(sections, CHECK),
        "judged": count_verdicts(page["verdicts"]),
    }  # fmt: skip
    remedies = list(dict.fromkeys(check["what_to_do"] for check in doubts if check.get("what_to_do")))
    closing = close_report(page, sections)
    return render(
        "report.html.j2",
        {**page, **shown, "headlines": headlines, "doubts": doubts, "remedies": remedies, "closing": closing},
    )


def lift_key_figure(body: str) -> tuple[str, str]:
    """Return the body with a pointer in place of its key figure, and the key figure, "" without one.

    Examples
    --------
    >>> body, figure = lift_key_figure('<p>a</p><figure class="picture key"><img></figure>')
    >>> figure
    '<div id="key-figure"><figure class="picture key"><img></figure></div>'
    >>> body.removeprefix("<p>a</p>")
    '<p class="note">The figure stands <a href="#key-figure">at the top of the page</a>.</p>'
    """
    found = _KEY_FIGURE.search(body)
    if found is None:
        return body, ""
    return f"{body[: found.start()]}{_POINTER}{body[found.end() :]}", f'<div id="key-figure">{found[0]}</div>'


_KEY_FIGURE = re.compile(r'<figure class="[a-z ]*\bkey">.*?</figure>', re.DOTALL)
_POINTER = '<p class="note">The figure stands <a href="#key-figure">at the top of the page</a>.</p>'


def close_report(page: Mapping[str, Any], sections: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return what every report ends with: methods, R code, the family of secondary tests, checklist, references.

    Parameters
    ----------
    page : mapping
        `number, kind, study, inputs, parameters, methods, estimates, verdicts`.
    sections : sequence of mapping
        `id` and `title`, as `arrange` returns them.
    """
    from markupsafe import Markup

    opening, models = describe_methods(
        page["methods"], page["inputs"]["versions"], page["parameters"].get("conf_level", 0.95)
    )
    family = secondary_tests(page["estimates"])
    table = table_html(family, caption="Tests beyond the primary one, as one family.", note=_FAMILY_NOTE)
    judged = [row["finding_id"] for row in page["verdicts"]]
    references = references_for(page["number"], judged)
    return {
        "opening": opening,
        "models": models,
        "r_code": [entry for entry in page["methods"] if entry.get("r_code")],
        "family": Markup(table) if len(family) else "",  # escaped where it was made
        "checklist": checklist_for(page["number"], page["kind"], {"sections": sections, "study": page["study"]}),
        "references": references,
        "bibtex": as_bibtex(references),
    }


_FAMILY_NOTE = (
    "All tests of terms the report is about, but for the primary one, adjusted together after Holm. Models that answer "
    "one question in several ways are several tests here, which makes the adjustment strict."
)


def reason_beyond(reason: str | None, doubts: Sequence[Mapping[str, Any]]) -> str | None:
    """Return a headline's reason without the checks that the page lists anyway; None when nothing else remains.

    Examples
    --------
    >>> doubts = [{"check": "early alliance: number of clients"}]
    >>> reason_beyond("Read with care: number of clients; odd dates.", doubts)
    'Read with care: odd dates.'
    >>> reason_beyond("Read with care: number of clients.", doubts)
    >>> reason_beyond("Read with care: ratings: number of clients.", doubts)
    """
    names = {name for check in doubts for name in (check["check"], check["check"].partition(": ")[2])}
    head, _, items = (reason or "").partition(": ")
    named = items.rstrip(".").split("; ")
    others = [item for item in named if item not in names and item.partition(": ")[2] not in names]
    if not items or len(others) == len(named):
        return reason
    return f"{head}: {'; '.join(others)}." if others else None


def tally_checks(checks: Sequence[Mapping[str, Any]]) -> str:
    """Return how many checks came out how.

    Examples
    --------
    >>> tally_checks([{"status": "green"}, {"status": "amber"}, {"status": "green"}])
    '2 green, 1 amber'
    """
    counted = {word: sum(check["status"] == word for check in checks) for word in ("green", "amber", "red")}
    return ", ".join(f"{format_count(n)} {word}" for word, n in counted.items() if n)


def short_html(page: Mapping[str, Any]) -> str:
    """Return the page of a question that was not answered: `number title kind status study reason needs inputs`."""
    return render("short.html.j2", page)


def index_html(page: Mapping[str, Any]) -> str:
    """Return the index of a run: `study, inputs, reports` with one entry per question, `seconds` its run time."""
    reports = []
    for report in page["reports"]:
        row = comparable_row(report["verdicts"])
        strip = forest_strip(row) if row else None
        beside = {"verdict": count_verdicts(report["verdicts"]), "strip": strip, "beside": row}
        reports.append({**report, "headlines": _for_index(report), **beside})
    statuses = {report["status"] for report in reports}
    return render("index.html.j2", {**page, "reports": reports, "statuses": [s for s in _ORDER if s in statuses]})


def untimed(index: bytes) -> bytes:
    """Return an index without the run times: all that may differ between two runs of the same on one machine.

    Examples
    --------
    >>> untimed(b'<dd class="seconds">3 s</dd><p>a</p>')
    b'<dd class="seconds"></dd><p>a</p>'
    """
    return _SECONDS.sub(b"", index)


_SECONDS = re.compile(rb'(?<=<dd class="seconds">)[^<]*')
_ORDER = ("answered", "caution", "withheld", "not_answerable", "failed")


def _for_index(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    # the list carries the status of the whole report: a part's own is shown only where it differs
    return [
        {**headline, "shown_status": headline["status"] if headline["status"] != report["status"] else None}
        for headline in report["headlines"]
    ]


def arrange(notebook: Any) -> tuple[Any, str, list[dict[str, str]]]:
    """Return a copy cut into sections at its level-2 headings, with its title and its contents list.

    The first cell of a section carries `metadata.alliance.opens`, the last one `closes` with the code of the section.
    """
    import nbformat

    title, cells = "", []
    sections: list[dict[str, str]] = [{"id": "top", "title": ""}]
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            cells.append((len(sections) - 1, cell))
            continue
        if EXPLANATION in cell.metadata.get("tags", []):
            continue  # for whoever changes the notebook, not for the readers of its report
        for level, heading, text in split_headings(cell.source):
            if level == 1:
                title = title or heading
            elif level == 2:
                sections.append({"id": f"section-{len(sections)}", "title": heading})
            cells.append((len(sections) - 1, nbformat.v4.new_markdown_cell(text, id=f"text-{len(cells)}")))
    for number, section in enumerate(sections):
        _bracket([cell for owner, cell in cells if owner == number], section)
    arranged = nbformat.from_dict({**notebook, "cells": [cell for _, cell in cells]})
    return arranged, title, sections[1:]


def split_headings(source: str) -> list[tuple[int, str, str]]:
    """Return (heading level, heading, text below it) for each level-1 or level-2 heading of a markdown cell."""
    parts: list[tuple[int, str, list[str]]] = [(0, "", [])]
    fenced = False
    for line in source.splitlines():
        fenced ^= line.lstrip().startswith(("```", "~~~"))
        found = None if fenced else _HEADING.match(line)
        if found:
            parts.append((len(found[1]), found[2], []))
        else:
            parts[-1][2].append(line)
    return [
        (level, heading, "\n".join(lines).strip()) for level, heading, lines in parts if level or "".join(lines).strip()
    ]


def _bracket(cells: Sequence[Any], section: Mapping[str, str]) -> None:
    for cell in cells:
        cell.metadata["alliance"] = {}
    if not cells:
        return
    code = [cell.source for cell in cells if cell.cell_type == "code" and cell.source.strip()]
    cells[0].metadata["alliance"]["opens"] = dict(section)
    cells[-1].metadata["alliance"] |= {
        "closes": True,
        "code": "\n\n".join(code),
        "name": section["title"] or "opening the report",
    }


def _exporter() -> Any:
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(
        template_name="alliance", extra_template_basedirs=[str(_TEMPLATES)], exclude_anchor_links=True
    )
    exporter.register_filter("sealed", sealed)
    return exporter


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return a page from one of the templates, everything in it escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "count": format_count, "counted": format_counted, "percent": format_percent, "seconds": format_seconds,
        "spoken": spoken, "tallied": tally_checks, "unbroken": unbroken,
    }  # fmt: skip
    style = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    script = (_TEMPLATES / "code.js").read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return environment.get_template(template).render(
        style=Markup(style), script=Markup(script), script_hash=digest, **values
    )
