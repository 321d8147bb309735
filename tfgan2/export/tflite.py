"""TFLite in float32: from a SavedModel, built-in operators only."""

from __future__ import annotations

import re
from pathlib import Path

import tensorflow as tf

from tfgan2.export import ExportError
from tfgan2.runtime.backends import first_line


def convert(saved_model: Path) -> bytes:
    """Converts a SavedModel, whose signature has a fixed batch size.

    Args:
        saved_model: its folder.

    Returns:
        The TFLite model.

    Raises:
        ExportError: it would need operators that are not built into TFLite; the message names them.
    """
    # from_concrete_functions converts Keras 3 models without an error to files that output NaN.
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        return converter.convert()
    except Exception as error:  # the converter's own class is not public
        operators = missing_operators(str(error))
        if not operators:
            raise ExportError(
                f"TensorFlow cannot convert this generator to TFLite: {first_line(error)}"
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
