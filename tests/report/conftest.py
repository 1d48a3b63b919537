"""A tiny study, tiny notebooks and one shared run of them: starting kernels is what costs."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from alliance_analysis.report.run import RunSummary, run_reports

PARAMETERS = 'study: str = "example"\nconf_level: float = 0.95\nseed: int = 1'
OPEN = (
    "from alliance_analysis.report.page import open_report\n"
    'report = open_report("{number}", study, conf_level=conf_level, seed=seed)'
)
HOSTILE = (
    "</script><script>window.stolen = 1; document.title = 'stolen'</script><img src=x onerror=\"window.stolen = 2\">"
)


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(html: str) -> list[tuple[str, dict[str, str | None]]]:
    """Return every element of a page as a parser sees it: (tag, attributes)."""
    parser = _Elements()
    parser.feed(html)
    return parser.found


def dangers(html: str) -> list[str]:
    """Name everything in a page that could run or fetch something, but for its one script."""
    found = []
    for tag, attributes in elements(html):
        found += [
            f"{tag} {name}" for name in attributes if name.startswith("on") or name in ("srcset", "style", "action")
        ]
        if tag in ("iframe", "object", "embed", "form", "base", "link", "svg", "math", "video", "audio", "input"):
            found.append(tag)
        if not (attributes.get("src") or "data:image/").startswith("data:image/"):
            found.append(f"{tag} src")
        if (attributes.get("href") or "").startswith(("javascript:", "data:", "//")):
            found.append(f"{tag} href")
    scripts = sum(tag == "script" for tag, _ in elements(html))
    return found + ["script"] * (scripts - 1)


Cell = tuple[str, str]  # ("code" | "markdown", source)


def write_notebook(folder: Path, name: str, cells: list[Cell], parameters: str | None = PARAMETERS) -> Path:
    """Write a notebook that opens a report and then has the given cells; `parameters=None` leaves that cell out."""
    new = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    built = [new["markdown"](f"# The question of {name}?")]
    if parameters is not None:
        built.append(new["code"](parameters, metadata={"tags": ["parameters"]}))
    built.append(new["code"](OPEN.format(number=name[:2])))
    built += [new[kind](source) for kind, source in cells]
    for position, cell in enumerate(built):
        cell["id"] = f"c{position}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=built), path)
    return path


def write_study(folder: Path, simulated: bool = True, symptoms: bool = True) -> Path:
    """Write a study of 12 clients, 3 therapists, 6 sessions; ids and one therapist's name are easy to search for."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    clients = np.repeat([f"planted-client-{i}" for i in range(12)], 6)
    frame = pd.DataFrame(
        {
            "client": clients,
            "therapist": np.repeat([f"planted-therapist-{i % 3}" for i in range(12)], 6),
            "session": np.tile(np.arange(1, 7), 12),
            "alliance_client": rng.uniform(2, 5, 72).round(2),
        }
    )
    if symptoms:
        frame["symptoms"] = rng.integers(3, 20, 72)
    frame.to_csv(folder / "sessions.csv", index=False)
    lines = [
        f"study: {{title: A tiny study, simulated: {str(simulated).lower()}}}",
        "data: sessions.csv",
        "measures:",
        "  alliance_client: {instrument: WAI-SR, column: alliance_client, score: mean, collected: after}",
    ]
    if symptoms:
        lines.append("  symptoms: {instrument: PHQ-9, column: symptoms, score: sum, collected: before}")
    path = folder / "study.yml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


FULL: list[Cell] = [
    ("markdown", f"Why it matters. {HOSTILE}\n\n## Validate {HOSTILE}\n\nRows read."),
    (
        "code",
        f"import pandas as pd\nlabel = {HOSTILE!r}\n"
        "frame = pd.DataFrame({label: [label, 'x'], 'share': [0.123456, None]})",
    ),
    ("code", "report.table(frame, caption=f'What was read {label}.', note=label)"),
    ("code", "frame"),
    ("markdown", "## Describe"),
    (
        "code",
        "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nlines = ax.plot([1, 2, 3], label=label)",
    ),
    ("code", "legend = ax.legend()\nreport.figure(fig, alt=f'Rises from 1 to 3 {label}', caption=f'A line {label}.')"),
    ("markdown", "## Model"),
    (
        "code",
        "import sys\nimport warnings\nfrom types import SimpleNamespace as Fake\n"
        "tidy = pd.DataFrame({'term': ['time', 'x_between_therapist'], 'estimate': [-0.5, 9 + 0.1234],\n"
        "    'std_error': [0.1, 1.0],\n"
        "    'statistic': [-5.0, 1.0], 'df': [float('inf'), 3.0], 'p_value': [0.00001, 0.4],"
        " 'conf_low': [-0.7, -3.0], 'conf_high': [-0.3, 4.0]})\n"
        "glance = pd.DataFrame({'n_obs': [72], 'n_client': [12], 'converged': [True]})\n"
        "withheld = {'x_between_therapist': 'the variance is zero'}\n"
        "fit = Fake(tidy=lambda conf_level: tidy, glance=lambda: glance, withheld=withheld)",
    ),
    ("code", "report.record(fit, model='first', levels={'time': 'within'}, primary=True, standardised={'time': -0.2})"),
    ("markdown", "## Check"),
    (
        "code",
        "report.checks(pd.DataFrame({'check': ['Clients'], 'value': [12], 'limit': ['≥ 30'], 'status': ['amber'],"
        " 'why': ['few clients'], 'what_to_do': ['Say so.']}))",
    ),
    ("markdown", "## Compare with published findings"),
    (
        "code",
        "report.verdicts(pd.DataFrame({'finding_id': ['f1'], 'citation': ['Somebody (2018)'], 'published': [0.278],\n"
        "    'own': [0.2], 'comparable': [False], 'verdict': ['not comparable'], 'reason': ['another level']}))",
    ),
    ("markdown", "## Report"),
    (
        "code",
        "warnings.warn('noise of ' + 'a library')\n"
        "none = sys.stdout.write('chat' + 'ter'), sys.stderr.write('chat' + 'ter')\n"
        "answer = Fake(sentence=f'Symptoms fell by 0.50 points {label}.', status='answered', reason=None)\n"
        "report.headline(answer, part='Part one')\n"
        "report.headline(Fake(sentence='Not to be said.', status='withheld', reason='Too few clients.'))",
    ),
    ("code", "report.text(label)"),
]


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def full_run(study: Path, tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    """One run of a notebook with everything a page can hold, and of one that fails."""
    folder = tmp_path_factory.mktemp("full")
    write_notebook(folder / "notebooks", "21_everything", FULL)
    write_notebook(folder / "notebooks", "22_broken", [("code", "value = 'planted-client-1'\nraise KeyError(value)")])
    return run_reports(study, out=folder / "run", notebooks=folder / "notebooks", jobs=2)


@pytest.fixture
def run_one(study: Path, tmp_path: Path) -> Callable[..., RunSummary]:
    """Run one notebook made of the given cells."""

    def run(cells: list[Cell], name: str = "21_one", **options: object) -> RunSummary:
        write_notebook(tmp_path / "notebooks", name, cells)
        return run_reports(study, out=tmp_path / "run", notebooks=tmp_path / "notebooks", **options)

    return run
