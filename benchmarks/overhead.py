"""CPU seconds of what a user waits for: a notebook's overhead and `alliance check` on 5,000 rows.

    python benchmarks/overhead.py

The overhead of a notebook is what a notebook costs that only imports the package and opens its report: kernel, imports,
loading the example study, conversion to HTML; its own work (models, figures) comes on top. A bare `import pandas` is
measured in the same run, because machines differ: the last column gives the ratio to it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd

from alliance_analysis.report.run import run_reports

REPEATS = 3
STUDY = """\
study: {title: Benchmark}
data: sessions.csv
measures:
  alliance_client: {instrument: WAI-SR, column: wai, score: mean, collected: after}
  symptoms: {instrument: CORE-10, column: core, score: sum, collected: before}
"""


def cpu_seconds(action: Callable[[], object]) -> float:
    """Return the least CPU time, children included, of a few repeats."""
    times = []
    for _ in range(REPEATS):
        before = os.times()
        action()
        after = os.times()
        times.append(sum(after[:4]) - sum(before[:4]))
    return min(times)


def python(*words: str) -> None:
    """Run this interpreter quietly."""
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)


def write_rows(folder: Path, n_clients: int = 500, n_sessions: int = 10) -> Path:
    """Write a study of 5,000 sessions."""
    rng = np.random.default_rng(1)
    client, session = (index.ravel() for index in np.indices((n_clients, n_sessions)))
    table = {"client": client, "therapist": client // 20, "session": session + 1}
    scores = {"wai": rng.integers(4, 21, client.size) / 4, "core": rng.integers(0, 41, client.size)}
    pd.DataFrame(table | scores).to_csv(folder / "sessions.csv", index=False)
    (folder / "study.yml").write_text(STUDY, encoding="utf-8")
    return folder / "study.yml"


def write_notebooks(folder: Path) -> Path:
    """Write a notebook that opens its report and does nothing else, twice: the second shows a warm worker."""
    cells = [
        nbformat.v4.new_markdown_cell("# Nothing"),
        nbformat.v4.new_code_cell('study: str = "example"', metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell('import alliance_analysis as aa\n\nreport = aa.open_report("91", study)'),
    ]
    for number in ("91", "92"):
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{number}_nothing.ipynb")
    return folder


def notebook_seconds(folder: Path) -> tuple[float, float]:
    """Return the CPU seconds of a notebook in a fresh worker and of one more in the same worker, kernels included."""
    least = [float("inf"), float("inf")]
    for _ in range(REPEATS):
        run_reports("example", out=folder / "run", notebooks=write_notebooks(folder / "notebooks"))
        times = json.loads((folder / "run" / "run_times.json").read_text(encoding="utf-8"))
        least = [min(best, times[number]["cpu_seconds"]) for best, number in zip(least, ("91", "92"), strict=True)]
    return least[0], least[1]


def main() -> None:
    """Measure and print one table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "notebooks").mkdir()
        study = write_rows(folder)
        first, next_one = notebook_seconds(folder)
        rows = {
            "import pandas": cpu_seconds(lambda: python("-c", "import pandas")),
            "alliance check, 5,000 rows": cpu_seconds(
                lambda: python("-m", "alliance_analysis.cli", "check", str(study))
            ),
            "a notebook's overhead, first of a run": first,
            "a notebook's overhead, every further one": next_one,
        }
    for label, seconds in rows.items():
        print(f"{label:<45} {seconds:6.2f} CPU s   {seconds / rows['import pandas']:5.1f} x import pandas")


if __name__ == "__main__":
    main()
