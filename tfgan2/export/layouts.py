"""Exported files as the model repositories of other servers.

TensorFlow Serving (https://www.tensorflow.org/tfx/serving) and NVIDIA Triton
(https://docs.nvidia.com/deeplearning/triton-inference-server) each expect a folder for each model,
with a folder for each version in it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from tfgan2.export.folder import Artifact
from tfgan2.export.options import LAYOUTS
from tfgan2.export.texts import triton_config
from tfgan2.files import written_atomically

VERSION = "1"


def write_layout(layout: str, artifacts: Iterable[Artifact], out: Path) -> list[Path]:
    """Writes a model repository: a folder for each file that has the layout's format.

    A model of the same name in the repository is replaced, others stay. Returns the folders of the
    models: `MODEL/1/saved_model.pb` and its parts for TensorFlow Serving, `MODEL/config.pbtxt` and
    `MODEL/1/model.onnx` for Triton.
    """
    models = []
    for artifact in artifacts:
        if artifact.format != LAYOUTS[layout]:
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
        models.append(model)
    return models
