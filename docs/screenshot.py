"""Makes README's picture of a report again: question 02 on the example study, the top of its page."""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from alliance_analysis import run_reports

TARGET = Path(__file__).with_name("report.png")
STEM = "02_alliance_and_symptom_change"


def main() -> int:
    """Write docs/report.png; exit 1 without a Chromium."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.stderr.write(
            "No chromium is installed; one on the PATH is required. Install it, such as Debian's chromium.\n"
        )
        return 1
    with tempfile.TemporaryDirectory() as folder:
        run_reports("example", out=Path(folder) / "run", only=["02"])
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
            page = chromium.new_page(viewport={"width": 1280, "height": 1100}, color_scheme="light")
            page.goto((Path(folder) / "run" / f"{STEM}.html").as_uri())
            page.screenshot(path=TARGET)
            chromium.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
