"""The command `alliance`: reports, checks and data from the terminal, with messages that say the next step."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

import alliance_analysis as aa  # lazy: a command loads only what it uses
from alliance_analysis.errors import AllianceError
from alliance_analysis.study.datasets import DATASETS, fetch
from alliance_analysis.study.feasibility import QUESTIONS
from alliance_analysis.study.studyfile import Study, load_study, registered_studies

if TYPE_CHECKING:
    from alliance_analysis.report.run import RunEvent

USER_ERROR = 2
INTERRUPTED = 130

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Reproducible analyses of the therapeutic alliance and outcome.",
    epilog="Start with: alliance check my_study/study.yml",
)
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


def _complete_study(incomplete: str) -> list[str]:
    return [name for name in registered_studies() if name.startswith(incomplete)]


def _complete_question(incomplete: str) -> list[tuple[str, str]]:
    return [(q.number, q.title) for q in QUESTIONS if q.number.startswith(incomplete)]


StudyOption = Annotated[
    str, typer.Option("--study", help="A study.yml, its folder, or a registered name.", autocompletion=_complete_study)
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show Python's traceback of a failure on the terminal.")]


@app.command()
def reproduce(
    study: StudyOption = "example",
    out: Annotated[Path | None, typer.Option(help="Run folder; default ./reports/<study>.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Question numbers, such as 02; repeat or separate by commas.", autocompletion=_complete_question
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Notebooks that run at the same time.")] = 1,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", help="NAME=VALUE for all notebooks, or 02.NAME=VALUE for one."),
    ] = None,
    notebooks: Annotated[Path | None, typer.Option(help="A folder of your own notebooks.")] = None,
    debug: DebugOption = False,
) -> None:
    """Run the notebooks on a study and write the reports."""
    numbers = [number.strip() for entry in only or () for number in entry.split(",")]
    with _RunProgress() as progress:
        summary = aa.run_reports(
            study,
            out=out,
            only=numbers,
            jobs=jobs,
            parameters=_pairs(parameter or []),
            notebooks=notebooks,
            progress=progress,
        )
    for number, line in summary.failures.items():
        _err.print(f"failed   {line}", markup=False)
        if debug:
            _err.print(summary.details[number], markup=False)
    _out.print(f"Reports: {summary.folder / 'index.html'}", markup=False)
    raise typer.Exit(summary.exit_code)


def _pairs(entries: list[str]) -> dict[str, str]:
    """Return NAME=VALUE entries as a dictionary."""
    wrong = [entry for entry in entries if "=" not in entry]
    if wrong:
        raise AllianceError(f"--parameter: {wrong[0]!r} has no '='; NAME=VALUE is expected, such as 02.conf_level=0.9.")
    return {name.strip(): value for name, _, value in (entry.partition("=") for entry in entries)}


class _RunProgress:
    """Shows a run on the terminal: a bar where there is one, plain lines elsewhere."""

    def __init__(self) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=_out,
        )
        self._task = self._bar.add_task("starting", total=None)

    def __enter__(self) -> _RunProgress:
        if _out.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, event: RunEvent) -> None:
        self._bar.update(
            self._task, completed=event.done, total=event.total, description=f"{event.number} {event.title}"
        )
        if event.status != "started":
            status = event.status.replace("_", " ")
            _out.print(f"{event.number}  {status:<15} {event.title}  ({event.seconds:.0f} s)", markup=False)
        if event.status == "not_answerable":
            _out.print(f"    {event.line}", markup=False)


@app.command()
def check(
    study: Annotated[
        str, typer.Argument(help="A study.yml, its folder, or a registered name.", autocompletion=_complete_study)
    ],
    debug: DebugOption = False,
) -> None:
    """Check a study file and its data, and say which questions they can answer. Changes nothing."""
    loaded = load_study(study)
    _out.print(f"{loaded.title}: no problems found.", style="bold", markup=False)
    _out.print(_counts(loaded), markup=False)
    for note in loaded.notes:
        _out.print(f"note  {note}", markup=False)
    table = Table("", "Question", "Can it be answered?", "What it needs", box=None, pad_edge=False)
    for row in loaded.feasibility().itertuples():
        table.add_row(row.question, row.title, ("yes: " if row.answerable else "no: ") + row.reason, row.needs)
    _out.print(table)


def _counts(study: Study) -> str:
    frame = study.sessions
    therapists = f", {frame['therapist'].nunique()} therapists" if study.has("therapist") else ", no therapist ids"
    simulated = " SIMULATED." if study.simulated else ""
    return f"{len(frame)} sessions, {frame['client'].nunique()} clients{therapists}.{simulated}"


@app.command("list")
def list_(
    findings: Annotated[bool, typer.Option("--findings", help="List the published findings instead.")] = False,
) -> None:
    """List the questions, the registered studies and the open data sets."""
    if findings:
        for row in aa.load_published().itertuples():
            _out.print(f"{row.id:<5} {row.question}  {row.metric or '-':<15} {row.citation}", markup=False)
        return
    _out.print("Questions", style="bold")
    for question in QUESTIONS:
        _out.print(f"  {question.number}  {question.title} [{question.kind}]", markup=False)
    _out.print("Studies that come with the package", style="bold")
    for name in registered_studies():
        _out.print(f"  {name}", markup=False)
    _out.print("Open data (alliance fetch NAME)", style="bold")
    for name in DATASETS:
        _out.print(f"  {name}", markup=False)


@app.command("fetch")
def fetch_(
    name: Annotated[
        str,
        typer.Argument(help="Name of the data set; `alliance list` shows them.", autocompletion=lambda: list(DATASETS)),
    ],
    debug: DebugOption = False,
) -> None:
    """Fetch an open data set into your cache (or the folder in ALLIANCE_DATA) and check its SHA-256."""
    _out.print(f"{name}: {fetch(name)}", markup=False)


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(help="Where sessions.csv, clients.csv and truth.json are written.")],
    seed: Annotated[int, typer.Option(help="Same seed, same study.")] = 1,
) -> None:
    """Simulate a study with a known truth, like the example study (for tests and teaching)."""
    aa.write_simulated(aa.simulate_example(seed), folder)
    _out.print(f"{folder}: sessions.csv, clients.csv, truth.json (seed {seed}).", markup=False)


def main() -> None:
    """Run the command; an error of the user's is one message and exit code 2, a traceback only with --debug."""
    try:
        app()
    except AllianceError as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        _err.print(f"alliance: {error}", markup=False)
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        _err.print("alliance: interrupted; earlier reports are as they were.", markup=False)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
