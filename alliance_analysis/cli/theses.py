"""Command that copies notebooks for a thesis."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import alliance_analysis as aa
from alliance_analysis.cli.runs import pairs
from alliance_analysis.cli.terminal import DebugOption, app, complete_question, complete_study, say


@app.command()
def adapt(
    notebooks: Annotated[
        list[str],
        typer.Argument(help="Numbers of notebooks, such as 02, or their names.", autocompletion=complete_question),
    ],
    to: Annotated[Path, typer.Option("--to", help="Folder for your copies; it is made when it is not there.")],
    study: Annotated[
        str,
        typer.Option(
            "--study", help="Your study.yml, its folder, or a registered name.", autocompletion=complete_study
        ),
    ] = "example",
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="NAME=VALUE, set in the copies that have it.")
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Copy notebooks for a thesis: set to your study, and with each cell you would change explained."""
    for copy in aa.adapt_notebook(notebooks, to, study=study, parameters=pairs(parameter or [])):
        say(f"{copy}: yours to change; the cells to look at are explained above them.")
    say(f"Run it: alliance reproduce --notebooks {to} --out reports/my_thesis")
