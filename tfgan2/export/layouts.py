"""Finished exports as the model repositories of other servers.

TensorFlow Serving (https://www.tensorflow.org/tfx/serving) and NVIDIA Triton
(https://docs.nvidia.com/deeplearning/triton-inference-server) each expect a folder for each model,
with a folder for each version in it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfgan2.errors import UserError, cannot_write, unknown
from tfgan2.export.rendering import render
from tfgan2.files import written_atomically
from tfgan2.runtime.container import METADATA_FILE, sha256_of

VERSION = "1"
MAX_BATCH = 32
MAX_DELAY_MICROSECONDS = 2000
TRITON_TYPES = {"float32": "TYPE_FP32", "int32": "TYPE_INT32", "uint8": "TYPE_UINT8"}

_KEYS = ("file", "network", "format", "sha256", "inputs", "outputs", "batch")


@dataclass(frozen=True)
class Layout:
    """A model repository.

    Attributes:
        format: the file format that it holds.
        write: fills a model's folder from a file and its entry in metadata.json.
    """

    format: str
    write: Callable[[Path, Mapping[str, Any], Path], None]


def _tf_serving(source: Path, entry: Mapping[str, Any], model: Path) -> None:
    shutil.copytree(source, model / VERSION)


def _triton(source: Path, entry: Mapping[str, Any], model: Path) -> None:
    (model / VERSION).mkdir()
    shutil.copyfile(source, model / VERSION / "model.onnx")
    (model / "config.pbtxt").write_text(triton_config(entry), encoding="utf-8")


LAYOUTS = {"tf-serving": Layout("saved_model", _tf_serving), "triton": Layout("onnx", _triton)}


def write_layout(layout: str, export: Path, out: Path) -> list[Path]:
    """Writes a model repository: a folder for each network of a finished export.

    Args:
        layout: a name from LAYOUTS.
        export: an export folder that has the layout's format.
        out: the repository. A model of the same name in it is replaced, others stay.

    Returns:
        The folders of the models: `MODEL/1/saved_model.pb` and its parts for TensorFlow Serving,
        `MODEL/config.pbtxt` and `MODEL/1/model.onnx` for Triton.

    Raises:
        UserError: the layout is unknown, the folder is no finished export, a file in it was
            changed, or the disk refuses.
    """
    if layout not in LAYOUTS:
        raise unknown("layout", layout, LAYOUTS)
    needed = LAYOUTS[layout].format
    entries = [entry for entry in _entries(export) if entry["format"] == needed]
    if not entries:
        raise UserError(
            f"{export} has no {needed}, which layout {layout} needs: export with --format {needed}"
        )
    models = []
    for entry in entries:
        source, model = export / entry["file"], out / entry["network"]
        if not source.exists() or sha256_of(source) != entry["sha256"]:
            raise UserError(f"{source} is missing or was changed: export again")
        try:
            out.mkdir(parents=True, exist_ok=True)
            with written_atomically(model) as partial:
                partial.mkdir()
                LAYOUTS[layout].write(source, entry, partial)
        except OSError as error:
            raise cannot_write(model, error) from error
        models.append(model)
    return models


def _entries(export: Path) -> list[dict[str, Any]]:
    try:
        metadata = json.loads((export / METADATA_FILE).read_text(encoding="utf-8"))
        return [{key: item[key] for key in _KEYS} for item in metadata["artefacts"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{export} is not an export folder: run `tfgan2 export` first") from None


def triton_config(entry: Mapping[str, Any]) -> str:
    """Returns the config.pbtxt of an ONNX file from its entry in metadata.json.

    With a free batch size Triton joins requests to batches. With a fixed one it cannot, and clients
    send whole batches.
    """
    free = entry["batch"] is None
    tensors = []
    for kind in ("input", "output"):
        for tensor in entry[f"{kind}s"]:
            shape = tensor["shape"][1:] if free else tensor["shape"]
            sizes = [-1 if size is None else size for size in shape]
            name, dtype = json.dumps(tensor["name"]), TRITON_TYPES[tensor["dtype"]]
            tensors.append({"kind": kind, "name": name, "type": dtype, "sizes": sizes})
    return render(
        "config.pbtxt.j2",
        name=json.dumps(entry["network"]),
        max_batch=MAX_BATCH if free else 0,
        max_delay=MAX_DELAY_MICROSECONDS if free else None,
        tensors=tensors,
    )
