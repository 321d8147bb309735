"""The README of a bundle: its files, their tensors, and code that runs them in four languages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from tfgan2.export.rendering import render
from tfgan2.images import is_points

SNIPPETS = (
    ("Python", ".onnx"),
    ("Python", ".tflite"),
    ("Kotlin", ".tflite"),
    ("Swift", ".tflite"),
    ("JavaScript", ".onnx"),
)
"""Languages of the code and the files that it runs; each language has a template of its name."""


def readme(metadata: Mapping[str, Any], words: tuple[list[int], str] | None) -> str:
    """Returns README.md for a bundle's metadata, and for an example of `words` and its sentence."""
    about = metadata["about"]
    title = " ".join(str(about[key]) for key in ("flavour", "dataset") if about.get(key))
    return render(
        "readme.md.j2",
        title=title or "Generator",
        artefacts=metadata["artefacts"],
        class_names=metadata["class_names"],
        captions=metadata.get("captions"),
        snippets=list(_snippets(metadata, words)),
        shape_text=_shape_text,
        values_text=_values_text,
    )


def _shape_text(tensor: Mapping[str, Any]) -> str:
    return ", ".join("free" if size is None else str(size) for size in tensor["shape"])


def _values_text(tensor: Mapping[str, Any]) -> str:
    if tensor.get("distribution"):
        return f"drawn from {'N(0, 1)' if tensor['distribution'] == 'normal' else 'U(-1, 1)'}"
    limits = tensor.get("range")
    parts = [limits and "{}…{}".format(*limits), tensor.get("meaning")]
    return ", ".join(part for part in parts if part)


def _snippets(
    metadata: Mapping[str, Any], words: tuple[list[int], str] | None
) -> Iterator[dict[str, Any]]:
    """Yields the values of each code template, for the most precise file of each format."""
    generators = [item for item in metadata["artefacts"] if item["outputs"][0]["name"] == "image"]
    if generators and is_points(generators[0]["outputs"][0]["shape"]):
        return  # points are no images to show
    for network in dict.fromkeys(item["network"] for item in generators):
        files = [item for item in generators if item["network"] == network]
        for language, suffix in SNIPPETS:
            entry = next((item for item in files if item["file"].endswith(suffix)), None)
            if entry is not None:
                yield {"language": language, **_describe(entry, metadata, suffix, words)}


def _describe(
    entry: Mapping[str, Any],
    metadata: Mapping[str, Any],
    suffix: str,
    words: tuple[list[int], str] | None,
) -> dict[str, Any]:
    """Returns the values of the templates for a file: a batch of one, and no free size."""
    inputs = []
    for item in entry["inputs"]:
        free = iter(metadata.get("size", ()))
        rest = (next(free) if size is None else size for size in item["shape"][1:])
        shape = (entry["batch"] or 1, *rest)
        dims = ", ".join(map(str, shape))
        inputs.append(
            {"name": item["name"], "shape": shape, "size": math.prod(shape), "dims": dims}
        )
    output = entry["outputs"][0]
    height, width, channels = output["shape"][1:]
    if None in (height, width):
        height, width = (metadata.get("scale", 1) * size for size in metadata["size"])
    return {
        "file": entry["file"],
        "network": entry["network"],
        "onnx": suffix == ".onnx",
        "inputs": inputs,
        "names": [item["name"] for item in inputs],
        "uniform": metadata["latent"]["distribution"] == "uniform",
        "height": height,
        "width": width,
        "channels": channels,
        "rgb": _rgb(channels),
        "uint8": output["dtype"] == "uint8",
        "encoder": f"text_encoder{suffix}" if words else None,
        "words": words and words[0],
        "sentence": words and words[1],
        "quoted": words and repr(words[1]),
    }


def _rgb(channels: int) -> str:
    """Red, green and blue of pixel i, in Kotlin and Swift."""
    first = "i" if channels == 1 else f"{channels} * i"
    offsets = ("", " + 1", " + 2") if channels >= 3 else ("", "", "")
    return ", ".join(f"level({first}{offset})" for offset in offsets)
