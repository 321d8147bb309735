"""Tables on the terminal, or in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table


def print_table(
    left: Sequence[str], right: Sequence[str], rows: Iterable[Sequence[str]], *, width: int
) -> None:
    """Prints a table: columns of texts on the left, then columns of figures on the right.

    `width` is that of a pipe, which has none of its own.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=width)
    table = Table()
    for title in left:
        table.add_column(title, overflow="fold")
    for title in right:
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(*row)
    console.print(table)
