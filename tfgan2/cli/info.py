"""tfgan2 info"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfgan2.cli.options import Precision
from tfgan2.errors import UserError

COST = "With --cost"


def info(
    name: Annotated[str, typer.Argument(help="A flavour; `tfgan2 models` lists them.")],
    cost: Annotated[
        bool,
        typer.Option(
            "--cost", help="Count what training costs, time it here, predict it for GPUs."
        ),
    ] = False,
    image_size: Annotated[
        int | None, typer.Option(min=4, help="Edge; default 32.", rich_help_panel=COST)
    ] = None,
    channels: Annotated[
        int | None, typer.Option(min=1, max=4, help="Default 3.", rich_help_panel=COST)
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Images per update and GPU; default as `fit`.", rich_help_panel=COST
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A hyperparameter. Repeatable.", rich_help_panel=COST
        ),
    ] = None,
    precision: Annotated[
        Precision | None, typer.Option(help="Default float32.", rich_help_panel=COST)
    ] = None,
    xla: Annotated[
        bool | None,
        typer.Option("--xla/--no-xla", help="Of what is timed; default on.", rich_help_panel=COST),
    ] = None,
    measure: Annotated[
        bool | None,
        typer.Option(
            "--measure/--no-measure", help="Time steps here; default on.", rich_help_panel=COST
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="How many are timed; default 10.", rich_help_panel=COST),
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            help="Predict for this one, in detail: t4, v100, rtx4090, a100, h100; default: all.",
            rich_help_panel=COST,
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="Between machines: ndr, hdr, edr, ethernet; default: what is usual.",
            rich_help_panel=COST,
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json", metavar="FILE", help="Write the figures there, too.", rich_help_panel=COST
        ),
    ] = None,
) -> None:
    """Show a flavour: its paper and its hyperparameters, or what training it costs."""
    asked = {
        "--image-size": image_size,
        "--channels": channels,
        "--batch-size": batch_size,
        "--set": settings,
        "--precision": precision,
        "--xla": xla,
        "--measure": measure,
        "--steps": steps,
        "--gpu": gpu,
        "--network": network,
        "--json": json_file,
    }
    if not cost:
        for option, value in asked.items():
            if value is not None:
                raise UserError(f"{option} is of what training costs: give --cost, too")
        _show(name)
        return
    if measure is False and (xla is not None or steps is not None):
        raise UserError("--xla and --steps are of what is timed: leave them out with --no-measure")
    from tfgan2 import hyperparameters
    from tfgan2.cli import cost as costs
    from tfgan2.costs.report import Asked

    size = image_size or 32
    wanted = Asked(
        flavour=name,
        image_shape=(size, size, channels or 3),
        batch_size=batch_size,
        hyperparameters=hyperparameters.parse_settings(name, settings or ()),
        precision=precision.value if precision else "float32",
        xla=xla is not False,
        steps=0 if measure is False else steps or 10,
        gpu=gpu,
        network=network,
    )
    costs.show(wanted, json_file)


def _show(name: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from tfgan2 import hyperparameters, registry
    from tfgan2.data import KINDS

    flavour = registry.find(name)
    table = Table("--set", "default", "what it does", box=None, header_style="bold")
    for item in hyperparameters.hyperparameters(name).values():
        table.add_row(item.name, item.default_text(), item.help)
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
