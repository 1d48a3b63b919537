"""A real browser opens pages from disk: nothing foreign runs, everything works by keyboard, on small screens, printed."""

import re
import shutil
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import dangers
from playwright.sync_api import expect, sync_playwright
from pypdf import PdfReader

import alliance_analysis.report.html as html
from alliance_analysis.report.run import run_reports
from alliance_analysis.report.tables import table_html

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
]
# the browser asks nobody for updates, and a container's root may start it
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
TEMPLATES = Path(html.__file__).parent / "templates"
PAGES = (
    "index", "01_who_is_in_the_data", "02_alliance_and_symptom_change", "03_client_and_therapist_agreement",
    "07_therapists_clients_sessions", "10_agreement_and_outcome",
)  # fmt: skip
REPORTS = PAGES[1:]
AXE = {"rules": {"target-size": {"enabled": True}}}  # WCAG 2.2; axe runs it only when asked
SPLIT_WORDS = """cells => cells.flatMap(cell => {
  const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), split = [];
  for (let node; (node = walker.nextNode());) {
    for (const word of node.data.matchAll(/[^\\s]+/g)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) split.push(word[0]);
    }
  }
  return split;
})"""
DESKTOP, PHONE = (1280, 900), (320, 640)


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """A run of the example study, quick simulations."""
    few = {"n_simulations": "2", "n_bootstrap": "20"}
    return run_reports("example", out=tmp_path_factory.mktemp("example"), parameters=few).folder


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """Open a file in a new window and watch what it asks for and what the console says."""
    contexts = []

    def open_file(path, size=DESKTOP, scheme="light"):
        context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.noise = []
        page.on("console", lambda message: page.noise.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: page.noise.append(f"error: {error}"))
        own = path.as_uri()
        page.on("request", lambda request: page.noise.append(f"request: {request.url}") if foreign(request) else None)

        def foreign(request):
            return request.url.split("#")[0] != own and not request.url.startswith("data:image/")

        page.goto(own)
        return page

    yield open_file
    for context in contexts:
        context.close()


def test_a_hostile_page_runs_no_foreign_script(full_run, visit):
    page = visit(full_run.folder / "21_everything.html")
    assert page.title() == "21 · The question of 21_everything?"  # hostile code would have renamed it
    assert page.evaluate("window.stolen") is None
    expect(page.get_by_role("button", name="Show all code")).to_be_visible()  # the page's own script ran
    assert "Symptoms fell by 0.50 points" in page.inner_text("main")
    assert dangers(page.content()) == []
    assert page.noise == []


@pytest.mark.parametrize(("width", "scrolls"), [(360, 1), (1200, 0)])
def test_what_is_too_wide_for_the_screen_scrolls_and_says_so(tmp_path, visit, width, scrolls):
    table = table_html(pd.DataFrame([["value"] * 8], columns=[f"column_{n}" for n in "abcdefgh"]), caption="Wide.")
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    script = (TEMPLATES / "code.js").read_text(encoding="utf-8")
    content = f"<!DOCTYPE html><style>{style}</style><main>{table}</main><script>{script}</script>"
    (tmp_path / "wide.html").write_text(content, encoding="utf-8")
    page = visit(tmp_path / "wide.html", size=(width, 800))
    assert page.locator(".box.scrolls.more").count() == scrolls


def test_code_opens_by_keyboard_section_by_section_and_all_at_once(full_run, visit):
    page = visit(full_run.folder / "21_everything.html")
    folds = page.locator("details.code")
    assert folds.count() > 1
    folds.first.locator("summary").focus()
    page.keyboard.press("Enter")
    assert folds.evaluate_all("all => all.map(one => one.open)") == [True] + [False] * (folds.count() - 1)
    page.get_by_role("button", name="Show all code").focus()
    page.keyboard.press("Space")
    assert set(folds.evaluate_all("all => all.map(one => one.open)")) == {True}
    page.keyboard.press("Enter")  # the same button, now named for what it does next
    assert set(folds.evaluate_all("all => all.map(one => one.open)")) == {False}
    expect(page.get_by_role("button", name="Show all code")).to_be_focused()


def test_the_first_tab_skips_to_the_content(full_run, visit):
    page = visit(full_run.folder / "21_everything.html")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_quiet_and_asks_for_nothing(example, visit, name):
    page = visit(example / f"{name}.html")
    assert page.noise == []
    assert page.locator("img").evaluate_all("all => all.every(one => one.complete && one.naturalWidth > 0)")


@pytest.mark.slow
@pytest.mark.parametrize("name", REPORTS)
def test_every_link_of_the_contents_leads_to_its_heading(example, visit, name):
    page = visit(example / f"{name}.html")
    links = page.get_by_role("navigation", name="Contents").get_by_role("link")
    assert links.count() > 5
    for link in links.all():
        link.focus()
        page.keyboard.press("Enter")
        expect(page.locator(link.get_attribute("href")).first).to_be_in_viewport()
    targets = page.locator("a[href^='#']").evaluate_all("all => all.map(one => one.hash.slice(1))")
    assert [target for target in targets if page.locator(f"[id='{target}']").count() != 1] == []


@pytest.mark.slow
def test_the_index_filters_by_status_and_leads_to_every_report(example, visit):
    page = visit(example / "index.html")
    questions = page.locator(".questions > li")
    assert questions.count() == len(REPORTS)
    chosen = page.get_by_role("button", name="With caution")
    chosen.focus()
    page.keyboard.press("Enter")
    assert chosen.get_attribute("aria-pressed") == "true"
    shown = [one for one in questions.all() if one.is_visible()]
    assert 0 < len(shown) < len(REPORTS)
    assert all("With caution" in one.inner_text() for one in shown)
    page.get_by_role("button", name="All").click()
    assert all(one.is_visible() for one in questions.all())
    for link in page.locator(".questions h3 a").all():
        assert (example / link.get_attribute("href")).is_file()


@pytest.mark.slow
@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light"), (PHONE, "dark")])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_against_wcag(example, visit, name, size, scheme):
    page = visit(example / f"{name}.html", size, scheme)
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    found = Axe().run(page, options=AXE)
    assert [f"{rule['id']}: {node['target']}" for rule in found.response["violations"] for node in rule["nodes"]] == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 640])  # a phone; a screen of 1,280 at 200 % zoom
@pytest.mark.parametrize("name", PAGES)
def test_no_page_scrolls_sideways_on_a_small_screen(example, visit, name, width):
    page = visit(example / f"{name}.html", size=(width, 640))
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_the_focus_is_visible_wherever_the_tab_key_leads(example, visit, name):
    page = visit(example / f"{name}.html")
    seen = []
    for _ in range(200):
        page.keyboard.press("Tab")
        style = page.evaluate(
            "() => { const at = document.activeElement; if (at === document.body) return null;"
            " const s = getComputedStyle(at); return [at.outerHTML.slice(0, 80), s.outlineStyle, s.outlineWidth]; }"
        )
        if style is None:
            break
        seen.append(style)
    assert len(seen) > 5
    assert [one for one in seen if one[1:] != ["solid", "3px"]] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", REPORTS)
def test_every_picture_is_told_with_its_numbers(example, visit, name):
    pictures = visit(example / f"{name}.html").locator(".picture img").evaluate_all("all => all.map(one => one.alt)")
    assert all(re.search(r"\d", alt) for alt in pictures)
    assert pictures


@pytest.mark.slow
@pytest.mark.parametrize("name", REPORTS)
def test_printed_every_table_and_figure_is_there_and_nothing_is_cut(example, visit, tmp_path, name):
    page = visit(example / f"{name}.html")
    labels = page.locator("caption b, figcaption b").all_inner_texts()
    page.pdf(path=tmp_path / "page.pdf", format="A4", margin={"left": "15mm", "right": "15mm"})
    texts = [one.extract_text() for one in PdfReader(tmp_path / "page.pdf").pages]
    said = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", " ".join(texts)))  # the "fi" of a figure is one letter
    assert len(labels) > 3
    assert [label for label in labels if label not in said] == []
    # what lies beyond the paper's edge would be lost: 180 mm at 96 pixels per inch
    page.set_viewport_size({"width": 680, "height": 1000})
    page.emulate_media(media="print")
    assert (
        page.locator("table, img, pre").evaluate_all(
            "all => all.filter(one => one.getBoundingClientRect().right > 681).map(one => one.outerHTML.slice(0, 200))"
        )
        == []
    )
    # a number, or a heading's word, parted at the end of a line reads as two
    assert page.locator("table .num, table thead th").evaluate_all(SPLIT_WORDS) == []
