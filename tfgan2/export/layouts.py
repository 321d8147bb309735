"""Exported files as the model repositories of other servers.

TensorFlow Serving (https://www.tensorflow.org/tfx/serving) and NVIDIA Triton
(https://docs.nvidia.com/deeplearning/triton-inference-server) each expect a folder for each model,
with a folder for each version in it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tfgan2.errors import cannot_write
from tfgan2.export.folder import Artifact
from tfgan2.export.options import LAYOUTS
from tfgan2.export.rendering import render
from tfgan2.files import written_atomically

VERSION = "1"
MAX_BATCH = 32
MAX_DELAY_MICROSECONDS = 2000
TRITON_TYPES = {"float32": "TYPE_FP32", "int32": "TYPE_INT32", "uint8": "TYPE_UINT8"}


def write_layout(layout: str, artifacts: Iterable[Artifact], out: Path) -> list[Path]:
    """Writes a model repository: a folder for each file that has the layout's format.

    Args:
        layout: a name from LAYOUTS.
        artifacts: the files of an export.
        out: the repository. A model of the same name in it is replaced, others stay.

    Returns:
        The folders of the models: `MODEL/1/saved_model.pb` and its parts for TensorFlow Serving,
        `MODEL/config.pbtxt` and `MODEL/1/model.onnx` for Triton.

    Raises:
        UserError: the disk refuses.
    """
    models = []
    for artifact in artifacts:
        if artifact.format != LAYOUTS[layout]:
            continue
        model = out / artifact.network
        try:
            out.mkdir(parents=True, exist_ok=True)
            with written_atomically(model) as partial:
                if layout == "tf-serving":
                    shutil.copytree(artifact.path, partial / VERSION)
                else:
                    (partial / VERSION).mkdir(parents=True)
                    shutil.copyfile(artifact.path, partial / VERSION / "model.onnx")
                    config = triton_config(artifact.listing())
                    (partial / "config.pbtxt").write_text(config, encoding="utf-8")
        except OSError as error:
            raise cannot_write(model, error) from error
        models.append(model)
    return models


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
    return render(
        "config.pbtxt.j2",
        name=json.dumps(entry["network"]),
        max_batch=MAX_BATCH if free else 0,
        max_delay=MAX_DELAY_MICROSECONDS if free else None,
        tensors=tensors,
    )
