"""References: every entry complete and checked, every question with its sources, findings as they are cited."""

import re
from pathlib import Path

import pytest

from alliance_analysis.errors import ReportError
from alliance_analysis.published import load_published
from alliance_analysis.report import references as module
from alliance_analysis.report.notebooks import find_notebooks
from alliance_analysis.report.references import as_bibtex, authors_of, load_methods, parse_bibtex, references_for
from alliance_analysis.resources import notebooks_folder

BIB = Path(module.__file__).with_name("references.bib").read_text(encoding="utf-8")
QUESTIONS = [notebook.number for notebook in find_notebooks(notebooks_folder())]
DOI = re.compile(r"10\.\d{4,9}/[^\s{}]+")
CAUSAL = re.compile(r"\b(effects? of|leads? to|improves?|because|comes? first|causes?|due to)\b", re.IGNORECASE)


def keys(question, ids=()):
    return [reference.key for reference in references_for(question, ids)]


def test_every_entry_of_the_file_is_read():
    assert len(load_methods()) == len(re.findall(r"^@", BIB, re.MULTILINE))


@pytest.mark.parametrize("reference", load_methods(), ids=lambda reference: reference.key)
def test_an_entry_is_complete_checked_and_readable(reference):
    for name in ("author", "title", "year", "verified"):
        assert re.search(rf"^  {name} = \{{.+\}},$", reference.bibtex, re.MULTILINE), name
    assert reference.doi is None or DOI.fullmatch(reference.doi)
    assert re.match(r"\S.+ \(\d{4}\)\. \S.+[.?]$", reference.text)
    assert not set("{}\\\n") & set(reference.text)
    assert reference.key.rstrip("abc")[-4:] in reference.text


def test_keys_and_dois_are_unique():
    for values in ([one.key for one in load_methods()], [one.doi for one in load_methods() if one.doi]):
        assert len(values) == len(set(values))


def test_what_could_not_be_confirmed_carries_no_doi_and_says_so():
    without = {one.key for one in load_methods() if one.doi is None}
    assert without == {"fleenor1996", "kenny2006", "marcus2009", "pinheiro2000", "raudenbush2002"}
    for reference in load_methods():
        if reference.doi is None:
            assert "DOI" in re.search(r"verified = \{(.+)\}", reference.bibtex)[1]


def test_every_key_of_a_question_is_in_the_file():
    known = {one.key for one in load_methods()}
    used = {key for listed in (*module._METHODS.values(), module._GENERAL, module._JUDGED) for key in listed}
    assert used <= known
    assert known - used == {"cranford2006", "nakagawa2013", "rights2019"}  # for functions no notebook calls yet


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_shipped_question_has_its_own_sources(question):
    assert question in module._METHODS
    assert {"appelbaum2018", "bates2015"} <= set(keys(question))
    assert keys(question) != keys("99")


def test_an_unknown_question_gets_the_sources_of_all_models():
    assert keys("99") == ["appelbaum2018", "bates2015", "kuznetsova2017", "satterthwaite1946"]


def test_verdicts_bring_their_sources_and_the_judged_findings():
    found = references_for("02", ["M01", "M02", "M05"])
    assert {"patil2016", "simonsohn2015", "verhagen2014"} <= {one.key for one in found}
    assert "patil2016" not in keys("02")
    findings = [one for one in found if one.key.startswith("finding_")]
    assert [(one.key, one.text, one.doi) for one in findings] == [
        (
            "finding_M01",
            "Flückiger, Del Re, Wampold & Horvath 2018 Psychotherapy 55(4) 316-340.",
            "10.1037/pst0000172",
        ),
        ("finding_M05", "Horvath, Del Re, Flückiger & Symonds 2011 Psychotherapy 48(1) 9-16.", "10.1037/a0022186"),
    ]


def test_a_source_that_is_both_method_and_finding_stands_once():
    assert [key for key in keys("07", ["T01"]) if "baldwin" in key or "T01" in key] == ["baldwin2007"]
    assert "finding_T01" in keys("02", ["T01"])


def test_findings_without_authors_and_ids_of_ones_own_are_left_out():
    found = keys("10", ["A06", "W12", "A10", "my-own"])
    assert [key for key in found if key.startswith("finding_")] == []
    assert "patil2016" in found  # they were judged all the same


def test_no_row_of_the_published_findings_breaks_a_report():
    everything = load_published()
    found = references_for("10", everything["id"])
    cited = {one.text.removesuffix(".") for one in found if one.key.startswith("finding_")}
    assert 40 < len(cited) < everything["citation"].nunique()
    assert {one.doi for one in found if one.doi} <= {one.doi for one in load_methods()} | set(everything["doi"])
    assert len({one.key for one in found}) == len(found)


@pytest.mark.parametrize(
    ("citation", "authors"),
    [
        ("Welmers-Van de Poll et al. Clin Child Fam Psychol Rev (online 2017; thesis ch. 2)", "Welmers-Van de Poll et al."),
        ("Hoffart, Øktedalen, Langkaas & Wampold 2013 J Couns Psychol 60(4)", "Hoffart, Øktedalen, Langkaas & Wampold"),
        ("Prusiński 2022 Front Psychiatry", "Prusiński"),
        ("Sinclair (Linköping thesis), primary care", "Sinclair"),
        ("Front Psychiatry 2022 951925", ""),
        ("J Couns Psychol 2018 65(6) 703-714 (realistic accuracy model)", ""),
        ("CBT for panic disorder with agoraphobia, Behav Res Ther 2014 52 26-34", ""),
        ("A relational perspective... Psychother Res 2020 30(1) 13-22", ""),
        ("Education and Science (Egitim ve Bilim) 2015", ""),
        ("OQ-45 scoring sheet", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_a_citation_names_authors_or_is_incomplete(citation, authors):
    assert authors_of(citation) == authors


def test_references_are_alphabetical_without_regard_to_accents():
    texts = [one.text for one in references_for("07", ["M01", "W01"])]
    order = [texts.index(next(t for t in texts if t.startswith(name))) for name in ("Kuznetsova", "Lüdtke", "Patil")]
    assert order == sorted(order)


def test_the_bibtex_file_can_be_read_back():
    listed = references_for("03", ["M20", "A02", "A03"])
    text = as_bibtex(listed)
    assert text.endswith("}\n")
    assert len(re.findall(r"^@\w+\{[\w-]+,$", text, re.MULTILINE)) == len(listed)
    assert "and others" in next(one.bibtex for one in listed if one.key == "finding_M20")
    methods = "\n\n".join(one.bibtex for one in listed if not one.key.startswith("finding_"))
    assert [one.text for one in parse_bibtex(methods)] == [one.text for one in listed if "finding_" not in one.key]


def test_an_ampersand_is_plain_in_text_and_escaped_in_bibtex():
    muthen = next(one for one in load_methods() if one.key == "muthen1994")
    assert "Sociological Methods & Research, 22(3), 376–398." in muthen.text
    assert r"Methods \& Research" in muthen.bibtex
    assert r"Xu \& Tracey" in next(one.bibtex for one in references_for("02", ["W07"]) if one.key == "finding_W07")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@book{a,\n  author = {Lee},\n  year = {2001},\n}", "references.bib: a has no title; it is required. Add the field."),
        (
            "@book{a,\n  author = {Lee},\n  title = {On},\n  year = {2001},\n}\n" * 2,
            "references.bib: the key a stands twice; keys are unique. Rename one.",
        ),
    ],
)  # fmt: skip
def test_an_incomplete_or_repeated_entry_is_refused(text, message):
    with pytest.raises(ReportError) as error:
        parse_bibtex(text)
    assert str(error.value) == message


def test_the_package_claims_no_cause_in_what_it_writes_itself():
    ours = [*re.findall(r"verified = \{(.+)\}", BIB), module.__doc__]
    assert [text for text in ours if CAUSAL.search(text)] == []
