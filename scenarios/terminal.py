"""A summary's Markdown on a terminal: no word of a table is cut, however narrow it is."""

from __future__ import annotations

from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

__all__ = ["show"]


def show(console: Console, text: str) -> None:
    """Print a Markdown text.

    Rich's own Markdown cuts the cells of a table that is wider than the terminal; an id that is
    cut is of no use to anybody. Here cells are folded between words, and a table that is too wide
    even so is as wide as it has to be.
    """
    for is_table, lines in groupby(text.splitlines(), lambda line: line.startswith("|")):
        if is_table:
            console.print(_table([*lines]), crop=False, no_wrap=True)
        else:
            console.print(Markdown("\n".join(lines)))


def _table(lines: list[str]) -> Table:
    head, rule, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    rows = [[cell.strip("*`") for cell in row] for row in rows]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for title, dashes, *cells in zip(head, rule, *rows, strict=True):
        words = [word for cell in (title, *cells) for word in cell.split()]
        table.add_column(title, justify="right" if dashes.endswith(":") else "left",
                         min_width=max(map(len, words), default=1))
    for row in rows:
        table.add_row(*map(Text, row))
    return table
