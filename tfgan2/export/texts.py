"""The texts that go with exported files, from `templates/`: a bundle's README and Triton's config.

The README lists the files of a bundle and their tensors, with code in four languages.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import jinja2

from tfgan2.images import is_points

SNIPPETS = (
    ("Python", ".onnx"),
    ("Python", ".tflite"),
    ("Kotlin", ".tflite"),
    ("Swift", ".tflite"),
    ("JavaScript", ".onnx"),
)
"""Languages of the code and the files that it runs; each language has a template of its name."""
MAX_BATCH = 32
MAX_DELAY_MICROSECONDS = 2000
TRITON_TYPES = {"float32": "TYPE_FP32", "int32": "TYPE_INT32", "uint8": "TYPE_UINT8"}

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("tfgan2.export"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def triton_config(entry: Mapping[str, Any]) -> str:
    """Returns the config.pbtxt of an ONNX file from its entry in metadata.json.

    With a free batch size Triton joins requests to batches. With a fixed one it cannot, and clients
    send whole batches.
    """
    free = entry["batch"] is None
    tensors = [
        {
            "kind": kind,
            "name": json.dumps(tensor["name"]),
            "type": TRITON_TYPES[tensor["dtype"]],
            "sizes": [-1 if size is None else size for size in tensor["shape"][int(free) :]],
        }
        for kind in ("input", "output")
        for tensor in entry[f"{kind}s"]
    ]
    return _TEMPLATES.get_template("config.pbtxt.j2").render(
        name=json.dumps(entry["network"]),
        max_batch=MAX_BATCH if free else 0,
        max_delay=MAX_DELAY_MICROSECONDS if free else None,
        tensors=tensors,
    )


def readme(metadata: Mapping[str, Any], words: tuple[list[int], str] | None) -> str:
    """Returns README.md for a bundle's metadata, and for an example of `words` and its sentence."""
    about = metadata["about"]
    title = " ".join(str(about[key]) for key in ("flavour", "dataset") if about.get(key))
    return _TEMPLATES.get_template("readme.md.j2").render(
        title=title or "Generator",
        artefacts=metadata["artefacts"],
        class_names=metadata["class_names"],
        captions=metadata.get("captions"),
        snippets=list(_snippets(metadata, words)),
    )


def _snippets(
    metadata: Mapping[str, Any], words: tuple[list[int], str] | None
) -> Iterator[dict[str, Any]]:
    """Yields the values of each code template, for the most precise file of each format."""
    generators = [item for item in metadata["artefacts"] if item["outputs"][0]["name"] == "image"]
    if generators and is_points(generators[0]["outputs"][0]["shape"]):
        return  # points are no images to show
    numbers, sentence = words or (None, None)
    for network in dict.fromkeys(item["network"] for item in generators):
        files = [item for item in generators if item["network"] == network]
        for language, suffix in SNIPPETS:
            entry = next((item for item in files if item["file"].endswith(suffix)), None)
            if entry is not None:
                inputs = _inputs(entry, metadata)
                yield {
                    "language": language,
                    "file": entry["file"],
                    "network": network,
                    "onnx": suffix == ".onnx",
                    "inputs": inputs,
                    "names": [item["name"] for item in inputs],
                    "uniform": metadata["latent"]["distribution"] == "uniform",
                    **_image(entry["outputs"][0], metadata),
                    "encoder": f"text_encoder{suffix}",
                    "words": numbers,
                    "sentence": sentence,
                    "quoted": repr(sentence),
                }


def _inputs(entry: Mapping[str, Any], metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the inputs with a batch of one and no free size."""
    inputs = []
    for item in entry["inputs"]:
        free = iter(metadata.get("size", ()))
        rest = (next(free) if size is None else size for size in item["shape"][1:])
        shape = (entry["batch"] or 1, *rest)
        dims = ", ".join(map(str, shape))
        inputs.append(
            {"name": item["name"], "shape": shape, "size": math.prod(shape), "dims": dims}
        )
    return inputs


def _image(output: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the size and the format of the image; `rgb` is a pixel in Kotlin and Swift."""
    height, width, channels = output["shape"][1:]
    if None in (height, width):
        height, width = (metadata.get("scale", 1) * size for size in metadata["size"])
    first = "i" if channels == 1 else f"{channels} * i"
    offsets = ("", " + 1", " + 2") if channels >= 3 else ("", "", "")
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "rgb": ", ".join(f"level({first}{offset})" for offset in offsets),
        "uint8": output["dtype"] == "uint8",
    }
