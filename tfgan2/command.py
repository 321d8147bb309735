"""The command that trains as a run was trained, without the paths of this machine."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from tfgan2 import registry
from tfgan2.data.catalogue import PIPELINES
from tfgan2.files import public_name
from tfgan2.options import Options, size_text
from tfgan2.runs import RunConfig

_LEFT_OUT = (
    *("name", "preset", "data_dir", "init_from", "strategy", "steps_per_call", "device_share"),
    *("log_every", "sample_every", "sample_count", "checkpoint_every", "keep_checkpoints"),
    *("evaluate_every", "evaluate_count", "evaluate_features", "evaluate_metrics", "best_metric"),
)
"""Options that name files or machines of this user, or change no weights."""
_WIDTHS = ("base_channels", "max_channels")


def command_text(config: RunConfig) -> str:
    """Returns the command as a line for a shell."""
    text = shlex.join(command(config))
    if config.data.name in PIPELINES.values():
        return f"{text}  # in Python, with a tf.data.Dataset as dataset"
    return text


def command(config: RunConfig) -> list[str]:
    """Returns the words of a command that trains as a run was trained; without local paths."""
    flavour = config.flavour
    preset = config.training.preset
    preset_values = registry.outline(flavour).Config.presets[preset] if preset else {}
    distilled = "teacher" in config.dataset
    if distilled:
        height, width, _ = config.dataset["image_shape"]
        words = ["tfgan2", "distill", "RUN", *_flag("size", size_text(height, width))]
        words += _flag("images", config.dataset["num_images"])
    else:
        words = ["tfgan2", "fit", flavour, "--dataset", public_name(config.data.name)]
        for name, value in _changed(config.data, preset_values):
            usual = name == "hold_out" and not value and config.dataset.get("kind") == "images"
            words += [] if usual else _flag(name, value)
    words += ["--preset", preset] if preset else []
    for name, value in _changed(config.training, preset_values):
        words += _flag(name, value)
    for name, option in registry.hyperparameters(flavour).items():
        value = config.hyperparameters.get(name, option.default)
        network = config.hyperparameters.get("network", "")
        default = (option.by_network or {}).get(network, option.default)
        usual = preset_values.get(name, default)
        needed = distilled and name in _WIDTHS  # in place of a budget
        if value is not None and (value != usual or needed):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            words += ["--set", f"{name}={text}"]
    return words


def _changed(options: Options, preset: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields the options that are not at their default or the preset's, and matter elsewhere."""
    for item in type(options).declared():
        value = getattr(options, item.name)
        if item.name not in _LEFT_OUT and value != preset.get(item.name, item.default):
            yield item.name, value


def _flag(name: str, value: Any) -> list[str]:
    name = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{'' if value else 'no-'}{name}"]
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return [f"--{name}", text]
