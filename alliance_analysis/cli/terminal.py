"""What every command shares: the application, its two consoles, the options they have in common, and progress."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

import alliance_analysis.study as room

PIPE_WIDTH = 160  # of a table in a file or pipe, which has no width of its own

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Reproducible analyses of the therapeutic alliance and outcome.",
    epilog="Start with: alliance new my_file.xlsx --out my_study/study.yml",
)
screen = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str, style: str | None = None) -> None:
    """Print one text as it is: square brackets in it are no markup."""
    screen.print(text, style=style, markup=False)


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> count_of(1200, "client")
    '1,200 clients'
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def complete_study(incomplete: str) -> list[str]:
    """Return the registered studies that begin so."""
    return [name for name in room.registered_studies() if name.startswith(incomplete)]


def complete_question(incomplete: str) -> list[tuple[str, str]]:
    """Return the questions whose number begins so, with their titles."""
    return [(q.number, q.title) for q in room.QUESTIONS if q.number.startswith(incomplete)]


StudyArgument = Annotated[
    str, typer.Argument(help="A study.yml, its folder, or a registered name.", autocompletion=complete_study)
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show Python's traceback of a failure on the terminal.")]
