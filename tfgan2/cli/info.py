"""`tfgan2 info`: a flavour's paper and hyperparameters, a preset, or what training it costs."""

from __future__ import annotations

import contextlib
import inspect
import json
import re
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from tfgan2 import registry
from tfgan2.cli import presets, tables
from tfgan2.errors import UserError
from tfgan2.files import written_atomically
from tfgan2.options import parse_size

COST, BOTH = "With --cost", "With --cost or --preset"


def cost_option(*names: str, help: str, panel: str = COST, **options: Any) -> Any:
    """Returns an option that needs --cost."""
    return typer.Option(*names, help=help, rich_help_panel=panel, **options)


model_option = partial(cost_option, panel=BOTH)
"""Returns an option that needs --cost or --preset."""


def info(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Flavour; `tfgan2 models` lists them.")],
    cost: Annotated[
        bool, typer.Option("--cost", help="Count what training costs, and time it here.")
    ] = False,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Show all values of this preset, and the time to expect here."
        ),
    ] = None,
    image_size: Annotated[
        str, model_option(metavar="N|HxW", help="Height and width of the images.")
    ] = "32",
    channels: Annotated[int, model_option(min=1, max=4, help="Channels of the images.")] = 3,
    batch_size: Annotated[
        int | None, model_option(min=1, help="Images per update.", show_default="that of fit")
    ] = None,
    settings: Annotated[
        list[str] | None,
        model_option("--set", metavar="KEY=VALUE", help="Hyperparameter. Repeatable."),
    ] = None,
    precision: Annotated[
        Literal["float32", "mixed_bfloat16", "mixed_float16"] | None,
        model_option(help="Keras' dtype policy.", show_default="float32"),
    ] = None,
    xla: Annotated[bool, cost_option("--xla/--no-xla", help="Compile timed steps.")] = True,
    measure: Annotated[bool, cost_option("--measure/--no-measure", help="Time steps.")] = True,
    steps: Annotated[int, cost_option(min=1, help="Number of timed steps.")] = 10,
    json_file: Annotated[
        Path | None, cost_option("--json", metavar="FILE", help="Write the figures to this file.")
    ] = None,
) -> None:
    """Show a flavour's paper and hyperparameters, a preset, or what training it costs."""
    used = {
        option.name: (option.opts[0], getattr(option, "rich_help_panel", None))
        for option in context.command.params
        if getattr(context.get_parameter_source(str(option.name)), "name", "") == "COMMANDLINE"
    }
    for flag, panel in used.values():
        if (panel == COST and not cost) or (panel == BOTH and not cost and preset is None):
            raise UserError(f"{flag} needs --cost{' or --preset' if panel == BOTH else ''}")
    if not cost and preset is None:
        _describe(name)
        return
    if not measure and used.keys() & {"xla", "steps"}:
        raise UserError("--xla and --steps have no effect with --no-measure: leave them out")
    values = registry.parse_settings(name, settings or ())
    given = {"batch_size": batch_size, "precision": precision}
    options = {key: value for key, value in given.items() if value is not None}
    of_preset = registry.apply_preset(name, preset, values, options) if preset else {}
    shape = (*parse_size(image_size), channels)
    if preset is not None:
        registry.check_preset(name, preset, shape)
    if not cost:
        presets.show(name, of_preset, shape, values, options)
        return
    costs = _costs(
        name,
        shape,
        batch_size=options.get("batch_size"),
        hyperparameters=values,
        precision=options.get("precision", "float32"),
        xla=xla,
        steps=steps if measure else 0,
    )
    console = tables.console()
    _print_counted(costs, console)
    if costs["measured"] is not None:
        _print_measured(costs["measured"], console)
    if json_file is not None:
        with written_atomically(json_file) as partial:
            partial.write_text(json.dumps(costs, indent=2) + "\n", encoding="utf-8")


def _describe(name: str) -> None:
    from tfgan2.data import KINDS

    flavour = registry.outline(name)
    title, _, description = (inspect.getdoc(flavour) or "").partition("\n")
    table = Table("--set", "default", "what it does", box=None, header_style="bold")
    for item in registry.hyperparameters(name).values():
        table.add_row(item.name, item.default_text(), item.help)
    console = tables.console()
    console.print(f"{name}: {title}", style="bold")
    console.print(re.sub(r"(?<=\S)\n(?=\S)", " ", description))
    console.print()
    console.print(table)
    presets.list_all(flavour.Config.presets, console)
    example = KINDS[flavour.data_kind].example
    console.print(f"\ntfgan2 fit {name} --dataset {example} --set KEY=VALUE")


def _costs(*arguments: Any, **options: Any) -> dict[str, Any]:
    """Returns `tfgan2.costs.report.report` with the names of the devices; shows the progress."""
    from tfgan2 import startup
    from tfgan2.training.progress import Display

    display = Display()
    devices = startup.load(say=display.say)
    with contextlib.closing(display):
        from tfgan2.costs.report import report

        costs = report(*arguments, **options, progress=display.loading)
    if costs["measured"] is not None:
        costs["measured"]["devices"] = devices
    return costs


def _print_counted(costs: dict[str, Any], console: Console) -> None:
    counted = costs["counted"]
    step, images = counted["step"], counted["images_per_step"]
    shape = "x".join(map(str, costs["image_shape"]))
    title = f"{costs['flavour']}, {shape}, {images:,} images per step, {costs['precision']}"
    console.print(title, style="bold")
    sizes = ", ".join(f"{name} {number:,}" for name, number in counted["parameters"].items())
    table = Table("counted in the graph of a step", "", box=None, header_style="bold")
    rows = {
        "FLOPs per image": f"{step['flops_per_image'] / 1e9:.4g} GFLOP",
        "FLOPs per step": f"{step['flops'] / 1e9:.4g} GFLOP in {step['matrix_ops']:,} matrix "
        "multiplications and convolutions",
        "weights": f"{sizes}; {_megabytes(counted['weight_bytes'])} with averages",
        "optimizer state": _megabytes(counted["optimizer_bytes"]),
        "checkpoint": _megabytes(counted["checkpoint_bytes"]),
        "gradients": f"{_megabytes(step['gradient_bytes'])} per step, in {step['updates']:g} "
        "updates; several devices sum them",
        "data per image": f"{counted['input_bytes_per_image'] / 1e3:.1f} kB",
        "written per image": f"{_megabytes(step['written_bytes_per_image'])} by all ops, unfused",
    }
    for phase in counted["phases"] if len(counted["phases"]) > 1 else ():
        rows[f"  phase {phase['name']}"] = (
            f"{phase['flops_per_image'] / 1e9:.4g} GFLOP per image, "
            f"{phase['share']:.0%} of the steps"
        )
    for name, item in counted["exports"].items():
        rows[f"{name}, one image"] = (
            f"{item['flops'] / 1e6:,.4g} MFLOP, {item['parameters']:,} weights, "
            f"{_megabytes(item['bytes'])}, writes {_megabytes(item['written_bytes'])}"
        )
    if step["unsized_ops"]:
        rows["not counted"] = f"bytes of {step['unsized_ops']:,} ops of unknown size"
    for name, text in rows.items():
        table.add_row(name, text)
    console.print(table)


def _print_measured(measured: dict[str, Any], console: Console) -> None:
    console.print(
        f"\nmeasured on {measured['devices']}, {'with' if measured['xla'] else 'without'} XLA, "
        f"median of {measured['steps']} steps: {_rounded(measured['images_per_second'])} images/s, "
        f"{_rounded(measured['flops_per_second'] / 1e9)} GFLOP/s, {measured['share_of_peak']:.0%} "
        f"of the {_rounded(measured['peak_flops'] / 1e9)} GFLOP/s of a large float32 matrix "
        "multiplication"
    )


def _rounded(number: float) -> str:
    """Formats a number with three significant digits and separated thousands."""
    return f"{float(f'{number:.3g}'):,.0f}" if number >= 10 else f"{number:.2g}"


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.3g} MB"
