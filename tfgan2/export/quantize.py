"""Quantizes float32 TFLite models with ai-edge-quantizer.

TensorFlow's own converter quantizes all or nothing; this one takes a recipe for each operator. Both
reach the same signal-to-noise ratio on a DCGAN. This one is better if TFLite has an operator in
float only (pix2pix: 51.6 against 48.4 dB).
"""

from __future__ import annotations

import contextlib
import io
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from ai_edge_quantizer import calibrator, quantizer, recipe
from ai_edge_quantizer.qtyping import TFLOperationName
from ai_edge_quantizer.recipe_manager import RecipeManager
from ai_edge_quantizer.utils import qsv_utils, tfl_flatbuffer_utils

from tfgan2.export.activation_ranges import narrowed
from tfgan2.export.graph import ROUNDING_SCOPE
from tfgan2.export.saved_model import SIGNATURE

_WITH_WEIGHTS = (
    TFLOperationName.FULLY_CONNECTED,
    TFLOperationName.CONV_2D,
    TFLOperationName.CONV_2D_TRANSPOSE,
    TFLOperationName.DEPTHWISE_CONV_2D,
)
_Algorithm = quantizer.AlgorithmName

GOAL = 35.0
"""Decibels. "mixed" keeps layers in float until the images are this close to those of Keras."""


def float16(model: bytes) -> bytes:
    """Stores the weights in float16; the runtime unpacks them when it loads the file."""
    rules = RecipeManager()
    _keep_weights_in_float16(rules, ".*", TFLOperationName.ALL_SUPPORTED)
    return _quantized(model, rules)


def dynamic(model: bytes) -> bytes:
    """Stores the weights in int8; activations are float32 between layers."""
    return _quantized(model, _rules(recipe.dynamic_wi8_afp32()))


class Int8:
    """Makes a float32 model int8, as a whole or in part.

    Inputs and output stay float32, and so do operators that the quantizer does not know. `layers`
    holds the scopes of the operators that can be int8, by Keras layer, in the order of the graph.
    """

    def __init__(
        self,
        model: bytes,
        batches: list[dict[str, np.ndarray]],
        names: Iterable[str],
        score: Callable[[bytes], float],
    ) -> None:
        """Finds the ranges of all activations from batches of inputs by name.

        They hold all values, or are narrower if `score`, the decibels of a model's images to those
        of Keras, is then higher.
        """
        self._model = model
        self.layers = _layers(model, _int8_rules(), set(names))
        # The default is a moving average, which cuts off rare values: 36.7 dB against 46.3 on a
        # DCGAN of MNIST.
        ranges = calibrator.Calibrator(
            model, num_threads=1, qsv_update_func=qsv_utils.min_max_update
        )
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar cannot be switched off
            ranges.calibrate({SIGNATURE: batches}, _int8_rules())
        every = self._ranges = ranges.get_model_qsvs()
        of_all = score(self.whole())
        self._ranges = narrowed(model, batches, every)
        if score(self.whole()) < of_all:
            self._ranges = every

    def whole(self, except_for: Sequence[str] = ()) -> bytes:
        """Returns the model in int8, except for layers in float, whose weights are float16."""
        kept = [scope for layer in except_for for scope in self.layers[layer]]
        return _quantized(self._model, _int8_rules(kept), self._ranges)

    def only(self, layer: str) -> bytes:
        """Returns the model in float32, except for one layer in int8."""
        one = {**recipe.static_wi8_ai8()[0], "regex": _any_of(self.layers[layer])}
        return _quantized(self._model, _rules([one]), self._ranges)


def mixed(model: Int8, score: Callable[[bytes], float]) -> tuple[bytes, list[str]]:
    """Makes a model int8, except for the layers that cause the error.

    Each layer alone is made int8 first, which shows its error. Then the worst are kept in float, as
    few as reach `GOAL`. At last each of these is made int8 again, the mildest first, if the goal is
    still reached without it. `score` returns the decibels of a model's images to those of Keras.

    Returns the model, and the layers in float in the order of the graph; none if int8 will do.
    """
    best = model.whole()
    if score(best) >= GOAL:
        return best, []
    ranked = sorted(model.layers, key=lambda layer: score(model.only(layer)))
    # By bisection: apart from chance, more layers in float are no worse.
    count = 1 + bisect_left(
        range(1, len(ranked)), True, key=lambda number: score(model.whole(ranked[:number])) >= GOAL
    )
    kept = ranked[:count]
    best = model.whole(kept)
    for layer in reversed(kept.copy()):
        fewer = [other for other in kept if other != layer]
        candidate = model.whole(fewer)
        if score(candidate) >= GOAL:
            kept, best = fewer, candidate
    return best, [layer for layer in model.layers if layer in kept]


def _quantized(model: bytes, rules: RecipeManager, ranges: Any = None) -> bytes:
    result = quantizer.Quantizer(model, rules.get_quantization_recipe()).quantize(
        ranges, enable_progress_bar=False, enable_progress_report=False
    )
    return bytes(result.quantized_model)


def _rules(content: Any) -> RecipeManager:
    manager = RecipeManager()
    manager.load_quantization_recipe(content)
    return manager


def _int8_rules(kept: Sequence[str] = ()) -> RecipeManager:
    """The rules for a whole model, except for scopes that are kept in float."""
    rules = _rules(recipe.static_wi8_ai8())
    keep = partial(rules.add_quantization_config, algorithm_key=_Algorithm.NO_QUANTIZE)
    keep(".*", TFLOperationName.INPUT)
    keep(".*", TFLOperationName.OUTPUT)
    keep(ROUNDING_SCOPE, TFLOperationName.ALL_SUPPORTED)
    if kept:
        keep(_any_of(kept), TFLOperationName.ALL_SUPPORTED)
        _keep_weights_in_float16(rules, _any_of(kept), *_WITH_WEIGHTS)
    return rules


def _keep_weights_in_float16(
    rules: RecipeManager, scope: str, *operations: TFLOperationName
) -> None:
    for operation in operations:
        rules.add_weight_only_config(scope, operation, 16, algorithm_key=_Algorithm.FLOAT_CASTING)


def _any_of(scopes: Sequence[str]) -> str:
    return f"^(?:{'|'.join(map(re.escape, scopes))})$"


def _layers(model: bytes, rules: RecipeManager, names: set[str]) -> dict[str, list[str]]:
    """Returns the scopes of the operators that the rules quantize, by Keras layer."""
    content = tfl_flatbuffer_utils.read_model(model)
    found: dict[str, list[str]] = {}
    for graph in content.subgraphs:
        for operator in graph.operators:
            code = content.operatorCodes[operator.opcodeIndex].builtinCode
            kind = tfl_flatbuffer_utils.TFL_OP_CODE_TO_NAME.get(code)
            scope = tfl_flatbuffer_utils.get_op_scope(operator, graph.tensors)
            if kind and rules.get_quantization_configs(kind, scope)[0] != _Algorithm.NO_QUANTIZE:
                found.setdefault(layer_of(scope, kind, names), []).append(scope)
    return found


def layer_of(scope: str, kind: TFLOperationName, names: set[str]) -> str:
    """Returns the Keras layer of an operator after the models around it, "encoder/conv2d".

    A scope has the names of all operators that were fused, "model_1/re_lu_1/Relu;model_1/conv2d_1/
    Add;", in which Keras appends a number to each name of a layer. If it names none, the layer is
    called after the operator.
    """
    paths = []
    for part in scope.strip(";").split(";"):
        steps = [re.sub(r"_\d+$", "", step) for step in part.split("/")[1:-1]]
        if known := [step for step in steps if step in names]:
            paths.append("/".join(known))
    if kind in _WITH_WEIGHTS:
        # Later layers are fused into the one with the weights.
        paths = [path for path in paths if re.search("conv|dense", path)] or paths
    return paths[-1] if paths else kind.value.lower()
