"""The model card: what a generator was trained on, how good it is by which protocol, its limits.

It is the first part of the `README.md` in a bundle; its YAML is what Hugging Face's hub reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfgan2 import registry
from tfgan2.command import command_text
from tfgan2.evaluation.figures import FIGURES
from tfgan2.evaluation.result import read_results
from tfgan2.files import public_name
from tfgan2.images import is_points
from tfgan2.runs import RunConfig

LIBRARY = "tfgan2"
TASKS = {"z": "unconditional-image-generation", "text": "text-to-image", "input": "image-to-image"}
"""The hub's names of tasks, by the input that decides; the last match counts."""


def training_facts(run: Path, config: RunConfig, model: Any, step: int) -> dict[str, Any]:
    """Returns what the card says about a run whose model at `step` is exported.

    A UserError if a result of an evaluation is damaged.
    """
    dataset, batch_size = config.dataset, config.training.batch_size or model.batch_size
    results = [result for result in read_results(run) if result["who"].get("step") == step]
    return {
        "summary": registry.summary(config.flavour),
        "command": command_text(config),
        "step": step,
        "shown": step * batch_size * model.batches_per_step,
        "images": dataset.get("num_images"),
        "teacher": dataset.get("teacher"),
        "evaluations": [_evaluation(result) for result in results],
    }


def _evaluation(result: Mapping[str, Any]) -> dict[str, Any]:
    protocol, figures = result["protocol"], result["figures"]
    features, reference = protocol.get("features", {}), protocol.get("reference", {})
    return {
        "protocol": result["protocol_id"],
        "features": features.get("features", features.get("name", "the points themselves")),
        "samples": protocol["samples"]["images"],
        "reals": reference.get("images"),  # none for points
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
