"""tfgan2 info"""

from __future__ import annotations

from typing import Annotated

import typer


def info(
    name: Annotated[str, typer.Argument(help="A flavour; `tfgan2 models` lists them.")],
) -> None:
    """Show a flavour: its paper and its hyperparameters."""
    from rich.console import Console
    from rich.table import Table

    from tfgan2 import hyperparameters, registry
    from tfgan2.data import KINDS

    flavour = registry.find(name)
    table = Table("--set", "default", "what it does", box=None, header_style="bold")
    for item in hyperparameters.hyperparameters(name).values():
        table.add_row(item.name, item.default, item.help)
    console = Console(highlight=False)
    console.print(f"{name}: {flavour.summary}", style="bold")
    if flavour.paper:
        console.print(flavour.paper)
    console.print()
    console.print(hyperparameters.description(name), markup=False)
    console.print()
    console.print(table)
    example = KINDS[hyperparameters.data_kind(name)].example
    console.print(f"\ntfgan2 fit {name} --dataset {example} --set KEY=VALUE --set KEY=VALUE")
