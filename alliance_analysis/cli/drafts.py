"""Command that starts a study: looks at files and writes a study file with its guesses, doubts and alternatives."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

import alliance_analysis as aa
import alliance_analysis.study as room
from alliance_analysis.cli.terminal import PIPE_WIDTH, DebugOption, app, count_of, errors, say, screen
from alliance_analysis.errors import AllianceError, DataError

if TYPE_CHECKING:
    from alliance_analysis.draft.guess import Question
    from alliance_analysis.draft.study import StudyDraft

_LONGEST_EVIDENCE = 90
_SUFFIXES = (".yml", ".yaml")


@app.command("new")
def new(
    files: Annotated[list[Path], typer.Argument(help="Your files: sessions, clients, in any format that is read.")],
    out: Annotated[Path, typer.Option("--out", help="The study file to write.")] = Path("study.yml"),
    title: Annotated[str, typer.Option("--title", help="Title of the study, for the reports.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take the guesses.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the study file if it exists.")] = False,
    debug: DebugOption = False,
) -> None:
    """Look at your files and write a study file that describes them, with every guess, doubt and alternative.

    On a terminal it asks the few questions the files do not answer. Your files are only read.
    """
    _refuse(out, files, overwrite=overwrite)
    asks = sys.stdin.isatty() and not yes
    if asks:
        draft = aa.draft_study(files, out.parent, _ask)
    else:
        with errors.status("looking at the files"):
            draft = aa.draft_study(files, out.parent)
    _write(out, draft.text(title or _title_of(out, files), date.today().isoformat()))
    _tell(draft, out)


def _refuse(out: Path, files: list[Path], *, overwrite: bool) -> None:
    """Refuse before anything is read what could only end in an error, or in the loss of a file."""
    if out.suffix.lower() not in _SUFFIXES:
        raise AllianceError(f"--out: {out} does not end in .yml. Name a study file, such as study.yml.")
    if any(file.resolve() == out.resolve() for file in files):
        raise AllianceError(f"--out: {out} is one of your files. Name another one.")
    if out.is_dir() or (out.exists() and not overwrite):
        text = "is a folder" if out.is_dir() else "exists already"
        raise AllianceError(f"--out: {out} {text}. Name another file{'' if out.is_dir() else ', or add --overwrite'}.")
    if not out.parent.is_dir():
        raise AllianceError(f"--out: there is no folder {out.parent}. Make it, or name another one.")


def _title_of(out: Path, files: list[Path]) -> str:
    folder = out.resolve().parent.name
    return (folder if out.stem == "study" and folder else files[0].stem).replace("_", " ")


def _write(out: Path, text: str) -> None:
    part = out.with_name(f"{out.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(out)
    except OSError as error:
        raise AllianceError(f"--out: {out} cannot be written ({error.strerror}). Name another place.") from error
    finally:
        part.unlink(missing_ok=True)


def _ask(question: Question) -> str | None:
    """Put a question; Enter takes the guess, which then stays a doubt."""
    say(question.text, style="bold")
    for number, choice in enumerate(question.choices, start=1):
        say(f"  {number}  {choice}{'  (guess)' if choice == question.likely else ''}")
    while True:
        answer = typer.prompt("Number, or Enter for the guess", default="", show_default=False).strip()
        if not answer:
            return None
        if answer.isdigit() and 1 <= int(answer) <= len(question.choices):
            return question.choices[int(answer) - 1]
        say(f"{answer!r} is not a number from 1 to {len(question.choices)}.")


def _tell(draft: StudyDraft, out: Path) -> None:
    table = Table("", "read as", "evidence", box=None, pad_edge=False)
    for what, where, evidence in draft.found:
        short = evidence if len(evidence) <= _LONGEST_EVIDENCE else f"{evidence[:_LONGEST_EVIDENCE].rstrip()} …"
        table.add_row(*(one.replace("[", "\\[") for one in (what, where, short)))
    screen.print(table, width=None if screen.is_terminal else PIPE_WIDTH)
    for doubt in draft.doubts:
        say(f"DOUBT  {doubt}", style="yellow")
    say(f"{out}: written, with {count_of(len(draft.doubts), 'doubt')}.", style="bold")
    try:
        problems = room.check_study(out)
    except DataError as error:
        say(str(error))
        problems = ()
    for problem in problems:
        say(f"  {problem}")
    if not any(measure.active for measure in draft.draft.measures):
        say(f"It has no measure yet. Next: describe one in {out}, then run: alliance check {out}")
    elif problems:
        say(f"Correct {out}, then run: alliance check {out}")
    else:
        say(f"It loads. Next: read the doubts in {out}, then run: alliance check {out}")
