"""Prints what a flavour costs: `tfgan2 info NAME --cost`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tfgan2.costs.report import CostRequest, report
from tfgan2.errors import cannot_write
from tfgan2.files import written_atomically


def show(request: CostRequest, json_file: Path | None) -> None:
    """Counts, measures and prints."""
    from tfgan2 import startup
    from tfgan2.training.progress import Display

    display = Display()
    display.say("loading TensorFlow")
    devices = startup.load()
    try:
        costs = report(request, progress=display.loading)
    finally:
        display.close()
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)  # a pipe has no width
    _print_counted(costs, console)
    if costs["measured"] is not None:
        costs["measured"]["devices"] = devices
        _print_measured(costs["measured"], console)
    if json_file is not None:
        try:
            with written_atomically(json_file) as partial:
                partial.write_text(json.dumps(costs, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise cannot_write(json_file, error) from error


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
