"""SavedModel: the weights and one serving signature, nothing that only training needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfgan2 import startup
from tfgan2.errors import UserError
from tfgan2.export.spec import ExportSpec
from tfgan2.runtime.backends import Inputs, Model, first_line
from tfgan2.runtime.container import METADATA_FILE

SIGNATURE = "serving_default"
METADATA = f"assets.extra/{METADATA_FILE}"
"""In the folder that the SavedModel format leaves for files of one's own."""


def write(spec: ExportSpec, path: Path, metadata: Mapping[str, Any]) -> None:
    """Writes a SavedModel folder with its metadata."""
    save(spec, path, metadata["batch"])
    text = json.dumps(metadata, indent=1, ensure_ascii=False)
    (path / METADATA).parent.mkdir()
    (path / METADATA).write_text(text, encoding="utf-8")


def save(spec: ExportSpec, path: Path, batch: int | None) -> None:
    """Writes a SavedModel to a new folder, with the one signature "serving_default"."""
    import tensorflow as tf

    from tfgan2.export.graph import serving_function

    # Not keras.export.ExportArchive: it stores every weight twice.
    module = tf.Module()
    module.kept_variables = [variable.value for variable in spec.network.variables]
    function = serving_function(spec, batch).get_concrete_function()
    tf.saved_model.save(module, str(path), {SIGNATURE: function})


def open_folder(path: Path) -> Model:
    """Opens a SavedModel on the CPU.

    Raises:
        UserError: it has no metadata, or TensorFlow cannot load it.
    """
    try:
        metadata = json.loads((path / METADATA).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UserError(
            f"{path} has no tfgan2 metadata: give a SavedModel from `tfgan2 export`"
        ) from None
    startup.load()
    import tensorflow as tf

    try:
        with tf.device("/CPU:0"):
            model = tf.saved_model.load(str(path))
    except Exception as error:  # TensorFlow has a class of its own for each
        raise UserError(f"{path} cannot be run: {first_line(error)}") from error

    def run(inputs: Inputs) -> dict[str, np.ndarray]:
        with tf.device("/CPU:0"):
            tensors = {name: tf.constant(array) for name, array in inputs.items()}
            # Looked up in `model`, which owns the variables of the signature.
            outputs = model.signatures[SIGNATURE](**tensors)
            return {name: value.numpy() for name, value in outputs.items()}

    return Model(run, metadata)
