"""The model card: what a generator was trained on, how good it is by which protocol, its limits.

It is the first part of the `README.md` in a bundle; its YAML is what Hugging Face's hub reads.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfgan2 import registry
from tfgan2.evaluation.figures import FIGURES
from tfgan2.evaluation.result import read_results
from tfgan2.images import is_points
from tfgan2.options import Options
from tfgan2.runs import RunConfig

LIBRARY = "tfgan2"
TASKS = {"z": "unconditional-image-generation", "text": "text-to-image", "input": "image-to-image"}
"""The hub's names of tasks, by the input that decides; the last match counts."""
_LEFT_OUT = (
    *("name", "preset", "data_dir", "init_from", "strategy", "steps_per_call", "device_share"),
    *("log_every", "sample_every", "sample_count", "checkpoint_every", "keep_checkpoints"),
    *("evaluate_every", "evaluate_count", "evaluate_features", "evaluate_metrics", "best_metric"),
)
"""Options that name files or machines of this user, or change no weights."""


def training_facts(run: Path, config: RunConfig, model: Any, step: int) -> dict[str, Any]:
    """Returns what the card says about a run whose model at `step` is exported.

    A UserError if a result of an evaluation is damaged.
    """
    dataset, batch_size = config.dataset, config.training.batch_size or model.batch_size
    results = [result for result in read_results(run) if result["who"].get("step") == step]
    return {
        "summary": registry.summary(config.flavour),
        "command": shlex.join(command(config)),
        "step": step,
        "kimg": step * batch_size * model.batches_per_step / 1000,
        "images": dataset.get("num_images"),
        "teacher": dataset.get("teacher"),
        "evaluations": [_evaluation(result) for result in results],
    }


def command(config: RunConfig) -> list[str]:
    """Returns the words of a command that trains as a run was trained; without local paths."""
    flavour = config.flavour
    preset = config.training.preset
    preset_values = registry.outline(flavour).Config.presets[preset] if preset else {}
    if "teacher" in config.dataset:
        words = ["tfgan2", "distill", "RUN"]
    else:
        words = ["tfgan2", "fit", flavour, "--dataset", public_name(config.data.name)]
        words += ["--preset", preset] if preset else []
    for options in (config.data, config.training):
        for name, value in _changed(options, preset_values):
            usual = name == "hold_out" and config.dataset.get("kind") == "images" and not value
            words += [] if usual else _flag(name, value)
    for name, option in registry.hyperparameters(flavour).items():
        value = config.hyperparameters.get(name, option.default)
        network = config.hyperparameters.get("network", "")
        default = (option.by_network or {}).get(network, option.default)
        usual = preset_values.get(name, default)
        if value not in (usual, None):
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
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return [flag, text]


def public_name(dataset: str) -> str:
    """Returns a dataset's name with the last part only of a path."""
    kind, colon, rest = dataset.partition(":")
    return f"{kind}:{Path(rest).name}" if colon else dataset


def _evaluation(result: Mapping[str, Any]) -> dict[str, Any]:
    protocol, figures = result["protocol"], result["figures"]
    features, reference = protocol.get("features", {}), protocol.get("reference", {})
    return {
        "protocol": result["protocol_id"],
        "features": features.get("features", features.get("name", "points")),
        "samples": protocol.get("samples", {}).get("images"),
        "reals": reference.get("images"),
        "dataset": public_name(str(reference.get("dataset", ""))),
        "made_of": result["who"].get("made_of"),
        "figures": [
            {"name": name, "title": FIGURES[name].title, "value": value}
            | {"text": FIGURES[name].text(value), "meaning": FIGURES[name].meaning}
            for name, value in figures.items()
        ],
    }


def front_matter(
    title: str,
    description: Mapping[str, Any],
    entries: Sequence[Mapping[str, Any]],
    training: Mapping[str, Any],
    licence: str | None,
) -> str:
    """Returns the YAML that the hub reads, without its fences; every value is JSON, too.

    `description` and `entries` are those of metadata.json.
    """
    about = description["about"]
    flavour, dataset = about.get("flavour"), about.get("dataset") or ""
    inputs = {item["name"] for entry in entries for item in entry["inputs"]}
    task = [TASKS[name] for name in TASKS if name in inputs][-1]
    formats = dict.fromkeys(entry["format"].replace("_", "-") for entry in entries)
    values: dict[str, Any] = {
        "license": licence or "unknown",
        "library_name": LIBRARY,
        "pipeline_tag": task,
        "tags": [*filter(None, ["gan", flavour]), *formats],
    }
    if dataset and ":" not in dataset:
        values["datasets"] = [dataset]
    results = [
        {
            "task": {"type": task},
            "dataset": {"type": item["dataset"], "name": item["dataset"]},
            "metrics": [
                {
                    "type": figure["name"],
                    "name": f"{figure['title']} ({item['features']}, protocol {item['protocol']})",
                    "value": figure["value"],
                }
                for figure in item["figures"]
            ],
        }
        for item in training.get("evaluations", ())
    ]
    if results:
        values["model-index"] = [{"name": title, "results": results}]
    lines = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())
    return "\n".join(lines)


def limits(
    entries: Sequence[Mapping[str, Any]], training: Mapping[str, Any], licence: str | None
) -> list[str]:
    """Returns a sentence for each limit of the files that their user should know."""
    lines = []
    recalls = [
        figure["value"]
        for item in training.get("evaluations", ())
        for figure in item["figures"]
        if figure["name"] == "recall"
    ]
    if recalls:
        lines.append(
            f"Recall {recalls[-1]:.0%}: the generator makes nothing like the rest of the real "
            "images."
        )
    lossy = [item for item in entries if item["precision"] != "float32"]
    lines += [
        f"`{item['file']}` is {item['precision']}: {item['psnr']:.1f} dB of PSNR to the generator "
        "in float32."
        for item in lossy
    ]
    lines += [
        "The images show what the training data show, and how often they show it.",
        "An image may resemble one of the training images: `tfgan2 evaluate RUN --metrics "
        "neighbours` shows the nearest.",
    ]
    lines.append(
        f"Licence of the files: {licence}."
        if licence
        else "No licence was given with the files. That of the training data may limit their use."
    )
    return lines


def made(output: Mapping[str, Any], class_names: Sequence[str]) -> str:
    """Returns a few words on what a generator makes, such as "images of 28x28 pixels, grey"."""
    *_, height, width, channels = output["shape"]
    labels = f", of {len(class_names)} classes" if class_names else ""
    if is_points(output["shape"]):
        return f"points{labels}"
    kind = {1: "grey", 3: "RGB", 4: "RGBA"}.get(channels, f"of {channels} channels")
    size = "images of any size" if height is None else f"images of {height}x{width} pixels"
    return f"{size}, {kind}{labels}"
