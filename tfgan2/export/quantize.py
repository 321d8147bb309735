"""TFLite models in lower precision, made of float32 ones by ai-edge-quantizer.

TensorFlow's own converter quantizes all or nothing; this one takes a recipe for each operator.
Both reach the same signal-to-noise ratio on a DCGAN, and this one a better one where TFLite has an
operator in float only (pix2pix: 51.6 against 48.4 dB).
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from ai_edge_quantizer import calibrator, quantizer, recipe
from ai_edge_quantizer.qtyping import TFLOperationName
from ai_edge_quantizer.recipe_manager import RecipeManager
from ai_edge_quantizer.utils import qsv_utils, tfl_flatbuffer_utils

from tfgan2.export.saved_model import SIGNATURE
from tfgan2.export.subject import PICTURE_SCOPE

Recipe = list[dict[str, Any]]

_WEIGHTS = (
    TFLOperationName.FULLY_CONNECTED,
    TFLOperationName.CONV_2D,
    TFLOperationName.CONV_2D_TRANSPOSE,
    TFLOperationName.DEPTHWISE_CONV_2D,
)
_ALL = TFLOperationName.ALL_SUPPORTED


def float16(model: bytes) -> bytes:
    """Weights in float16, which the runtime unpacks when it loads the file."""
    return _quantized(model, _float16_recipe(".*", (_ALL,)))


def dynamic(model: bytes) -> bytes:
    """Weights in int8, activations in float32 between layers."""
    return _quantized(model, recipe.dynamic_wi8_afp32())


class Int8:
    """A float32 model with the ranges of its activations, to be made int8 in whole or in part.

    Inputs and output stay as they are, and so do operators that the quantizer does not know.

    Attributes:
        layers: the operators that can be int8, by the Keras layer that they belong to, in the order
            of the graph.
    """

    def __init__(
        self, model: bytes, batches: Iterable[Mapping[str, np.ndarray]], names: Iterable[str]
    ) -> None:
        """
        Args:
            model: float32.
            batches: inputs to find the ranges with, by name.
            names: of the Keras layers.
        """
        self._model = model
        self.layers = _layers(model, set(names))
        manager = RecipeManager()
        manager.load_quantization_recipe(self._recipe())
        # The default follows the ranges by a moving average, which cuts off what is rare: measured
        # on a DCGAN of MNIST, 36.7 dB against 46.3.
        found = calibrator.Calibrator(
            model, num_threads=1, qsv_update_func=qsv_utils.min_max_update
        )
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar cannot be switched off
            found.calibrate({SIGNATURE: [dict(batch) for batch in batches]}, manager)
        self._ranges = found.get_model_qsvs()

    def whole(self, except_for: Sequence[str] = ()) -> bytes:
        """The model in int8, but for some layers: these compute in float, of float16 weights."""
        kept = [scope for layer in except_for for scope in self.layers[layer]]
        return _quantized(self._model, self._recipe(kept), self._ranges)

    def only(self, layer: str) -> bytes:
        """The model in float32, but for one layer in int8."""
        one = {**recipe.static_wi8_ai8()[0], "regex": _any_of(self.layers[layer])}
        return _quantized(self._model, [one], self._ranges)

    def _recipe(self, kept: Sequence[str] = ()) -> Recipe:
        rules = [
            *recipe.static_wi8_ai8(),
            _none(".*", TFLOperationName.INPUT),
            _none(".*", TFLOperationName.OUTPUT),
            _none(PICTURE_SCOPE),
        ]
        if kept:
            some = _any_of(kept)
            rules += [_none(some), *_float16_recipe(some, _WEIGHTS)]
        return rules


def _quantized(model: bytes, rules: Recipe, ranges: Any = None) -> bytes:
    made = quantizer.Quantizer(model, rules).quantize(
        ranges, enable_progress_bar=False, enable_progress_report=False
    )
    return bytes(made.quantized_model)


def _none(scope: str, operation: TFLOperationName = _ALL) -> dict[str, Any]:
    return {
        "regex": scope,
        "operation": operation,
        "algorithm_key": quantizer.AlgorithmName.NO_QUANTIZE,
        "op_config": {},
    }


def _float16_recipe(scope: str, operations: Sequence[TFLOperationName]) -> Recipe:
    manager = RecipeManager()
    for operation in operations:
        manager.add_weight_only_config(
            scope, operation, 16, algorithm_key=quantizer.AlgorithmName.FLOAT_CASTING
        )
    return manager.get_quantization_recipe()


def _any_of(scopes: Sequence[str]) -> str:
    return f"^(?:{'|'.join(re.escape(scope) for scope in scopes)})$"


def _layers(model: bytes, names: set[str]) -> dict[str, list[str]]:
    """The scopes of the operators that can be int8, by layer."""
    content = tfl_flatbuffer_utils.read_model(model)
    manager = RecipeManager()
    manager.load_quantization_recipe(recipe.static_wi8_ai8())
    found: dict[str, list[str]] = {}
    for graph in content.subgraphs:
        for operator in graph.operators:
            code = content.operatorCodes[operator.opcodeIndex].builtinCode
            kind = tfl_flatbuffer_utils.TFL_OP_CODE_TO_NAME.get(code)
            scope = tfl_flatbuffer_utils.get_op_scope(operator, graph.tensors)
            if kind is None or re.search(PICTURE_SCOPE, scope):
                continue
            chosen, _ = manager.get_quantization_configs(kind, scope)
            if chosen != quantizer.AlgorithmName.NO_QUANTIZE:
                found.setdefault(layer_of(scope, kind, names), []).append(scope)
    return found


def layer_of(scope: str, kind: TFLOperationName, names: set[str]) -> str:
    """The Keras layer that an operator belongs to.

    Args:
        scope: the names of what it makes, "model_1/re_lu_1/Relu;model_1/conv2d_1/Add;", those of
            all operators that were fused into it.
        kind: the operator.
        names: of the layers that there are; a scope is a layer's name with a number behind.

    Returns:
        The layer's name, after those of the models that it stands in, "encoder/conv2d"; the
        operator's own where no layer is named.
    """
    paths = []
    for part in scope.strip(";").split(";"):
        known = [re.sub(r"_\d+$", "", step) for step in part.split("/")[1:-1]]
        path = "/".join(step for step in known if step in names)
        if path:
            paths.append(path)
    if kind in _WEIGHTS:
        # What follows is fused into it: of several the one that has the weights.
        paths = [path for path in paths if re.search("conv|dense", path)] or paths
    return paths[-1] if paths else kind.value.lower()
