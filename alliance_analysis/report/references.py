"""The reading list of a report: the methods its numbers rest on and the published findings it judged.

The methods stand in `references.bib` beside this module, every entry with the field `verified` that says how it was
checked; the findings come from `published_findings.csv` as they stand there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from alliance_analysis.errors import ReportError
from alliance_analysis.resources import data_folder

_FILE = Path(__file__).with_name("references.bib")
_ENTRY = re.compile(r"^@(\w+)\{([^,\s]+),\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^\s*(\w+)\s*=\s*\{(.*)\},?\s*$", re.MULTILINE)
_REQUIRED = ("author", "title", "year")

_GENERAL = ("appelbaum2018", "bates2015", "kuznetsova2017", "satterthwaite1946")
_JUDGED = ("patil2016", "simonsohn2015", "verhagen2014")  # what a verdict on a published finding rests on
_RELIABILITY = ("geldhof2014", "raudenbush2002")
_METHODS = {
    "01": ("appelbaum2018", "bates2015", *_RELIABILITY),
    "02": (*_GENERAL, "curran2011", "hamaker2015", "harrell1982", "nickell1981", "pinheiro2000", "vonelm2007"),
    "03": (
        *_GENERAL, *_RELIABILITY, "bakdash2017", "baldwin2012", "bland2007", "cameron2015", "carrasco2003", "cook2005",
        "critschristoph2011", "davison1997", "fleiss1969", "hamaker2015", "harrell1982", "kenny2006", "kenny2010",
        "kenward1997", "kottner2011", "laws2017", "lin1989", "marcus2009", "mcgraw1996", "muthen1994", "nickell1981",
        "pinheiro2000", "shrout1979", "west2011", "zou2013",
    ),
    "07": (
        *_GENERAL, *_RELIABILITY, "baldwin2007", "curran2011", "davison1997", "harrell1982", "kenward1997",
        "ludtke2008", "pinheiro2000", "self1987", "stram1994", "vonelm2007",
    ),
    "10": (
        *_GENERAL, "cronbach1970", "curran2011", "davison1997", "edwards1993", "edwards2001", "fleenor1996",
        "humberg2019", "nestler2019", "nickell1981", "shanock2010", "vonelm2007",
    ),
}  # fmt: skip

_NAME = r"[^\W\d_a-z][\w’'-]+(?: (?:de|der|van|von|[^\W\d_a-z][\w’'-]+))*"
_SEVERAL = re.compile(rf"{_NAME}(?:(?:, {_NAME})* & {_NAME}| et al\.)(?=\s|$)")
_SINGLE = re.compile(r"[^\W\d_a-z][\w’'-]+(?= \(?\d{4}\b| \()")


@dataclass(frozen=True)
class Reference:
    """One source, ready to be printed.

    Attributes
    ----------
    key : str
        Of the BibTeX entry; "finding_" and the id for a published finding.
    text : str
        One line in the manner of APA, without the DOI; a finding as `published_findings.csv` cites it.
    bibtex : str
        The entry.
    doi : str or None
        Without "https://doi.org/"; None where none was confirmed.
    """

    key: str
    text: str
    bibtex: str
    doi: str | None = None


def references_for(question: str, finding_ids: Iterable[str] = ()) -> list[Reference]:
    """Return what a report rests on, in alphabetical order, each source once.

    Parameters
    ----------
    question : str
        Two digits; a number that is none of the shipped questions gets the sources that all models share.
    finding_ids : iterable of str
        Rows of `published_findings.csv` that the report judged; with any, the sources of the verdicts come too. Left
        out are ids that are not there, and findings whose citation names no authors: it is incomplete.

    Returns
    -------
    list of Reference

    Examples
    --------
    >>> [reference.key for reference in references_for("02", ["M01"])][3:6]
    ['finding_M01', 'hamaker2015', 'harrell1982']
    """
    judged = list(finding_ids)
    keys = {*_METHODS.get(question, _GENERAL), *(_JUDGED if judged else ())}
    methods = [reference for reference in load_methods() if reference.key in keys]
    known = {reference.doi.casefold() for reference in methods if reference.doi}
    findings = [one for one in _findings(judged) if one.doi is None or one.doi.casefold() not in known]
    return sorted([*methods, *findings], key=lambda reference: _alphabetical(reference.text))


def as_bibtex(references: Iterable[Reference]) -> str:
    """Return a BibTeX file with one entry per reference, in their order.

    Examples
    --------
    >>> as_bibtex(references_for("01")).count("@")
    4
    """
    return "\n\n".join(reference.bibtex for reference in references) + "\n"


@cache
def load_methods() -> tuple[Reference, ...]:
    """Return every entry of `references.bib`, in the order of the file.

    Raises
    ------
    ReportError
        When an entry lacks author, title or year, or a key stands twice.

    Examples
    --------
    >>> load_methods()[1].text
    'Bakdash, J. Z., & Marusich, L. R. (2017). Repeated measures correlation. Frontiers in Psychology, 8, 456.'
    """
    return tuple(parse_bibtex(_FILE.read_text(encoding="utf-8")))


def parse_bibtex(text: str) -> list[Reference]:
    r"""Return the entries of a BibTeX text that has one field a line and each closing brace on a line of its own.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of Reference

    Raises
    ------
    ReportError
        When an entry lacks author, title or year, or a key stands twice.

    Examples
    --------
    >>> [one.text for one in parse_bibtex("@book{a1,\n author = {Lee, A.},\n title = {On {R}},\n year = {2001},\n}")]
    ['Lee, A. (2001). On R.']
    """
    found: dict[str, Reference] = {}
    for entry in _ENTRY.finditer(text):
        key, fields = entry[2], dict(_FIELD.findall(entry[3]))
        absent = [name for name in _REQUIRED if not fields.get(name)]
        if absent:
            raise ReportError(f"references.bib: {key} has no {absent[0]}; it is required. Add the field.")
        if key in found:
            raise ReportError(f"references.bib: the key {key} stands twice; keys are unique. Rename one.")
        found[key] = Reference(key, _in_words(fields), entry[0], fields.get("doi"))
    return list(found.values())


def _in_words(fields: Mapping[str, str]) -> str:
    plain = {name: re.sub(r"[{}\\]", "", value).replace("--", "–") for name, value in fields.items()}
    number = f"({plain['number']})" if "number" in plain else ""
    volume = f"{plain['volume']}{number}" if "volume" in plain else ""
    place = plain.get("journal") or plain.get("publisher")
    where = ", ".join(part for part in (place, volume, plain.get("pages")) if part)
    title = plain["title"] if plain["title"].endswith(("?", "!")) else f"{plain['title']}."
    return f"{_authors(plain['author'])} ({plain['year']}). {title}" + (f" {where}." if where else "")


def _authors(names: str) -> str:
    listed = names.split(" and ")
    if listed[-1] == "others":
        return ", ".join([*listed[:-1], "et al."])
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])}, & {listed[-1]}"


def _findings(ids: Iterable[str]) -> list[Reference]:
    table = pd.read_csv(data_folder() / "published_findings.csv", dtype=str, keep_default_na=False).set_index("id")
    cited: dict[str, Reference] = {}  # several figures of one source are one reference
    for name in dict.fromkeys(ids):
        if name not in table.index:
            continue
        row = table.loc[name]
        authors = authors_of(row["citation"])
        if authors:
            cited.setdefault(row["citation"], _finding(name, authors, row))
    return list(cited.values())


def authors_of(citation: str) -> str:
    """Return the authors a citation begins with; "" for one that names none, which is not printed as a reference.

    Examples
    --------
    >>> authors_of("Xu & Tracey 2015 J Couns Psychol 62(3) 351-359"), authors_of("Strauss et al. 2006 (PMC3268072)")
    ('Xu & Tracey', 'Strauss et al.')
    >>> authors_of("CBT for depression, 2 pooled studies, Clin Psychol Sci 2020/21")
    ''
    """
    found = _SEVERAL.match(citation) or _SINGLE.match(citation)
    return found[0] if found else ""


def _finding(name: str, authors: str, row: pd.Series) -> Reference:
    people = authors.replace(" et al.", " and others").replace(" & ", " and ").replace(", ", " and ")
    note = row["citation"].replace("&", r"\&")
    fields = {"author": people, "year": row["year"], "note": note, "doi": row["doi"]}
    lines = [f"  {field} = {{{value}}}," for field, value in fields.items() if value]
    text = row["citation"] if row["citation"].endswith(".") else f"{row['citation']}."
    return Reference(f"finding_{name}", text, "\n".join([f"@misc{{finding_{name},", *lines, "}"]), row["doi"] or None)


def _alphabetical(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
