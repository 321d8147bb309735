"""Core ML: a frozen graph converted by coremltools, for apps on iOS 15, macOS 12 or later.

Only macOS runs Core ML. Elsewhere the inputs and the output of the package are compared with those
of the network, and nothing is computed with it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfgan2.export.graph import decibels, serving_function
from tfgan2.export.spec import ExportError, ExportSpec
from tfgan2.runtime.backends import first_line

LEAST_PSNR = 40.0
"""Decibels; Core ML may compute in float16 on a phone's own processors."""
_TYPES = {"FLOAT32": "float32", "INT32": "int32"}


def write(
    spec: ExportSpec, path: Path, metadata: Mapping[str, Any], half: bool, licence: str | None
) -> None:
    """Writes a `.mlpackage` for one sample; an ExportError if the conversion is impossible.

    With `half`, weights and computation are float16. The metadata stand in the package as
    `tfgan2`.
    """
    import coremltools
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    function = serving_function(spec, 1).get_concrete_function()
    precision = coremltools.precision.FLOAT16 if half else coremltools.precision.FLOAT32
    try:
        model = coremltools.convert(
            [convert_variables_to_constants_v2(function)],
            source="tensorflow",
            convert_to="mlprogram",
            compute_precision=precision,
            skip_model_load=True,
        )
    except Exception as error:  # of many kinds
        raise ExportError(f"Core ML cannot hold this network: {first_line(error)}") from error
    description = model.get_spec()
    (output,) = description.description.output
    coremltools.utils.rename_feature(description, output.name, spec.output_name)
    model = coremltools.models.MLModel(
        description, weights_dir=model.weights_dir, skip_model_load=True
    )
    model.user_defined_metadata["tfgan2"] = json.dumps(metadata, ensure_ascii=False)
    model.short_description = f"A generator exported by tfgan2: {spec.output_name}s"
    if licence:
        model.license = licence
    model.save(str(path))


def verify(
    spec: ExportSpec,
    path: Path,
    cases: Sequence[dict[str, np.ndarray]],
    expected: Sequence[np.ndarray],
) -> str:
    """Compares a package with the network as far as this platform can; says how.

    Raises:
        ExportError: other inputs or outputs, or on macOS, outputs that differ from those of Keras.
    """
    import coremltools

    model = coremltools.models.MLModel(str(path), skip_model_load=sys.platform != "darwin")
    described, found = spec.describe(1), model.get_spec().description
    for kind, tensors in (("inputs", found.input), ("outputs", found.output)):
        listed = {item.name: _listed(item.type.multiArrayType) for item in tensors}
        wanted = {item["name"]: (item["dtype"], tuple(item["shape"])) for item in described[kind]}
        if listed != wanted:
            raise ExportError(f"{path.name} was not kept: its {kind} are {listed}, not {wanted}")
    if sys.platform != "darwin":
        return "its inputs and output are right; it was not run, only macOS runs Core ML"
    inputs, outputs = cases[0], []
    for row in range(len(expected[0])):
        sample = {name: array[row : row + 1] for name, array in inputs.items()}
        outputs.append(model.predict(sample)[spec.output_name])
    psnr = decibels(np.concatenate(outputs), expected[0], expected[0].shape)
    if psnr < LEAST_PSNR:
        raise ExportError(f"{path.name} was not kept: {psnr:.1f} dB PSNR to Keras are too few")
    return f"{psnr:.1f} dB PSNR to Keras"


def _listed(array: Any) -> tuple[str, tuple[int, ...]]:
    kind = type(array).ArrayDataType.Name(array.dataType)
    return _TYPES.get(kind, kind), tuple(array.shape)
