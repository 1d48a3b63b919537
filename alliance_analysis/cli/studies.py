"""Commands on one study: check, plan, simulate."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

import alliance_analysis as aa
from alliance_analysis.cli.terminal import DebugOption, StudyArgument, app, count_of, say, screen
from alliance_analysis.errors import AllianceError, DataError

if TYPE_CHECKING:
    from alliance_analysis.study.examine import Examined
    from alliance_analysis.study.problems import Problem
    from alliance_analysis.study.studyfile import Study

NOTES_SHOWN = 10
SIMULATED_FILES = ("sessions.csv", "clients.csv", "truth.json")


@app.command()
def check(
    study: StudyArgument,
    page: Annotated[
        Path | None, typer.Option("--html", help="Write what was found as a page too, without ids or values.")
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Check a study file and its data, and say which questions they can answer. Changes nothing.

    Exit code 0 when nothing stops the study, whatever it warns of; 2 when something does.
    """
    examined = aa.examine_study(study)
    if page is not None:
        say(f"{aa.write_check_page(examined, page)}: written.")
    if examined.study is None:
        raise DataError(f"{_listed(examined.problems, examined.path.name)}\n{_next_step(examined, study)}")
    if examined.warns:
        say(f"{examined.title}: nothing stops it; {count_of(len(examined.warns), 'warning')}.", style="bold")
        say(_listed(examined.warns, examined.path.name))
    else:
        say(f"{examined.title}: no problems found.", style="bold")
    say(_counts(examined.study))
    _tell_notes(examined.notes, examined.path.name)
    _tell_questions(examined.study)
    say(_next_step(examined, study), style="bold")


def _listed(problems: Sequence[Problem], study_file: str) -> str:
    """Return what stops and what warns, file by file, each with the piece of study.yml that mends it."""
    lines = []
    for (severity, file), group in groupby(problems, key=lambda one: (one.severity, one.file)):
        members = list(group)
        lines.append(f"{file} has {count_of(len(members), 'problem' if severity == 'stops' else 'warning')}.")
        last = {problem.fix: problem for problem in members}  # a piece that mends several stands once, after the last
        for problem in members:
            lines.append(f"  {problem}")
            if problem.fix and last[problem.fix] is problem:
                lines += [f"    in {study_file}:", *(f"      {line}" for line in problem.fix.splitlines())]
    return "\n".join(lines)


def _next_step(examined: Examined, study: str) -> str:
    if examined.stops:
        those = "that" if len(examined.stops) == 1 else "these"
        return f"Next: mend {those} in your files, then run again: alliance check {study}"
    if examined.warns:
        return f"Next: look at each warning; what is right may stay. Then run: alliance reproduce --study {study}"
    return f"Next: alliance reproduce --study {study}"


def _tell_notes(notes: Sequence[Problem], study_file: str) -> None:
    for note in notes[:NOTES_SHOWN]:
        say(f"note  {note.told(study_file)}")
    if further := notes[NOTES_SHOWN:]:
        say(f"note  and {count_of(len(further), 'further note')}; --html check.html lists all.")


def _tell_questions(study: Study) -> None:
    table = Table("", "Question", "Can it be answered?", "What it needs", box=None, pad_edge=False)
    for row in study.feasibility().itertuples():
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
