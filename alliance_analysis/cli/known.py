"""Commands on what the package knows: its questions, studies, open data, published findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

import alliance_analysis as aa
import alliance_analysis.study as room
from alliance_analysis.cli.terminal import PIPE_WIDTH, DebugOption, app, complete_study, say, screen
from alliance_analysis.errors import AllianceError

if TYPE_CHECKING:
    from alliance_analysis.study.instruments import Instrument


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


@app.command("instruments")
def instruments(
    name: Annotated[
        str,
        typer.Argument(
            help="One instrument: everything known of it, with sources.",
            autocompletion=lambda incomplete: [one for one in room.INSTRUMENTS if one.startswith(incomplete.upper())],
        ),
    ] = "",
    study: Annotated[
        str,
        typer.Option(
            "--study", help="A study file: its own instruments are listed too.", autocompletion=complete_study
        ),
    ] = "",
) -> None:
    """List the questionnaires that are known: items, range, direction, cut-offs, each with how well it is known."""
    own = room.read_own_instruments(study) if study else {}
    known = {**room.INSTRUMENTS, **own}
    if name:
        _show_instrument(known, name)
        return
    table = Table("name", "title", "items", "answers", "higher is", "asks about", box=None, pad_edge=False)
    for one in known.values():
        answers = "-" if one.item_low is None else f"{one.item_low:g} to {one.item_high:g}"
        recall = "-" if one.recall_days is None else f"{one.recall_days} days"
        direction = "worse" if one.higher_is_worse else "better"
        table.add_row(one.name, one.title, str(one.n_items or "-"), answers, direction, recall)
    screen.print(table, width=None if screen.is_terminal else PIPE_WIDTH)
    say("alliance instruments NAME shows subscales, reversed items and cut-offs with their sources; - is unknown.")


def _show_instrument(known: dict[str, Instrument], name: str) -> None:
    wanted = name.replace(" ", "").casefold()
    one = next((one for key, one in known.items() if key.replace(" ", "").casefold() == wanted), None)
    if one is None:
        raise AllianceError(
            f"instrument {name!r} is not known{room.nearest(name, known)}. `alliance instruments` lists all."
        )
    say(f"{one.name}: {one.title}", style="bold")
    frame = aa.describe_instruments({one.name: one})
    table = Table("figure", "value", "confidence", "source", box=None, pad_edge=False)
    for row in frame[frame["instrument"] == one.name].itertuples():
        table.add_row(row.figure.replace("_", " "), row.value, row.confidence, row.source)
    screen.print(table, width=None if screen.is_terminal else PIPE_WIDTH)
    missing = [text for text, value in _wanted(one) if value is None]
    if missing:
        say(f"unknown here: {', '.join(missing)}")


def _wanted(one: Instrument) -> list[tuple[str, object]]:
    return [
        ("number of items", one.n_items), ("answers", one.item_low), ("reversed items", one.reverse),
        ("recall days", one.recall_days), ("cut-off", one.cut_off), ("reliable change", one.reliable_change),
    ]  # fmt: skip


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
