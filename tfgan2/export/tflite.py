"""TFLite with built-in operators only, in each precision."""

from __future__ import annotations

import contextlib
import re
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.export import saved_model, upsampling
from tfgan2.export.graph import decibels, reference
from tfgan2.export.options import Options
from tfgan2.export.spec import CALIBRATED, ExportError, ExportSpec, draw_inputs
from tfgan2.export.subpixel import replaceable, rewritten
from tfgan2.files import plain
from tfgan2.runtime.backends import Model, first_line, open_backend

if TYPE_CHECKING:
    from tfgan2.export.quantize import Int8

SCORED_VALUES = 2**16
"""Values that each step of the search for layers compares."""


class TFLiteModels:
    """Makes the TFLite models of a network; what several precisions need is made once."""

    def __init__(self, spec: ExportSpec, options: Options) -> None:
        self._spec = spec
        self._batch = options.batch or 1
        self._seed = options.seed
        self._float32: dict[bool, bytes] = {}
        self._int8: Int8 | None = None

    def make(self, precision: str, path: Path) -> tuple[bytes, dict[str, Any]]:
        """Returns the model for a file, and more metadata: `float_layers` of "mixed"."""
        # The quantizer knows transposed convolutions, but not depth-to-space.
        model = self._in_float32(path, subpixel=precision in ("float32", "float16"))
        if precision == "float32":
            return model, {}
        from tfgan2.export import quantize  # slow to import

        if precision == "float16":
            return quantize.float16(model), {}
        if precision == "dynamic":
            return quantize.dynamic(model), {}
        if self._int8 is None:
            count = -(-CALIBRATED[self._spec.kind] // self._batch)
            inputs = draw_inputs(self._spec, count * self._batch, self._seed)
            parts = {name: np.split(array, count) for name, array in inputs.items()}
            batches = [{name: parts[name][i] for name in parts} for i in range(count)]
            names = [layer.name for layer in self._spec.network._flatten_layers()]
            self._int8 = quantize.Int8(model, batches, names, self._score)
        if precision == "int8":
            return self._int8.whole(), {}
        model, float_layers = quantize.mixed(self._int8, self._score)
        return model, {"float_layers": float_layers}

    def _in_float32(self, path: Path, *, subpixel: bool) -> bytes:
        """Converts the network, with transposed convolutions rewritten by `subpixel` or not."""
        network = self._spec.network
        subpixel = subpixel and bool(replaceable(network))
        if subpixel not in self._float32:
            source = Path(tempfile.mkdtemp(dir=path.parent), "source")
            with contextlib.ExitStack() as stack:
                stack.enter_context(upsampling.rewritten(network))
                if subpixel:
                    stack.enter_context(rewritten(network))
                saved_model.save(self._spec, source, self._batch)
            with plain(source) as folder:
                model = convert(folder)
            # LiteRT crashes on what the quantizer makes of weights that are not finite.
            output = self._run(model, draw_inputs(self._spec, 1, self._seed), path.name)
            if not np.isfinite(output).all():
                raise ExportError(f"{path.name} was not kept: its values are not finite")
            self._float32[subpixel] = model
        return self._float32[subpixel]

    def _run(
        self, model: bytes, inputs: dict[str, np.ndarray], name: str = "model.tflite"
    ) -> np.ndarray:
        try:
            backend = open_backend(Path(name), model, 1)
        except UserError as error:
            raise ExportError(f"{name} was not kept, it cannot be run: {error}") from error
        output = {"name": self._spec.output_name}
        return Model(backend, {"outputs": [output], "batch": self._batch})(inputs)

    @cached_property
    def _scored(self) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Inputs to score models with, none that verifies, and the output of Keras."""
        size = reference(self._spec, draw_inputs(self._spec, 1, self._seed)).size
        count = int(np.clip(SCORED_VALUES // size, 2, 32))
        inputs = draw_inputs(self._spec, count, self._seed)
        return inputs, reference(self._spec, inputs)

    def _score(self, model: bytes) -> float:
        """Returns the signal-to-noise ratio of a model's output to that of Keras, in decibels."""
        inputs, wanted = self._scored
        output = self._run(model, inputs)
        return decibels(output, wanted, output.shape) if np.isfinite(output).all() else 0.0


def convert(folder: Path) -> bytes:
    """Converts a SavedModel with a fixed batch size to TFLite in float32.

    An ExportError names the operators that are not built into TFLite.
    """
    # from_concrete_functions converts Keras 3 models without an error to files that output NaN.
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
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
            f"TFLite has no built-in operator for {', '.join(operators)}: change the layer, or "
            "export only --format saved_model --format onnx"
        ) from error


def missing_operators(message: str) -> list[str]:
    """Returns the TensorFlow operators that a converter's error names."""
    listed = re.findall(r"^TF (?:Select|Custom) ops: (.+)$", message, re.MULTILINE)
    names = {name.strip() for line in listed for name in line.split(",")}
    names.update(re.findall(r"'tf\.(\w+)' op is neither a custom op nor a flex op", message))
    return sorted(names)
