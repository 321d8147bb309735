"""SavedModel: the weights, one signature and Keras' endpoints, nothing that only training needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfgan2 import startup
from tfgan2.errors import UserError
from tfgan2.export.spec import ExportSpec
from tfgan2.files import plain
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
    """Writes a SavedModel to a new folder.

    Its signature "serving_default" takes one tensor for each input. Its functions `serve` and
    `serving_default` are for `keras.layers.TFSMLayer`, whose calls have one argument: a dict of the
    inputs by name, a list of them, or the only input as it is. Like those of `Model.export`, the
    first returns the output and the second a dict.
    """
    import tensorflow as tf

    from tfgan2.export.graph import serving_function

    # Not keras.export.ExportArchive: it stores every weight twice.
    module = tf.Module()
    module.kept_variables = [variable.value for variable in spec.network.variables]
    function = serving_function(spec, batch)
    signature = function.get_concrete_function()
    specs = list(function.input_signature)
    names = [item.name for item in specs]

    def by_name(inputs: Any) -> dict[str, tf.Tensor]:
        if not isinstance(inputs, dict):
            inputs = dict(zip(names, tf.nest.flatten(inputs), strict=True))
        return signature(**inputs)

    def output(inputs: Any) -> tf.Tensor:
        return by_name(inputs)[spec.output_name]

    for name, call in (("serve", output), (SIGNATURE, by_name)):
        endpoint = tf.function(call, autograph=False)
        for structure in (dict(zip(names, specs, strict=True)), specs, *specs[: len(specs) == 1]):
            endpoint.get_concrete_function(structure)
        setattr(module, name, endpoint)
    with plain(path.parent) as folder:
        tf.saved_model.save(module, str(folder / path.name), {SIGNATURE: signature})


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
        with tf.device("/CPU:0"), plain(path) as folder:
            model = tf.saved_model.load(str(folder))
    except Exception as error:  # TensorFlow has a class of its own for each
        raise UserError(f"{path} cannot be run: {first_line(error)}") from error

    def run(inputs: Inputs) -> dict[str, np.ndarray]:
        with tf.device("/CPU:0"):
            tensors = {name: tf.constant(array) for name, array in inputs.items()}
            # Looked up in `model`, which owns the variables of the signature.
            outputs = model.signatures[SIGNATURE](**tensors)
            return {name: value.numpy() for name, value in outputs.items()}

    return Model(run, metadata)
