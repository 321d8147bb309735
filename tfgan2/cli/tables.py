"""Tables on the terminal, or in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table


def print_table(
    left: Sequence[str], right: Sequence[str], rows: Iterable[Sequence[str]], *, width: int
) -> None:
    """Prints a table with columns of texts, then columns of figures, aligned to the right.

    Args:
        left: titles of the columns of texts; the first is never cut off.
        right: titles of the columns of figures.
        rows: the cells of each row.
        width: columns of characters in a pipe, which has no width of its own.
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
