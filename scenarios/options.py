"""What the commands share: options that several take, exit codes, and a refusal in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

__all__ = [
    "BAD_INPUT",
    "DONE",
    "FAILED",
    "Alloy",
    "AsJson",
    "AsObject",
    "Machines",
    "Page",
    "RecipeName",
    "Seed",
    "Supports",
    "Unit",
    "refuse",
]

DONE, FAILED, BAD_INPUT = 0, 1, 2

Alloy = Annotated[str | None, typer.Option(help="alloy, when no recipe is named")]
AsJson = Annotated[
    bool, typer.Option("--json", help="print one JSON object per line, nothing else")
]
AsObject = Annotated[bool, typer.Option("--json", help="print one JSON object")]
Machines = Annotated[
    list[str] | None, typer.Option(help="machine type; may be given several times; default all")
]
Page = Annotated[
    Path | None, typer.Option(help="write the page (Markdown) to this file, print nothing")
]
RecipeName = Annotated[str | None, typer.Option(help="recipe file or name")]
Seed = Annotated[int, typer.Option(min=0, help="seed of every random stream")]
Supports = Annotated[bool, typer.Option(help="supports under overhangs")]
Unit = Annotated[str | None, typer.Option(help="unit of an STL file: mm, in, …")]


def refuse(error: object, code: int = BAD_INPUT) -> NoReturn:
    """End the command with one line that says what is wrong with what was asked."""
    typer.echo(f"amtwin: {error}", err=True)
    raise typer.Exit(code)
