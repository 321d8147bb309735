"""TFLite: from a SavedModel, built-in operators only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfgan2.export import ExportError
from tfgan2.export.subject import Subject
from tfgan2.runtime.backends import first_line

CALIBRATION_LATENTS = 320


def convert(saved_model: Path, precision: str, subject: Subject, batch: int, seed: int) -> bytes:
    """Converts a SavedModel.

    Args:
        saved_model: its folder; its signature has the batch size `batch`.
        precision: "float32"; "float16": weights in float16; "dynamic": weights in int8, activations
            in float32; "int8": weights and activations in int8, inputs and output in float32.
        subject: draws the latents that calibrate int8.
        batch: the fixed batch size.
        seed: of those latents.

    Returns:
        The TFLite model.

    Raises:
        ExportError: it would need operators that are not built into TFLite; the message names them.
    """
    # from_concrete_functions converts Keras 3 models without an error to files that output NaN.
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = lambda: _calibration(subject, batch, seed)
    try:
        return converter.convert()
    except Exception as error:  # the converter's own class is not public
        operators = missing_operators(str(error))
        if not operators:
            raise ExportError(
                f"TensorFlow cannot convert this generator to TFLite {precision}: "
                f"{first_line(error)}"
            ) from error
        raise ExportError(
            f"TFLite has no built-in operator for {', '.join(operators)}, and no phone runs it "
            "without TensorFlow: change the layer, or export only "
            "--format saved_model --format onnx"
        ) from error


def missing_operators(message: str) -> list[str]:
    """The TensorFlow operators that a converter's error complains about, by name."""
    found: set[str] = set()
    for names in re.findall(r"^TF (?:Select|Custom) ops: (.+)$", message, re.MULTILINE):
        found.update(name.strip() for name in names.split(","))
    found.update(re.findall(r"'tf\.(\w+)' op is neither a custom op nor a flex op", message))
    return sorted(found)


def _calibration(subject: Subject, batch: int, seed: int) -> Iterator[dict[str, Any]]:
    count = -(-CALIBRATION_LATENTS // batch) * batch
    inputs = subject.draw(count, seed)
    for start in range(0, count, batch):
        yield {name: array[start : start + batch] for name, array in inputs.items()}
