"""`tfgan2 info`: a flavour's paper and hyperparameters, or what training it costs."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from tfgan2.cli.options import Precision
from tfgan2.errors import UserError

COST = "With --cost"


def cost_option(*names: str, help: str, **options: Any) -> Any:
    """Returns an option that needs --cost."""
    return typer.Option(*names, help=help, rich_help_panel=COST, **options)


def info(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Flavour; `tfgan2 models` lists them.")],
    cost: Annotated[
        bool, typer.Option("--cost", help="Count what training costs, and time it here.")
    ] = False,
    image_size: Annotated[int, cost_option(min=4, help="Height and width of the images.")] = 32,
    channels: Annotated[int, cost_option(min=1, max=4, help="Channels of the images.")] = 3,
    batch_size: Annotated[
        int | None,
        cost_option(min=1, help="Images per update.", show_default="that of fit"),
    ] = None,
    settings: Annotated[
        list[str] | None,
        cost_option("--set", metavar="KEY=VALUE", help="Hyperparameter. Repeatable."),
    ] = None,
    precision: Annotated[Precision, cost_option(help="Keras' dtype policy.")] = Precision.float32,
    xla: Annotated[bool, cost_option("--xla/--no-xla", help="Compile timed steps.")] = True,
    measure: Annotated[bool, cost_option("--measure/--no-measure", help="Time steps.")] = True,
    steps: Annotated[int, cost_option(min=1, help="Number of timed steps.")] = 10,
    json_file: Annotated[
        Path | None, cost_option("--json", metavar="FILE", help="Write the figures to this file.")
    ] = None,
) -> None:
    """Show a flavour's paper and hyperparameters, or what training it costs."""
    used = {
        option.name: option.opts[0]
        for option in context.command.params
        if getattr(option, "rich_help_panel", None) == COST
        and getattr(context.get_parameter_source(str(option.name)), "name", "") == "COMMANDLINE"
    }
    if not cost:
        if used:
            raise UserError(f"{next(iter(used.values()))} needs --cost")
        _describe(name)
        return
    if not measure and used.keys() & {"xla", "steps"}:
        raise UserError("--xla and --steps have no effect with --no-measure: leave them out")
    from tfgan2 import registry
    from tfgan2.cli import cost as costs
    from tfgan2.costs.report import CostRequest

    request = CostRequest(
        flavour=name,
        image_shape=(image_size, image_size, channels),
        batch_size=batch_size,
        hyperparameters=registry.parse_settings(name, settings or ()),
        precision=precision.value,
        xla=xla,
        steps=steps if measure else 0,
    )
    costs.show(request, json_file)


def _describe(name: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from tfgan2 import registry
    from tfgan2.data import KINDS

    flavour = registry.outline(name)
    title, _, description = (inspect.getdoc(flavour) or "").partition("\n")
    table = Table("--set", "default", "what it does", box=None, header_style="bold")
    for item in registry.hyperparameters(name).values():
        table.add_row(item.name, item.default_text(), item.help)
    console = Console(highlight=False)
    console.print(f"{name}: {title}", style="bold", markup=False)
    console.print(description, markup=False)
    console.print()
    console.print(table)
    example = KINDS[flavour.data_kind].example
    console.print(f"\ntfgan2 fit {name} --dataset {example} --set KEY=VALUE --set KEY=VALUE")
