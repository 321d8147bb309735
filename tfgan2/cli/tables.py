"""Tables on the terminal, or in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def console(width: int = 120) -> Console:
    """Returns the terminal; `width` is that of a pipe, which has none of its own."""
    options: dict[str, Any] = {"highlight": False, "markup": False}  # a name may be [red]
    terminal = Console(**options)
    return terminal if terminal.is_terminal else Console(**options, width=width)


def print_table(
    left: Sequence[str], right: Sequence[str], rows: Iterable[Sequence[str]], *, width: int
) -> None:
    """Prints a table: columns of texts on the left, then columns of figures on the right."""
    table = Table()
    for title in left:
        table.add_column(title, overflow="fold")
    for title in right:
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(*row)
    console(width).print(table)
