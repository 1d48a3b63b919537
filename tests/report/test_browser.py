"""A real browser opens a page with hostile labels from disk: no script of theirs runs, everything is there."""

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from conftest import dangers

import alliance_analysis.report.html as html
from alliance_analysis.report.tables import table_html

TEMPLATES = Path(html.__file__).parent / "templates"

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
def test_a_browser_runs_no_foreign_script_and_shows_the_page(full_run, tmp_path):
    page = full_run.folder / "21_everything.html"
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path}", "--enable-logging=stderr", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "<title>21 · The question of 21_everything?</title>" in done.stdout  # hostile code would have renamed it
    assert "stolen" not in re.findall(r"<title>(.*?)</title>", done.stdout)[0]
    # the page's own script ran: it alone removes `hidden` from the switch
    assert '<button type="button" id="code-switch">Show all code</button>' in done.stdout
    assert "Symptoms fell by 0.50 points" in done.stdout
    assert dangers(done.stdout) == []
    assert "CONSOLE" not in done.stderr  # neither a refused script nor a refused request


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
@pytest.mark.parametrize(("width", "scrolls"), [(360, 1), (1200, 0)])
def test_what_is_too_wide_for_the_screen_scrolls_and_says_so(tmp_path, width, scrolls):
    table = table_html(pd.DataFrame([["value"] * 8], columns=[f"column_{n}" for n in "abcdefgh"]), caption="Wide.")
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    script = (TEMPLATES / "code.js").read_text(encoding="utf-8")
    page = f"<!DOCTYPE html><style>{style}</style><main>{table}</main><script>{script}</script>"
    (tmp_path / "inner.html").write_text(page, encoding="utf-8")
    # a window of the browser is never narrower than 500 pixels, a frame may be
    answer = "document.title = frames[0].document.querySelectorAll('.box.scrolls.more').length"
    frame = f'<iframe src="inner.html" style="width:{width}px" onload="{answer}"></iframe>'
    (tmp_path / "outer.html").write_text(frame, encoding="utf-8")
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path}", "--allow-file-access-from-files", "--dump-dom",
         "--window-size=1300,800", (tmp_path / "outer.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert f"<title>{scrolls}</title>" in done.stdout
