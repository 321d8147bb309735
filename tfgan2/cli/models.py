"""`tfgan2 models`: lists the flavours."""

from __future__ import annotations

from rich.table import Table

from tfgan2 import registry
from tfgan2.cli import tables


def models() -> None:
    """List the flavours."""
    table = Table("name", "what it is", box=None, header_style="bold")
    for name in registry.flavours():
        table.add_row(name, registry.summary(name))
    console = tables.console()
    console.print(table)
    console.print("\n`tfgan2 info NAME` shows a flavour and the command that trains it.")
