"""Finished exports as the model repositories of other servers.

TensorFlow Serving (https://www.tensorflow.org/tfx/serving) and NVIDIA Triton
(https://docs.nvidia.com/deeplearning/triton-inference-server) each look for a model in a folder of
its name, with a folder per version in it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfgan2.errors import UserError, cannot_write, unknown
from tfgan2.files import written_atomically
from tfgan2.runtime.container import METADATA_FILE, sha256_of

# Each with the format that it is made of.
LAYOUTS = {"tf-serving": "saved_model", "triton": "onnx"}
VERSION = "1"

MAX_BATCH = 32
MAX_DELAY_MICROSECONDS = 2000
_TRITON_TYPES = {"float32": "TYPE_FP32", "int32": "TYPE_INT32", "uint8": "TYPE_UINT8"}


def check_layouts(layouts: Sequence[str], formats: Sequence[str]) -> None:
    """Raises a UserError for an unknown layout, or one whose format is not among `formats`."""
    for layout in layouts:
        if layout not in LAYOUTS:
            raise unknown("layout", layout, LAYOUTS)
        if LAYOUTS[layout] not in formats:
            raise UserError(
                f"layout {layout} is made of {LAYOUTS[layout]}: add --format {LAYOUTS[layout]}"
            )


def write_layout(layout: str, export: Path, out: Path) -> list[Path]:
    """Writes a model repository: a folder for each network of a finished export.

    Args:
        layout: of LAYOUTS.
        export: a folder that `export_networks` wrote, with the layout's format in it.
        out: the repository; made if it is missing. A model of the same name in it is replaced,
            others stay.

    Returns:
        The folders of the models: `MODEL/1/saved_model.pb` and what belongs to it for TensorFlow
        Serving, `MODEL/config.pbtxt` and `MODEL/1/model.onnx` for Triton.

    Raises:
        UserError: an unknown layout, no finished export, a file in it that was changed, or a disk
            that refuses.
    """
    if layout not in LAYOUTS:
        raise unknown("layout", layout, LAYOUTS)
    artefacts = [item for item in _artefacts(export) if item["format"] == LAYOUTS[layout]]
    if not artefacts:
        raise UserError(
            f"{export} has no {LAYOUTS[layout]}, of which layout {layout} is made: export with "
            f"--format {LAYOUTS[layout]}"
        )
    made = []
    for artefact in artefacts:
        source = export / artefact["file"]
        if not source.exists() or sha256_of(source) != artefact["sha256"]:
            raise UserError(f"{source} is missing or was changed: export again")
        model = out / artefact["network"]
        try:
            out.mkdir(parents=True, exist_ok=True)
            with written_atomically(model) as partial:
                partial.mkdir()
                _WRITERS[layout](source, artefact, partial)
        except OSError as error:
            raise cannot_write(model, error) from error
        made.append(model)
    return made


def _artefacts(export: Path) -> list[dict[str, Any]]:
    try:
        metadata = json.loads((export / METADATA_FILE).read_text(encoding="utf-8"))
        return [
            {key: item[key] for key in (*_KEYS, "inputs", "outputs", "batch")}
            for item in metadata["artefacts"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{export} is no folder that `tfgan2 export` wrote") from None


_KEYS = ("file", "network", "format", "sha256")


def _tf_serving(source: Path, artefact: Mapping[str, Any], model: Path) -> None:
    shutil.copytree(source, model / VERSION)


def _triton(source: Path, artefact: Mapping[str, Any], model: Path) -> None:
    (model / VERSION).mkdir()
    shutil.copyfile(source, model / VERSION / "model.onnx")
    (model / "config.pbtxt").write_text(triton_config(artefact), encoding="utf-8")


_WRITERS: dict[str, Callable[[Path, Mapping[str, Any], Path], None]] = {
    "tf-serving": _tf_serving,
    "triton": _triton,
}


def triton_config(artefact: Mapping[str, Any]) -> str:
    """The config.pbtxt of an ONNX artefact.

    With a free batch size Triton joins requests to batches. With a fixed one it cannot, and clients
    send whole batches.

    Args:
        artefact: its entry in metadata.json.
    """
    free = artefact["batch"] is None
    lines = [
        f"name: {json.dumps(artefact['network'])}",
        'backend: "onnxruntime"',
        f"max_batch_size: {MAX_BATCH if free else 0}",
    ]
    for kind in ("input", "output"):
        for tensor in artefact[f"{kind}s"]:
            shape = tensor["shape"][1:] if free else tensor["shape"]
            # A tensor must have a dimension besides the batch: Triton takes away one that is not.
            dims = ", ".join(str(-1 if size is None else size) for size in shape or [1])
            lines += [
                f"{kind} {{",
                f"  name: {json.dumps(tensor['name'])}",
                f"  data_type: {_TRITON_TYPES[tensor['dtype']]}",
                f"  dims: [ {dims} ]",
                *([] if shape else ["  reshape { shape: [ ] }"]),
                "}",
            ]
    if free:
        lines.append(
            f"dynamic_batching {{ max_queue_delay_microseconds: {MAX_DELAY_MICROSECONDS} }}"
        )
    return "\n".join(lines) + "\n"
