"""A real browser opens a page with hostile labels from disk: no script of theirs runs, everything is there."""

import re
import shutil
import subprocess

import pytest
from conftest import dangers

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
