"""The command `alliance`: reports, checks and data from the terminal, with messages that say the next step."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

INTERRUPTED = 130  # what a shell expects of a program that Ctrl-C ended

try:  # here, too, Ctrl-C is no failure
    import typer
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Table
    from rich.text import Text

    import alliance_analysis as aa  # lazy, and so is the next: a command loads only what it uses, inside main()
    import alliance_analysis.study as room
    from alliance_analysis.errors import AllianceError
    from alliance_analysis.resources import checkout
except KeyboardInterrupt:
    sys.exit(INTERRUPTED)

if TYPE_CHECKING:
    from alliance_analysis.report.compare import RunComparison
    from alliance_analysis.report.run import RunEvent
    from alliance_analysis.study.studyfile import Study

USER_ERROR = 2
NOTES_SHOWN = 10
DIFFERENCES_SHOWN = 20
PIPE_WIDTH = 160  # of a table in a file or pipe, which has no width of its own
SIMULATED_FILES = ("sessions.csv", "clients.csv", "truth.json")

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Reproducible analyses of the therapeutic alliance and outcome.",
    epilog="Start with: alliance check my_study/study.yml",
)
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


def _complete_study(incomplete: str) -> list[str]:
    return [name for name in room.registered_studies() if name.startswith(incomplete)]


def _complete_question(incomplete: str) -> list[tuple[str, str]]:
    return [(q.number, q.title) for q in room.QUESTIONS if q.number.startswith(incomplete)]


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
    if summary.exit_code == INTERRUPTED:  # all is cleared up: one more Ctrl-C must not spoil the exit code
        signal.signal(signal.SIGINT, signal.SIG_IGN)
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
    _out.print(f"first run   {first}\nsecond run  {second}", markup=False)
    _out.print(comparison.sentence, style="bold", markup=False)
    _show_differences(comparison, ("First run", "Second run"))
    for difference in comparison.differences:
        if not difference.decides:
            _out.print(f"note  {difference.line}", markup=False)
    _end_comparison(comparison, table)


@app.command(epilog="Example: alliance verify reports/my_clinic --study my_clinic/study.yml --jobs 2")
def verify(
    run: RunArgument,
    study: Annotated[
        str | None,
        typer.Option(
            "--study",
            help="The run's study file, where the study does not come with the package.",
            autocompletion=_complete_study,
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
        _out.print(f"changed  {line}", markup=False)
    with _RunProgress() as progress:
        comparison = aa.verify_run(
            run, study=study, notebooks=notebooks, keep=keep, jobs=jobs, tolerance=tolerance, progress=progress
        )
    _out.print(f"The same results: {'yes' if comparison.same else 'no'}.", style="bold", markup=False)
    _out.print(comparison.sentence, markup=False)
    _show_differences(comparison, ("In the run", "Run again"))
    if keep:
        _out.print(f"Reports of the new run: {keep / 'index.html'}", markup=False)
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
    (_out if _out.is_terminal else Console(width=PIPE_WIDTH, highlight=False)).print(table, soft_wrap=False)
    if (further := len(deciding) - DIFFERENCES_SHOWN) > 0:
        _out.print(f"and {further:,} more; --csv FILE writes all of them.", markup=False)


def _end_comparison(comparison: RunComparison, table: Path | None) -> NoReturn:
    for note in comparison.notes:
        _out.print(f"note  {note}", markup=False)
    if table:
        aa.write_comparison(comparison, table)
        _out.print(f"Differences: {table}", markup=False)
    raise typer.Exit(0 if comparison.same else 1)


@app.command()
def check(
    study: Annotated[
        str, typer.Argument(help="A study.yml, its folder, or a registered name.", autocompletion=_complete_study)
    ],
    debug: DebugOption = False,
) -> None:
    """Check a study file and its data, and say which questions they can answer. Changes nothing."""
    loaded = aa.load_study(study)
    _out.print(f"{loaded.title}: no problems found.", style="bold", markup=False)
    _out.print(_counts(loaded), markup=False)
    for note in loaded.notes[:NOTES_SHOWN]:
        _out.print(f"note  {note}", markup=False)
    if further := loaded.notes[NOTES_SHOWN:]:
        _out.print(f"note  and {_number(len(further), 'further note')}; report 01 lists all.", markup=False)
    table = Table("", "Question", "Can it be answered?", "What it needs", box=None, pad_edge=False)
    for row in loaded.feasibility().itertuples():
        table.add_row(row.question, row.title, ("yes: " if row.answerable else "no: ") + row.reason, row.needs)
    _out.print(table)


def _counts(study: Study) -> str:
    frame = study.sessions
    known = study.has("therapist")
    therapists = _number(frame["therapist"].nunique(), "therapist") if known else "no therapist ids"
    simulated = " SIMULATED." if study.simulated else ""
    clients = _number(frame["client"].nunique(), "client")
    return f"{_number(len(frame), 'session')}, {clients}, {therapists}.{simulated}"


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@app.command()
def plan(
    study: Annotated[
        str, typer.Argument(help="A study.yml, its folder, or a registered name.", autocompletion=_complete_study)
    ],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a plan that was frozen before.")] = False,
    debug: DebugOption = False,
) -> None:
    """Freeze the plan of a study (primary question, smallest effect, hypotheses, measures) with a date and a hash.

    Reports then say whether they keep to it: as planned, deviated, or exploratory. Freeze it before the data are
    analysed, and deposit the hash where others can see when.
    """
    file = aa.plan_study(study, overwrite=overwrite)
    frozen = aa.read_plan(file)
    _out.print(f"{file}: primary question {frozen['primary']}, frozen on {frozen['frozen']}.", markup=False)
    _out.print(f"hash  {frozen['hash']}", markup=False)


@app.command("list")
def list_(
    findings: Annotated[bool, typer.Option("--findings", help="List the published findings instead.")] = False,
) -> None:
    """List the questions, the registered studies and the open data sets."""
    if findings:
        _list_findings()
        return
    _out.print("Questions", style="bold")
    for question in room.QUESTIONS:
        _out.print(f"  {question.number}  {question.title} [{question.kind}]", markup=False)
    _out.print("Studies that come with the package", style="bold")
    for name in room.registered_studies():
        _out.print(f"  {name}", markup=False)
    _out.print("Open data (alliance fetch NAME)", style="bold")
    for name in room.DATASETS:
        _out.print(f"  {name}", markup=False)


def _list_findings() -> None:
    _out.print(f"{'id':<5} {'question':<8}  {'metric':<15} {'estimate':>8}  citation", style="bold", markup=False)
    for row in aa.load_published().itertuples():
        estimate = "-" if row.estimate != row.estimate else f"{row.estimate:g}"  # NaN is not equal to itself
        line = f"{row.id:<5} {row.question:<8}  {row.metric or '-':<15} {estimate:>8}  {row.citation}"
        _out.print(line, markup=False)


@app.command("fetch")
def fetch_(
    name: Annotated[
        str,
        typer.Argument(
            help="Name of the data set; `alliance list` shows them.",
            autocompletion=lambda: list(room.DATASETS),
        ),
    ],
    debug: DebugOption = False,
) -> None:
    """Fetch an open data set into your cache (or the folder in ALLIANCE_DATA) and check its SHA-256."""
    _out.print(f"{name}: {room.fetch(name)}", markup=False)


@app.command()
def simulate(
    folder: Annotated[str, typer.Argument(help="Where sessions.csv, clients.csv and truth.json are written.")],
    seed: Annotated[int, typer.Option(help="Same seed, same study.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace these three files where they exist.")] = False,
) -> None:
    """Simulate a study with a known truth, like the example study (for tests and teaching)."""
    if seed < 0:
        raise AllianceError(f"--seed: {seed} is not a whole number from 0.")
    _refuse_folder(folder, overwrite=overwrite)
    study = aa.simulate_example(seed)
    try:
        aa.write_simulated(study, Path(folder))
    except OSError as error:
        raise AllianceError(
            f"{folder}: cannot be written ({error.strerror}). Name a folder you may write to."
        ) from error
    _out.print(f"{folder}: {', '.join(SIMULATED_FILES)} (seed {seed}).", markup=False)


def _refuse_folder(folder: str, *, overwrite: bool) -> None:
    """Refuse before anything is computed or written; somebody's own data may bear the same names."""
    if not folder.strip():
        raise AllianceError("FOLDER: the name is empty. Name a new folder, such as my_simulation.")
    if Path(folder).exists() and not Path(folder).is_dir():
        raise AllianceError(f"{folder}: is a file. Name a folder.")
    there = [name for name in SIMULATED_FILES if os.path.lexists(Path(folder, name))]
    if there and not overwrite:
        exist = f"{', '.join(there)} exist{'s' if len(there) == 1 else ''} already"
        raise AllianceError(f"{folder}: {exist}. Name another folder, or replace with --overwrite.")


@app.command()
def validate(
    simulate_again: Annotated[
        bool, typer.Option("--simulate", help="Run the simulations again as well (an hour or more).")
    ] = False,
) -> None:
    """Refit every golden case, hold each number against R's, and write docs/validation.md (from a checkout)."""
    root = checkout()
    with Progress(console=_out) as progress:
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
    _out.print(f"{len(golden):,} numbers compared, {different} differ: {page}", markup=False)
    raise typer.Exit(1 if different else 0)


def main() -> None:
    """Run the command; an error of the user's is one message and exit code 2, a traceback only with --debug.

    Ctrl-C ends it with exit code 130 and one line, whenever it comes.
    """
    try:
        app()
    except AllianceError as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        _err.print(f"alliance: {error}", markup=False)
        sys.exit(USER_ERROR)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:  # typer has caught Ctrl-C
            _end_interrupted()
        raise
    except KeyboardInterrupt:
        _end_interrupted()


def _end_interrupted() -> NoReturn:
    """Say so and leave; a second Ctrl-C leaves at once, without a traceback from half-closed libraries."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # Python's very end drops the line above
    _err.print("alliance: interrupted; earlier reports are as they were.", markup=False)
    sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
