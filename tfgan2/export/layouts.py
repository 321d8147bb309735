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

from tfgan2.export.folder import Artifact
from tfgan2.export.options import LAYOUTS
from tfgan2.files import written_atomically

VERSION = "1"
MAX_BATCH = 32
MAX_DELAY_MICROSECONDS = 2000
TRITON_TYPES = {"float32": "TYPE_FP32", "int32": "TYPE_INT32", "uint8": "TYPE_UINT8"}


def write_layout(layout: str, artifacts: Iterable[Artifact], out: Path) -> None:
    """Writes a model repository: a folder for each file that has the layout's format.

    A model of the same name in the repository is replaced, others stay. TensorFlow Serving takes
    MODEL/1/saved_model.pb and its parts, Triton MODEL/config.pbtxt and MODEL/1/model.onnx.
    """
    for artifact in artifacts:
        if (artifact.format, artifact.precision) != (LAYOUTS[layout], "float32"):
            continue
        model = out / artifact.network
        with written_atomically(model, parents=True) as partial:
            if layout == "tf-serving":
                shutil.copytree(artifact.path, partial / VERSION)
            else:
                (partial / VERSION).mkdir(parents=True)
                shutil.copyfile(artifact.path, partial / VERSION / "model.onnx")
                config = triton_config(artifact.listing())
                (partial / "config.pbtxt").write_text(config, encoding="utf-8")


def triton_config(entry: Mapping[str, Any]) -> str:
    """Returns the config.pbtxt of an ONNX file from its entry in metadata.json.

    With a free batch size Triton joins requests to batches. With a fixed one it cannot, and clients
    send whole batches.
    """
    free = entry["batch"] is None
    lines = [
        f"name: {json.dumps(entry['network'])}",
        'backend: "onnxruntime"',
        f"max_batch_size: {MAX_BATCH if free else 0}",
    ]
    for kind in ("input", "output"):
        for tensor in entry[f"{kind}s"]:
            sizes = [-1 if size is None else size for size in tensor["shape"][int(free) :]]
            lines += [
                f"{kind} {{",
                f"  name: {json.dumps(tensor['name'])}",
                f"  data_type: {TRITON_TYPES[tensor['dtype']]}",
                # Triton wants a dimension besides the batch; a reshape removes the one added here.
                f"  dims: {sizes or [1]}",
                *([] if sizes else ["  reshape { shape: [ ] }"]),
                "}",
            ]
    if free:
        lines.append(
            f"dynamic_batching {{ max_queue_delay_microseconds: {MAX_DELAY_MICROSECONDS} }}"
        )
    return "\n".join(lines) + "\n"
