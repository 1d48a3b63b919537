"""Commands on one study: check, plan, simulate."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

import alliance_analysis as aa
from alliance_analysis.cli.terminal import DebugOption, StudyArgument, app, count_of, say, screen
from alliance_analysis.errors import AllianceError

if TYPE_CHECKING:
    from alliance_analysis.study.studyfile import Study

NOTES_SHOWN = 10
SIMULATED_FILES = ("sessions.csv", "clients.csv", "truth.json")


@app.command()
def check(
    study: StudyArgument,
    debug: DebugOption = False,
) -> None:
    """Check a study file and its data, and say which questions they can answer. Changes nothing."""
    loaded = aa.load_study(study)
    say(f"{loaded.title}: no problems found.", style="bold")
    say(_counts(loaded))
    for note in loaded.notes[:NOTES_SHOWN]:
        say(f"note  {note}")
    if further := loaded.notes[NOTES_SHOWN:]:
        say(f"note  and {count_of(len(further), 'further note')}; report 01 lists all.")
    table = Table("", "Question", "Can it be answered?", "What it needs", box=None, pad_edge=False)
    for row in loaded.feasibility().itertuples():
        table.add_row(row.question, row.title, ("yes: " if row.answerable else "no: ") + row.reason, row.needs)
    screen.print(table)


def _counts(study: Study) -> str:
    frame = study.sessions
    known = study.has("therapist")
    therapists = count_of(frame["therapist"].nunique(), "therapist") if known else "no therapist ids"
    simulated = " SIMULATED." if study.simulated else ""
    clients = count_of(frame["client"].nunique(), "client")
    return f"{count_of(len(frame), 'session')}, {clients}, {therapists}.{simulated}"


@app.command()
def plan(
    study: StudyArgument,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a plan that was frozen before.")] = False,
    debug: DebugOption = False,
) -> None:
    """Freeze the plan of a study (primary question, smallest effect, hypotheses, measures) with a date and a hash.

    Reports then say whether they keep to it: as planned, deviated, or exploratory. Freeze it before the data are
    analysed, and deposit the hash where others can see when.
    """
    file = aa.plan_study(study, overwrite=overwrite)
    frozen = aa.read_plan(file)
    say(f"{file}: primary question {frozen['primary']}, frozen on {frozen['frozen']}.")
    say(f"hash  {frozen['hash']}")


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
    say(f"{folder}: {', '.join(SIMULATED_FILES)} (seed {seed}).")


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
