"""Commands on what the package knows: its questions, studies, open data, published findings."""

from __future__ import annotations

from typing import Annotated

import typer

import alliance_analysis as aa
import alliance_analysis.study as room
from alliance_analysis.cli.terminal import DebugOption, app, say, screen


@app.command("list")
def list_(
    findings: Annotated[bool, typer.Option("--findings", help="List the published findings instead.")] = False,
) -> None:
    """List the questions, the registered studies and the open data sets."""
    if findings:
        _list_findings()
        return
    screen.print("Questions", style="bold")
    for question in room.QUESTIONS:
        say(f"  {question.number}  {question.title} [{question.kind}]")
    screen.print("Studies that come with the package", style="bold")
    for name in room.registered_studies():
        say(f"  {name}")
    screen.print("Open data (alliance fetch NAME)", style="bold")
    for name in room.DATASETS:
        say(f"  {name}")


def _list_findings() -> None:
    say(f"{'id':<5} {'question':<8}  {'metric':<15} {'estimate':>8}  citation", style="bold")
    for row in aa.load_published().itertuples():
        estimate = "-" if row.estimate != row.estimate else f"{row.estimate:g}"  # NaN is not equal to itself
        line = f"{row.id:<5} {row.question:<8}  {row.metric or '-':<15} {estimate:>8}  {row.citation}"
        say(line)


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
    say(f"{name}: {room.fetch(name)}")
