"""Commands on runs: reproduce, compare, verify; and validate, which runs the golden cases."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

import alliance_analysis as aa
from alliance_analysis.cli.exits import INTERRUPTED
from alliance_analysis.cli.terminal import (
    PIPE_WIDTH,
    DebugOption,
    app,
    complete_question,
    complete_study,
    errors,
    say,
    screen,
)
from alliance_analysis.errors import AllianceError
from alliance_analysis.resources import checkout

if TYPE_CHECKING:
    from alliance_analysis.report.compare import RunComparison
    from alliance_analysis.report.run import RunEvent

DIFFERENCES_SHOWN = 20


@app.command()
def reproduce(
    study: Annotated[
        str,
        typer.Option(
            "--study",
            help="A study.yml, its folder, or a registered name; default: that of your notebooks, else the example.",
            autocompletion=complete_study,
        ),
    ] = "",
    out: Annotated[Path | None, typer.Option(help="Run folder; default ./reports/<study>.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Question numbers, such as 02; repeat or separate by commas.", autocompletion=complete_question
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
            study or (aa.study_of_notebooks(notebooks) if notebooks else "example"),
            out=out,
            only=numbers,
            jobs=jobs,
            parameters=pairs(parameter or []),
            notebooks=notebooks,
            progress=progress,
        )
    for number, line in summary.failures.items():
        errors.print(f"failed   {line}", markup=False)
        if debug:
            errors.print(summary.details[number], markup=False)
    if summary.exit_code == INTERRUPTED:  # all is cleared up: one more Ctrl-C must not spoil the exit code
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    say(f"Reports: {summary.folder / 'index.html'}")
    raise typer.Exit(summary.exit_code)


def pairs(entries: list[str]) -> dict[str, str]:
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
            console=screen,
        )
        self._task = self._bar.add_task("starting", total=None)

    def __enter__(self) -> _RunProgress:
        if screen.is_terminal:
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
            say(f"{event.number}  {status:<15} {event.title}  ({event.seconds:.0f} s)")
        if event.status == "not_answerable":
            say(f"    {event.line}")


RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, such as reports/example.")]
ToleranceOption = Annotated[
    float,
    typer.Option(help="Largest difference that counts as none, as a share of a standard error; 0: exactly equal."),
]
CsvOption = Annotated[Path | None, typer.Option("--csv", help="Write every difference to this new file.")]


@app.command(epilog="Example: alliance compare reports/mine reports/yours --csv differences.csv")
def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN_A", help="A run folder, such as reports/example.")],
    second: Annotated[Path, typer.Argument(metavar="RUN_B", help="Another run folder.")],
    tolerance: ToleranceOption = 1e-6,
    table: CsvOption = None,
    debug: DebugOption = False,
) -> None:
    """Compare two runs: same study, same parameters, same results? Exit code 0 yes, 1 no, 2 wrong input."""
    _refuse_file(table)
    comparison = aa.compare_runs(first, second, tolerance=tolerance)
    say(f"first run   {first}\nsecond run  {second}")
    say(comparison.sentence, style="bold")
    _show_differences(comparison, ("First run", "Second run"))
    for difference in comparison.differences:
        if not difference.decides:
            say(f"note  {difference.line}")
    _end_comparison(comparison, table)


@app.command(epilog="Example: alliance verify reports/my_clinic --study my_clinic/study.yml --jobs 2")
def verify(
    run: RunArgument,
    study: Annotated[
        str | None,
        typer.Option(
            "--study",
            help="The run's study file, where the study does not come with the package.",
            autocompletion=complete_study,
        ),
    ] = None,
    notebooks: Annotated[Path | None, typer.Option(help="The folder of the run's own notebooks.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep the new run in this new folder.")] = None,
    jobs: Annotated[int, typer.Option(help="Notebooks that run at the same time.")] = 1,
    tolerance: ToleranceOption = 1e-6,
    table: CsvOption = None,
    debug: DebugOption = False,
) -> None:
    """Run a run again as its run.json says: the same results? Exit code 0 yes, 1 no, 2 wrong input."""
    _refuse_file(table)
    for line in aa.check_run_inputs(run, study=study, notebooks=notebooks):
        say(f"changed  {line}")
    with _RunProgress() as progress:
        comparison = aa.verify_run(
            run, study=study, notebooks=notebooks, keep=keep, jobs=jobs, tolerance=tolerance, progress=progress
        )
    say(f"The same results: {'yes' if comparison.same else 'no'}.", style="bold")
    say(comparison.sentence)
    _show_differences(comparison, ("In the run", "Run again"))
    if keep:
        say(f"Reports of the new run: {keep / 'index.html'}")
    _end_comparison(comparison, table)


def _refuse_file(path: Path | None) -> None:
    """Refuse before anything is computed: an existing file may be somebody's data."""
    if path and os.path.lexists(path):
        raise AllianceError(f"--csv: {path} exists already. Name a new file.")
    if path and not path.absolute().parent.is_dir():
        raise AllianceError(f"--csv: {path.parent} is no folder that exists. Name a file in another folder.")


def _show_differences(comparison: RunComparison, runs: tuple[str, str]) -> None:
    deciding = [difference for difference in comparison.differences if difference.decides]
    if not deciding:
        return
    table = Table("What differs", *runs, "How far apart", box=None, pad_edge=False)
    for difference in deciding[:DIFFERENCES_SHOWN]:
        table.add_row(*map(Text, difference.cells))
    (screen if screen.is_terminal else Console(width=PIPE_WIDTH, highlight=False)).print(table, soft_wrap=False)
    if (further := len(deciding) - DIFFERENCES_SHOWN) > 0:
        say(f"and {further:,} more; --csv FILE writes all of them.")


def _end_comparison(comparison: RunComparison, table: Path | None) -> NoReturn:
    for note in comparison.notes:
        say(f"note  {note}")
    if table:
        aa.write_comparison(comparison, table)
        say(f"Differences: {table}")
    raise typer.Exit(0 if comparison.same else 1)


@app.command()
def validate(
    simulate_again: Annotated[
        bool, typer.Option("--simulate", help="Run the simulations again as well (an hour or more).")
    ] = False,
) -> None:
    """Refit every golden case, hold each number against R's, and write docs/validation.md (from a checkout)."""
    root = checkout()
    with Progress(console=screen) as progress:
        task = progress.add_task("golden cases")
        golden = aa.validate_golden(
            root, progress=lambda done, total: progress.update(task, completed=done, total=total)
        )
        if simulate_again:
            runs = progress.add_task("simulations")
            aa.simulate_validation(
                root, progress=lambda done, total: progress.update(runs, completed=done, total=total)
            )
    page = root / "docs" / "validation.md"
    aa.write_validation(page, golden, aa.load_simulations(root))
    different = int((golden["verdict"] == "DIFFERS").sum())
    say(f"{len(golden):,} numbers compared, {different} differ: {page}")
    raise typer.Exit(1 if different else 0)
