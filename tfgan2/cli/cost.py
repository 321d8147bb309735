"""What `tfgan2 info NAME --cost` shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tfgan2.costs.report import Asked, report
from tfgan2.errors import cannot_write
from tfgan2.files import written_atomically


def show(asked: Asked, json_file: Path | None) -> None:
    """Counts, measures and predicts, and prints it."""
    asked.check()
    from tfgan2 import startup
    from tfgan2.training.progress import Display

    display = Display()
    display.say("loading TensorFlow")
    devices = startup.load()
    try:
        found = report(asked, devices=devices, progress=display.loading)
    finally:
        display.loaded()
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)  # a pipe has no width
    _counted(found, console)
    if found["measured"] is not None:
        _measured(found, console)
    _predicted(found, console)
    if json_file is not None:
        try:
            with written_atomically(json_file) as partial:
                partial.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise cannot_write(json_file, error) from error


def _counted(found: dict[str, Any], console: Console) -> None:
    counted = found["counted"]
    step, images = counted["step"], counted["images_per_step"]
    shape = "x".join(map(str, found["image_shape"]))
    console.print(
        f"{found['flavour']}, {shape}, {images:,} images a step, {found['precision']}", style="bold"
    )
    sizes = ", ".join(f"{name} {number:,}" for name, number in counted["parameters"].items())
    table = Table("counted in the graph of a step", "", box=None, header_style="bold")
    shown = {
        "FLOPs per image": f"{step['flops_per_image'] / 1e9:.4g} GFLOP",
        "FLOPs per step": f"{step['flops'] / 1e9:.4g} GFLOP in {step['products']:,} products",
        "weights": f"{sizes}; {_megabytes(counted['weight_bytes'])} with averages",
        "optimizers' state": _megabytes(counted["optimizer_bytes"]),
        "a checkpoint": _megabytes(counted["checkpoint_bytes"]),
        "gradients to be shared": f"{_megabytes(step['gradient_bytes'])} a step, in "
        f"{step['updates']:g} updates",
        "data per image": f"{counted['input_bytes_per_image'] / 1e3:.1f} kB",
        "written per image": f"{_megabytes(step['written_bytes_per_image'])}, nothing fused",
    }
    for phase in counted["phases"] if len(counted["phases"]) > 1 else ():
        shown[f"  phase {phase['name']}"] = (
            f"{phase['flops_per_image'] / 1e9:.4g} GFLOP per image, "
            f"{phase['share']:.0%} of the steps"
        )
    for name, item in counted["exports"].items():
        shown[f"{name}, one image"] = (
            f"{item['flops'] / 1e6:,.4g} MFLOP, {item['parameters']:,} weights, "
            f"{_megabytes(item['bytes'])}, writes {_megabytes(item['written_bytes'])}"
        )
    if step["unsized_ops"]:
        shown["left out"] = f"bytes of {step['unsized_ops']:,} ops of unknown sizes"
    for name, text in shown.items():
        table.add_row(name, text)
    console.print(table)


def _measured(found: dict[str, Any], console: Console) -> None:
    measured = found["measured"]
    compiled = "with" if measured["xla"] else "without"
    console.print(
        f"\nmeasured here, {measured['devices']}, {compiled} XLA, the median of "
        f"{measured['steps']} steps: {_rounded(measured['images_per_second'])} images/s, "
        f"{_rounded(measured['flops_per_second'] / 1e9)} GFLOP/s, {measured['share_of_peak']:.0%} "
        f"of the {_rounded(measured['peak_flops'] / 1e9)} GFLOP/s that a large product of float32 "
        "matrices reaches"
    )


def _predicted(found: dict[str, Any], console: Console) -> None:
    predicted = found["predicted"]
    cards = predicted["cards"]
    console.print(f"\n{predicted['note']}", style="bold")
    if len(cards) == 1:
        _one_card(next(iter(cards.values())), console)
    else:
        _all_cards(cards, console)
    console.print(
        "bound: every published figure reached, all between products for free; cautious: each op a "
        "kernel of its own, at assumed shares (docs/costs.md)"
    )


def _all_cards(cards: dict[str, Any], console: Console) -> None:
    table = Table(title="images/s by the number of GPUs", title_justify="left")
    table.add_column("GPU")
    table.add_column("")
    numbers = [row["gpus"] for row in next(iter(cards.values()))["bound"]]
    for number in numbers:
        table.add_column(str(number), justify="right")
    for name, card in cards.items():
        for kind in ("bound", "cautious"):
            speeds = [_rounded(row["images_per_second"]) for row in card[kind]]
            table.add_row(name if kind == "bound" else "", kind, *speeds)
    console.print(table)


def _one_card(card: dict[str, Any], console: Console) -> None:
    console.print(f"{card['title']}, 8 a machine, between machines {card['network']}")
    table = Table()
    table.add_column("")
    for title in ("GPUs", "computing ms", "all-reduce ms", "images/s", "of linear"):
        table.add_column(title, justify="right")
    for kind in ("bound", "cautious"):
        for row in card[kind]:
            table.add_row(
                kind if row["gpus"] == 1 else "",
                str(row["gpus"]),
                f"{row['compute_seconds'] * 1e3:.3g}",
                f"{row['all_reduce_seconds'] * 1e3:.3g}",
                _rounded(row["images_per_second"]),
                f"{row['efficiency']:.0%}",
            )
    console.print(table)


def _rounded(number: float) -> str:
    """With thousands separated, three digits that count."""
    return f"{float(f'{number:.3g}'):,.0f}" if number >= 10 else f"{number:.2g}"


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.3g} MB"
