"""The SavedModel: weights and one serving signature, nothing that only training needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfgan2.export.subject import Subject

SIGNATURE = "serving_default"


def write(subject: Subject, path: Path, batch: int | None) -> None:
    """Writes a SavedModel with one signature, "serving_default".

    Args:
        subject: what to write.
        path: a folder that does not exist.
        batch: a fixed batch size, or None.
    """
    # Not keras.export.ExportArchive: it stores every weight twice.
    module = tf.Module()
    module.variables_kept = [variable.value for variable in subject.generator.variables]
    function = tf.function(
        subject.function(), input_signature=subject.signature(batch), autograph=False
    )
    tf.saved_model.save(module, str(path), {SIGNATURE: function.get_concrete_function()})


class SavedModel:
    """A SavedModel on the CPU: input arrays by name in, output arrays by name out."""

    def __init__(self, path: Path) -> None:
        with tf.device("/CPU:0"):
            self.model = tf.saved_model.load(str(path))  # kept: it owns the signature's variables
        self.signature = self.model.signatures[SIGNATURE]

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        with tf.device("/CPU:0"):
            tensors = {name: tf.constant(array) for name, array in inputs.items()}
            return {name: value.numpy() for name, value in self.signature(**tensors).items()}
