"""Narrows the ranges of int8 activations to those with the least mean squared error.

A range from the least to the largest value makes all steps as coarse as its rarest value demands.
What lies outside of a narrower one is clipped, and all else is rounded more finely.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer.qtyping import TFLOperationName
from ai_edge_quantizer.utils import tfl_flatbuffer_utils

from tfgan2.runtime.quiet import quiet

Ranges = Mapping[str, Mapping[str, Any]]
"""The quantizer's: "min" and "max", arrays, of each tensor by name."""

BATCHES = 32
"""Batches of inputs whose activations are looked at."""
SAMPLED = 2048
"""Values of a tensor and a batch."""
_SHARES = np.linspace(0.05, 1, 39)
"""Parts of the whole range that are tried."""
_SQUASHED: dict[TFLOperationName, Callable[[np.ndarray], np.ndarray]] = {
    TFLOperationName.TANH: np.tanh,
    TFLOperationName.LOGISTIC: lambda x: 1 / (1 + np.exp(-x)),
}
"""Operators after which errors of large values no longer count."""


def narrowed(
    model: bytes, batches: Sequence[Mapping[str, np.ndarray]], ranges: Ranges
) -> dict[str, Mapping[str, Any]]:
    """Returns narrower ranges of the activations of a float32 model.

    Args:
        model: the TFLite file.
        batches: inputs by name.
        ranges: those of all values.
    """
    values, after = _activations(model, batches, ranges), _squashing(model)
    return {
        name: _narrowed(found, values[name], after.get(name, _same)) if name in values else found
        for name, found in ranges.items()
    }


def _narrowed(
    found: Mapping[str, Any], values: np.ndarray, after: Callable[[np.ndarray], np.ndarray]
) -> Mapping[str, Any]:
    low, high = min(0.0, float(np.min(found["min"]))), max(0.0, float(np.max(found["max"])))
    exact = after(values)

    def error(share: float) -> float:
        step = max(share * (high - low) / 255, 1e-9)
        zero = np.round(-share * low / step)
        rounded = (np.clip(np.round(values / step) + zero, 0, 255) - zero) * step
        return float(np.mean(np.square(after(rounded) - exact)))

    share = min(_SHARES, key=error)
    return {name: value * np.float32(share) for name, value in found.items()}


def _activations(
    model: bytes, batches: Sequence[Mapping[str, np.ndarray]], names: Ranges
) -> dict[str, np.ndarray]:
    """Returns values of the float32 tensors with these names, shape (N,), drawn at random."""
    draws = np.random.default_rng(0)
    values: dict[str, list[np.ndarray]] = {}
    with quiet():
        interpreter = Interpreter(
            model_content=model, num_threads=1, experimental_preserve_all_tensors=True
        )
        interpreter.allocate_tensors()
        run = interpreter.get_signature_runner()
    tensors = [
        each
        for each in interpreter.get_tensor_details()
        if each["name"] in names and each["dtype"] == np.float32
    ]
    for batch in batches[:BATCHES]:
        run(**batch)
        for each in tensors:
            try:
                found = interpreter.get_tensor(each["index"]).ravel()
            except ValueError:  # fused into another operator: it has no data
                continue
            chosen = draws.integers(0, found.size, min(found.size, SAMPLED))
            values.setdefault(each["name"], []).append(found[chosen])
    return {name: np.concatenate(each) for name, each in values.items()}


def _squashing(model: bytes) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Returns what becomes of the tensors that operators of `_SQUASHED` take."""
    content = tfl_flatbuffer_utils.read_model(model)
    found = {}
    for graph in content.subgraphs:
        for operator in graph.operators:
            code = content.operatorCodes[operator.opcodeIndex].builtinCode
            kind = tfl_flatbuffer_utils.TFL_OP_CODE_TO_NAME.get(code)
            if kind in _SQUASHED:
                taken = graph.tensors[operator.inputs[0]]
                found[tfl_flatbuffer_utils.get_tensor_name(taken)] = _SQUASHED[kind]
    return found


def _same(x: np.ndarray) -> np.ndarray:
    return x
