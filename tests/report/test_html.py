"""A page is one sealed file: everything foreign is text, nothing is requested, sections stand in order."""

import base64
import hashlib
import re

import nbformat
import pytest
from conftest import dangers

from alliance_analysis.report.html import arrange, index_html, report_html, sealed, short_html

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"
INPUTS = {
    "study": {
        "name": "tiny", "title": HOSTILE, "source": HOSTILE, "simulated": True, "n_sessions": 72, "n_clients": 1,
        "n_therapists": None,
    },
    "described": {"period": ["2021-01", "2021-03"], "measures": [{"measure": HOSTILE, "scale": HOSTILE, "missing": 0.5}]},
    "files": {"a<b>.csv": "0" * 64},
    "versions": {"python": "3.11"},
    "commit": None,
}  # fmt: skip
PAGE = {
    "number": "02", "title": HOSTILE, "kind": "own question", "status": "withheld", "study": INPUTS["study"],
    "parameters": {"seed": 1}, "inputs": INPUTS, "reason": HOSTILE, "needs": HOSTILE, "checks": [],
    "verdicts": [{"verdict": HOSTILE, "citation": HOSTILE, "metric": HOSTILE, "own": 0.2, "own_low": 0.1, "own_high": 0.3,
                  "published": 0.3, "published_low": 0.2, "published_high": 0.4, "finding_id": "M01"}],
    "estimates": [{"model": HOSTILE, "term": HOSTILE, "level": HOSTILE, "p_value": 0.03, "primary": False}],
    "methods": [{"model": HOSTILE, "formula": HOSTILE, "converged": True, "r_code": HOSTILE}],
    "plan": {"word": "deviated", "detail": HOSTILE}, "tables": [], "seconds": 3.2,
    "headlines": [{"part": HOSTILE, "sentence": HOSTILE, "status": "withheld", "reason": HOSTILE,
                   "changes": HOSTILE}],
}  # fmt: skip


def notebook(*cells):
    made = []
    for kind, content in cells:
        if kind == "markdown":
            made.append(nbformat.v4.new_markdown_cell(content))
        else:
            data = {content[0]: content[1]}
            output = {"output_type": kind, "data": data, "metadata": {}}
            if kind == "execute_result":
                output["execution_count"] = 1
            made.append(nbformat.v4.new_code_cell("x = 1", outputs=[nbformat.from_dict(output)]))
    for position, cell in enumerate(made):
        cell["id"] = f"c{position}"
    return nbformat.v4.new_notebook(cells=made)


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        ("<p onclick='f()' style='color:red' id='x'>a</p>", "<p>a</p>"),
        ("a<script>f()</script><style>p{}</style><iframe src='x'></iframe>", "a"),
        ("<img src='https://x.org/a.png' alt='a'>b<img src='a.png'>", "b"),
        ("<img src='data:text/html;base64,AAAA'>", ""),
        ("<img src='data:image/png;base64,AAAA' alt='a>b' onerror='f()'>",
         '<img src="data:image/png;base64,AAAA" alt="a&gt;b">'),
        ("<a href='javascript:f()'>a</a><a href='data:text/html,x'>b</a>",
         '<a rel="noopener noreferrer">a</a><a rel="noopener noreferrer">b</a>'),
        ("<a href='https://doi.org/10.1'>a</a>", '<a href="https://doi.org/10.1" rel="noopener noreferrer">a</a>'),
        ("<form action='x'><input name='a'><button>b</button></form>", "b"),
        ("<svg><script>f()</script><text>t</text></svg>a", "a"),
        ('<div class="box evil" role="region" tabindex="5">a</div>',
         '<div class="box" role="region" tabindex="0">a</div>'),
        ("<meta http-equiv='refresh' content='0;url=x'><base href='x'><link rel='stylesheet' href='x'>a", "a"),
    ],
)  # fmt: skip
def test_foreign_html_is_reduced_to_text_tables_and_own_pictures(html, kept):
    assert sealed(html) == kept


def test_sections_come_from_level_two_headings_but_not_from_code_blocks():
    cells = [
        ("markdown", "# Title *here*\n\nIntro"),
        ("markdown", "## One\n\ntext\n\n```\n## not a heading\n```\n\n## Two ##"),
    ]
    arranged, title, sections = arrange(notebook(*cells))
    assert title == "Title *here*"
    assert sections == [{"id": "section-1", "title": "One"}, {"id": "section-2", "title": "Two"}]
    assert [cell.source for cell in arranged.cells] == ["Intro", "text\n\n```\n## not a heading\n```", ""]


def test_code_is_folded_once_per_section_after_its_outputs():
    display = ("display_data", ("text/html", "<p>shown</p>"))
    html = report_html(notebook(("markdown", "## One"), display, display, ("markdown", "## Two"), display), PAGE)
    assert re.findall(r"<summary>(Code: .*?)</summary>", html) == ["Code: One", "Code: Two"]
    assert html.count("<p>shown</p>") == 3
    assert html.index("<p>shown</p>") < html.index("<details") < html.index(">Two</h2>")


@pytest.mark.parametrize("kind", ["display_data", "execute_result"])
@pytest.mark.parametrize("mime", ["text/html", "text/plain", "text/markdown"])
def test_no_output_can_smuggle_a_script(kind, mime):
    html = report_html(notebook((kind, (mime, f"seen {HOSTILE}"))), PAGE)
    assert "seen" in html
    assert dangers(html) == []


@pytest.mark.parametrize("mime", ["image/svg+xml", "application/javascript", "text/latex"])
def test_outputs_a_page_has_no_place_for_are_dropped(mime):
    assert "payload" not in report_html(notebook(("display_data", (mime, "payload<svg onload=f()>"))), PAGE)


def hostile_report(page):
    return report_html(notebook(("markdown", f"# {HOSTILE}")), page)


def hostile_index(page):
    report = page | {"report": "02", "file": "02_x.html", "older": True, "failure": HOSTILE}
    return index_html(page | {"reports": [report]})


@pytest.mark.parametrize("write", [short_html, hostile_report, hostile_index])
def test_every_page_escapes_what_it_is_told_and_forbids_the_rest(write):
    html = write(PAGE)
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in html
    assert dangers(html) == []
    assert not re.search(r"@import|url\(|https?:", html.replace('<a href="https://doi.org/', ""))
    assert '<html lang="en">' in html
    assert "SIMULATED" in html
    assert html.count("<h1") == 1


def test_a_real_study_is_not_called_simulated():
    assert "SIMULATED" not in short_html(PAGE | {"study": INPUTS["study"] | {"simulated": False}})


def test_short_page_says_why_and_what_would_be_needed():
    html = short_html(PAGE | {"status": "not_answerable", "reason": "No symptoms.", "needs": "Symptoms."})
    assert "These data cannot answer this question." in html
    assert '<p class="why">No symptoms.</p>' in html
    assert "<strong>What would be needed:</strong> Symptoms." in html
    assert re.search(r'<div class="answers">.*No symptoms.*</div>\s*<dl class="facts">.*72 sessions', html, re.DOTALL)


def test_index_marks_older_and_failed_reports():
    report = PAGE | {"report": "02", "file": "02_x.html", "older": True, "failure": "02_x: cell 3: ValueError"}
    html = index_html(PAGE | {"reports": [report]})
    assert "From an older run" in html
    assert "The last run failed (02_x: cell 3: ValueError). This report is the one before it." in html
    assert '<a href="02_x.html">' in html


def lead(**page):
    html = report_html(notebook(("markdown", "# T")), PAGE | {"plan": {}, "verdicts": []} | page)
    block = re.search(r'<div class="lead.*?</header>', html, re.DOTALL)[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", block)).strip()


def headline(**changed):
    return {"part": None, "sentence": "It fell.", "status": "answered", "reason": None} | changed


def test_a_reason_that_lists_no_checks_stays_as_it_is():
    check = {"check": "Clients", "status": "amber", "why": "few", "value": 12}
    withheld = headline(status="withheld", reason="Too few clients.")
    assert lead(status="withheld", headlines=[withheld], checks=[check]) == (
        "It fell. Too few clients. Read with care amber Clients: few "
        "Status Withheld On whom 72 sessions of 1 client Checks 1 amber"
    )


CLIENTS = {"check": "early alliance: number of clients", "status": "amber", "why": "few", "value": 12}
FINE = {"check": "early alliance: missing values", "status": "green", "why": "none", "value": 0}


def test_a_caution_and_each_of_its_reasons_are_said_once():
    caution = headline(status="caution", reason="Read with care: number of clients.")
    assert lead(status="caution", headlines=[caution], checks=[CLIENTS, FINE]) == (
        "It fell. Read with care amber early alliance: number of clients: few "
        "Status With caution On whom 72 sessions of 1 client Checks 1 green, 1 amber"
    )


def test_checks_of_several_parts_stand_in_one_block_under_all_headlines():
    parts = [
        headline(part="Within", status="withheld", reason="Too few sessions."),
        headline(part="Between", status="caution", reason="Read with care: number of clients; odd dates."),
        headline(part="Beside"),
    ]
    assert lead(status="caution", headlines=parts, checks=[CLIENTS, FINE]) == (
        "Within Withheld It fell. Too few sessions. Between With caution It fell. Read with care: odd dates. "
        "Beside Answered It fell. Read with care amber early alliance: number of clients: few "
        "Status With caution On whom 72 sessions of 1 client Checks 1 green, 1 amber"
    )


def test_the_index_gives_reasons_in_full_and_repeats_no_status():
    part = headline(status="caution", reason="Read with care: number of clients.")
    report = PAGE | {"report": "02", "file": "02_x.html", "older": False, "failure": "", "reason": None, "needs": None}
    html = index_html(PAGE | {"reports": [report | {"status": "caution", "headlines": [part], "checks": [CLIENTS]}]})
    assert html.count("With caution") == 1
    assert '<p class="why">Read with care: number of clients.</p>' in html


def test_the_card_of_the_index_counts_one_in_the_singular():
    study = INPUTS["study"] | {"n_therapists": 1}
    html = index_html(PAGE | {"study": study, "reports": []})
    assert "2021-01 to 2021-03" in html
    assert re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html)[:3] == [
        ("Sessions", "72"),
        ("Client", "1"),
        ("Therapist", "1"),
    ]


def test_the_index_filters_by_status_only_where_there_is_a_choice():
    report = PAGE | {"report": "02", "file": "02_x.html", "older": False, "failure": ""}
    assert 'data-show="withheld"' not in index_html(PAGE | {"reports": [report]})
    html = index_html(PAGE | {"reports": [report, report | {"status": "answered"}]})
    assert re.findall(r'data-show="(.*?)"', html) == ["", "answered", "withheld"]


def test_the_index_puts_the_own_estimate_beside_the_published_one():
    row = {"verdict": "weaker", "citation": "A", "metric": "r", "own": 0.2, "own_low": 0.1, "own_high": 0.3}
    row |= {"published": 0.3, "published_low": 0.2, "published_high": 0.4}
    report = PAGE | {"report": "02", "file": "02_x.html", "older": False, "failure": "", "verdicts": [row]}
    html = index_html(PAGE | {"reports": [report]})
    assert 'alt="Own r 0.20 [0.10, 0.30], published 0.30 [0.20, 0.40]."' in html
    assert "<dt>Beside published findings</dt><dd>weaker (1)" in html
    without = index_html(PAGE | {"reports": [report | {"verdicts": []}]})
    assert "Beside published findings" not in without


def test_the_index_says_how_long_a_report_took_where_it_was_run():
    report = PAGE | {"report": "02", "file": "02_x.html", "older": False, "failure": ""}
    assert '<dd class="seconds">3 s</dd>' in index_html(PAGE | {"reports": [report]})
    assert "deviated" in index_html(PAGE | {"reports": [report]})
    unanswered = index_html(PAGE | {"reports": [report | {"headlines": []}]})
    assert "deviated" not in unanswered  # a plan says nothing about a question that was not asked
    assert "Run time" not in index_html(PAGE | {"reports": [report | {"seconds": None}]})


def test_the_figure_of_the_answer_stands_under_the_title_and_only_there():
    picture = '<figure class="picture key"><figcaption>the one</figcaption></figure>'
    other = '<figure class="picture"><figcaption>another</figcaption></figure>'
    shown = ("display_data", ("text/html", f"{other}{picture}"))
    html = report_html(notebook(("markdown", "# T\n\n## One"), shown), PAGE)
    assert html.count("the one") == 1
    assert html.index("the one") < html.index("</header>") < html.index("another")
    assert '<a href="#key-figure">' in html


def test_an_interval_in_the_lead_is_never_parted():
    said = headline(sentence="It is so (r = 0.10 [0.05, 0.15]).", changes="Else 0.20 [0.10, 0.30].")
    html = report_html(notebook(("markdown", "# T")), PAGE | {"headlines": [said]})
    assert "(r~=~0.10~[0.05,~0.15])" in html.replace("\u00a0", "~")
    assert "What would change it</h2>" in html
    assert "Else 0.20~[0.10,~0.30]." in html.replace("\u00a0", "~")


def test_a_report_ends_with_methods_causes_checklist_and_references():
    entry = {"model": "slopes", "formula": "y ~ x", "criterion": "ML", "converged": True, "r_code": "lmer(y ~ x)"}
    html = report_html(notebook(("markdown", "# T")), PAGE | {"methods": [entry], "number": "03"})
    ids = re.findall(r'<h2 id="(.*?)"', html)
    assert ids[-5:] == ["methods", "causes", "checklist", "references", "colophon"]
    assert "slopes: y ~ x, by maximum likelihood." in html
    assert "# slopes\nlmer(y ~ x)" in html
    assert "yours to write" in html
    assert "McGraw" in html
    assert "@article{" in html


def test_a_report_says_what_to_do_about_doubts_and_whether_it_was_planned():
    check = CLIENTS | {"what_to_do": "read the interval"}
    plan = {"word": "as planned", "detail": "plan frozen on 2026-11-25, hash abc"}
    said = lead(headlines=[headline()], checks=[check, check], plan=plan)
    assert "What would change it To do about the checks: read the interval." in said
    assert said.endswith("Plan as planned plan frozen on 2026-11-25, hash abc")
