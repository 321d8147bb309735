"""Presets of a flavour, for `tfgan2 info`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from tfgan2 import startup
from tfgan2.cli import tables
from tfgan2.hyperparameters import PRESETS, Preset
from tfgan2.options import TrainingOptions


def list_all(presets: Mapping[str, Preset], console: Console) -> None:
    """Lists presets by name: what each is for, and its values."""
    if not presets:
        return
    table = Table("--preset", "for", "values", box=None, header_style="bold")
    for name, values in presets.items():
        text = " ".join(f"{key}={value}" for key, value in values.items())
        purpose = ", ".join(filter(None, (PRESETS.get(name), values.sizes)))
        table.add_row(name, purpose, text or "the defaults are the paper's")
    console.print()
    console.print(table)


def show(
    flavour: str,
    preset: Mapping[str, Any],
    image_shape: tuple[int, int, int],
    values: Mapping[str, Any],
    options: Mapping[str, Any],
) -> None:
    """Shows all values that a run with a preset would have, and the time to expect here.

    `preset` has its own values, `values` the hyperparameters and `options` the training options of
    the run, each by name.
    """
    from tfgan2.training.progress import Display

    display = Display()
    devices = startup.load(say=display.say)
    from tfgan2.costs.estimate import in_words, training_seconds
    from tfgan2.costs.report import any_model
    from tfgan2.keras_model.batches import step_specs

    training = TrainingOptions(**options)
    training.check()
    model = any_model(flavour, image_shape, values, training.precision, training.steps)
    size = training.batch_size or model.batch_size
    model.check_batch_size(size)
    cls = type(model)
    known = cls.Config.options
    # With the chosen network: the default one may not make images of this shape.
    kept = [name for name, item in known.items() if item.from_data or name == "network"]
    defaults = dict(cls.Config(**{name: getattr(model.config, name) for name in kept}))
    if "network" in known:
        defaults["network"] = known["network"].default
    table = Table("", "--set", "value", "default", "what it does", box=None, header_style="bold")
    for name, item in known.items():
        if item.settable:
            _add_row(table, name, getattr(model.config, name), defaults[name], item.help)
    both = {"steps": (training.steps, TrainingOptions.steps), "batch_size": (size, cls.batch_size)}
    others = [name for name in preset if name not in known and name not in both]
    both |= {name: (getattr(training, name), getattr(TrainingOptions, name)) for name in others}
    help = {item.name: item.metadata["option"].help for item in TrainingOptions.declared()}
    for name, (value, default) in both.items():
        _add_row(table, f"--{name.replace('_', '-')}", value, default, help[name])
    tables.console().print(table)
    shape = "x".join(map(str, image_shape))
    seconds = training_seconds(model, step_specs(model, size), training.steps)
    display.say(
        f"\nexpected time of {training.steps:,} steps of {size} images of {shape} on {devices}: "
        f"{in_words(seconds)} (an estimate; --cost times steps)"
    )


def _add_row(table: Table, name: str, value: Any, default: Any, help: str) -> None:
    """Marks a value that differs from its default."""
    changed = value != default
    style = "bold" if changed else None
    table.add_row(
        "*" * changed, name, str(value), str(default) if changed else "", help, style=style
    )
