"""What a graph computes and moves: products by their shapes, bytes by the tensors of every op.

`tf.compat.v1.profiler` has formulae, too, but neither follows calls of functions nor leaves out
what is pruned before a graph runs, and takes what it does not know for free.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from tfgan2.errors import UserError

# Where a convolution has its kernel, and what is as large as its output. Forward or backward, each
# place of that meets the whole kernel.
_INPUT, _OUTPUT = "inputs", "outputs"
_FORWARD = ((_INPUT, 1), (_OUTPUT, 0))
_TO_INPUT = ((_INPUT, 1), (_INPUT, 2))
_TO_KERNEL = ((_OUTPUT, 0), (_INPUT, 2))
_CONVOLUTIONS = {
    "Conv2D": _FORWARD,
    "Conv2DBackpropInput": _TO_INPUT,
    "Conv2DBackpropFilter": _TO_KERNEL,
    "DepthwiseConv2dNative": _FORWARD,
    "DepthwiseConv2dNativeBackpropInput": _TO_INPUT,
    "DepthwiseConv2dNativeBackpropFilter": _TO_KERNEL,
    "Conv3D": _FORWARD,
    "Conv3DBackpropInputV2": _TO_INPUT,
    "Conv3DBackpropFilterV2": _TO_KERNEL,
}
_PRODUCTS = re.compile("MatMul|Conv[0-9]|Einsum|LSTM|GRU|XlaDot|XlaConv")
_CALLS = {
    "PartitionedCall": ("f",),
    "StatefulPartitionedCall": ("f",),
    "If": ("then_branch", "else_branch"),
    "StatelessIf": ("then_branch", "else_branch"),
    "Case": ("branches",),
    "StatelessCase": ("branches",),
}
_LOOPS = ("While", "StatelessWhile", "For", "Map", "Scan", "ParallelFor")
# They name a tensor, or look at its shape, and move nothing.
_FREE = (
    *("Const", "Placeholder", "PlaceholderWithDefault", "VarHandleOp", "ReadVariableOp", "NoOp"),
    *("Identity", "IdentityN", "StopGradient", "PreventGradient", "Reshape", "Squeeze"),
    *("ExpandDims", "Shape", "ShapeN", "Size", "Rank", "BroadcastArgs", "BroadcastGradientArgs"),
    "Assert",
)


@dataclass(frozen=True)
class Work:
    """What one call of a graph does, as it is written: nothing fused, nothing rewritten.

    Products are matrix products and convolutions, of which alone FLOPs are counted: two for each
    multiplication and addition, those with a border's zeros included. All other ops are counted by
    the bytes that they read and write, which is what they take time for.

    Attributes:
        flops: of products, by the name of their dtype.
        by_op: the same FLOPs, by the type of the op.
        products: how many there are.
        product_bytes: what they read and write.
        others: how many other ops there are that make or assign floating values.
        other_bytes: what these read and write.
        written_bytes: what all ops write, products included.
        unsized: ops whose sizes the graph does not tell, and whose bytes are left out.
    """

    flops: Mapping[str, float] = field(default_factory=dict)
    by_op: Mapping[str, float] = field(default_factory=dict)
    products: float = 0
    product_bytes: float = 0
    others: float = 0
    other_bytes: float = 0
    written_bytes: float = 0
    unsized: float = 0

    @property
    def total_flops(self) -> float:
        """Of all dtypes."""
        return sum(self.flops.values())

    def __add__(self, other: Work) -> Work:
        return Work(*map(_added, self._values(), other._values()))

    def __mul__(self, factor: float) -> Work:
        return Work(*(_scaled(value, factor) for value in self._values()))

    def _values(self) -> list[Any]:
        return [getattr(self, name) for name in self.__dataclass_fields__]


def _added(one: Any, other: Any) -> Any:
    if not isinstance(one, Mapping):
        return one + other
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


def _scaled(value: Any, factor: float) -> Any:
    if not isinstance(value, Mapping):
        return value * factor
    return {key: part * factor for key, part in value.items()}


def count(function: Any) -> Work:
    """What one call of a function does.

    Args:
        function: a concrete function of TensorFlow, traced with static shapes.

    Raises:
        UserError: a loop, whose length a graph does not tell, or a product that cannot be counted.
    """
    graph = function.graph
    return _count(graph, graph.outputs)


def _count(graph: Any, wanted: Sequence[tf.Tensor]) -> Work:
    work = Work()
    for op, used in _needed(graph, wanted):
        if op.type in _CALLS:
            # Of several branches the dearest.
            parts = [
                _count(inner, [inner.outputs[index] for index in used]) for inner in _functions(op)
            ]
            work += max(parts, key=lambda part: (part.total_flops, part.written_bytes))
        elif op.type in _LOOPS:
            raise UserError(
                f"the graph holds a loop, {op.name}, and does not tell its length: to be counted, "
                "write it as a loop of Python"
            )
        elif op.type not in _FREE:
            work += _work(op)
    return work


def _needed(graph: Any, wanted: Sequence[tf.Tensor]) -> Iterator[tuple[Any, list[int]]]:
    """The ops that run: what the outputs and the side effects need; and which outputs are used.

    Backward passes are traced with gradients that no one asks for, such as that of the first
    layer's input. TensorFlow leaves them out, and so must who counts.
    """
    waiting = [*(tensor.op for tensor in wanted), *graph.control_outputs]
    used: dict[Any, set[int]] = {op: set() for op in waiting}
    for tensor in wanted:
        used[tensor.op].add(tensor.value_index)
    seen = set(waiting)
    while waiting:
        op = waiting.pop()
        for tensor in op.inputs:
            used.setdefault(tensor.op, set()).add(tensor.value_index)
        for source in {*(tensor.op for tensor in op.inputs), *op.control_inputs} - seen:
            seen.add(source)
            waiting.append(source)
    return ((op, sorted(used.get(op, ()))) for op in seen)


def _functions(op: Any) -> list[Any]:
    """The graphs that an op may run."""
    named: list[Any] = []
    for attribute in _CALLS[op.type]:
        value = op.get_attr(attribute)
        named += value if isinstance(value, list) else [value]
    return [op.graph._get_function(item.name).graph for item in named]


def _work(op: Any) -> Work:
    flops = _flops(op)
    sizes = {side: [_bytes(tensor) for tensor in getattr(op, side)] for side in (_INPUT, _OUTPUT)}
    unsized = any(size is None for side in sizes.values() for size in side)
    read, written = (sum(size or 0 for size in sizes[side]) for side in (_INPUT, _OUTPUT))
    if not op.outputs:  # an assignment: what comes in is written
        written = read
    if flops is not None:
        return Work(
            flops={op.outputs[0].dtype.name: flops},
            by_op={op.type: flops},
            products=1,
            product_bytes=read + written,
            written_bytes=written,
            unsized=int(unsized),
        )
    makes = op.outputs or op.inputs
    return Work(
        # Whole numbers, such as shapes, are computed beside a GPU.
        others=int(any(tensor.dtype.is_floating for tensor in makes)),
        other_bytes=read + written,
        written_bytes=written,
        unsized=int(unsized),
    )


def _bytes(tensor: tf.Tensor) -> int | None:
    if tensor.dtype in (tf.resource, tf.variant, tf.string):
        return 0
    elements = tensor.shape.num_elements()
    return None if elements is None else elements * tensor.dtype.size


def _flops(op: Any) -> int | None:
    """Of a product; None where the op is none."""
    if op.type in _CONVOLUTIONS:
        (side, index), (made_side, made_index) = _CONVOLUTIONS[op.type]
        kernel, made = getattr(op, side)[index], getattr(op, made_side)[made_index]
        last = op.get_attr("data_format").decode().endswith("C")
        shape = _shape(op, made)
        positions = math.prod(shape) // shape[-1 if last else 1]
        return 2 * positions * math.prod(_shape(op, kernel))
    if op.type == "MatMul":
        length = _shape(op, op.inputs[0])[0 if op.get_attr("transpose_a") else 1]
        return 2 * length * math.prod(_shape(op, op.outputs[0]))
    if op.type in ("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"):
        length = _shape(op, op.inputs[0])[-2 if op.get_attr("adj_x") else -1]
        return 2 * length * math.prod(_shape(op, op.outputs[0]))
    if op.type == "Einsum":
        return _einsum_flops(op)
    if _PRODUCTS.search(op.type):
        raise UserError(f"it is not known how to count {op.type}, {op.name} in the graph")
    return None


def _einsum_flops(op: Any) -> int | None:
    operands = op.get_attr("equation").decode().partition("->")[0].split(",")
    if len(operands) == 1:  # a transposition or a sum
        return None
    if any("." in operand for operand in operands):
        raise UserError(f"it is not known how to count an Einsum with ..., {op.name} in the graph")
    sizes: dict[str, int] = {}
    for operand, tensor in zip(operands, op.inputs, strict=True):
        sizes.update(zip(operand, _shape(op, tensor), strict=True))
    return 2 * math.prod(sizes.values())


def _shape(op: Any, tensor: tf.Tensor) -> list[int]:
    if not tensor.shape.is_fully_defined():
        raise UserError(
            f"the graph does not tell the sizes of {op.type}, {op.name}: {tensor.shape}; to be "
            "counted, it must be traced with a fixed batch"
        )
    return tensor.shape.as_list()
