"""Counts what a graph computes and moves: FLOPs by shapes, bytes by the tensors of every op.

`tf.compat.v1.profiler` has formulas too, but it does not follow function calls, counts ops that are
pruned before a graph runs, and takes unknown ops for free.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import tensorflow as tf

from tfgan2.errors import UserError

# Of each convolution the kernel, and the tensor whose every position meets the whole kernel.
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
_MATRIX_OPS = re.compile("MatMul|Conv[0-9]|Einsum|LSTM|GRU|XlaDot|XlaConv")
_CALLS = {
    **dict.fromkeys(("PartitionedCall", "StatefulPartitionedCall"), ("f",)),
    **dict.fromkeys(("If", "StatelessIf"), ("then_branch", "else_branch")),
    **dict.fromkeys(("Case", "StatelessCase"), ("branches",)),
}
_LOOPS = ("While", "StatelessWhile", "For", "Map", "Scan", "ParallelFor")
# These name a tensor or read its shape, and move nothing.
_FREE = (
    *("Const", "Placeholder", "PlaceholderWithDefault", "VarHandleOp", "ReadVariableOp", "NoOp"),
    *("Identity", "IdentityN", "StopGradient", "PreventGradient", "Reshape", "Squeeze"),
    *("ExpandDims", "Shape", "ShapeN", "Size", "Rank", "BroadcastArgs", "BroadcastGradientArgs"),
    "Assert",
)


@dataclass(frozen=True)
class Work:
    """What one call of a graph does as it is written, before anything is fused or rewritten.

    FLOPs are those of matrix multiplications and convolutions: two for each multiplication with its
    addition, including those with zeros of a border. Other ops count with the bytes they move.

    Attributes:
        flops_by_op: FLOPs by the type of the op.
        flops_by_dtype: the same FLOPs by dtype.
        matrix_ops: number of matrix multiplications and convolutions.
        moved_bytes: bytes that all ops read and write.
        written_bytes: bytes that all ops write.
        unsized_ops: ops of unknown size, whose bytes are left out.
        gradient_bytes: size of the gradients that optimizers apply; only counted of models.
        updates: number of times that optimizers apply gradients; likewise.
    """

    flops_by_op: Mapping[str, float] = field(default_factory=dict)
    flops_by_dtype: Mapping[str, float] = field(default_factory=dict)
    matrix_ops: float = 0
    moved_bytes: float = 0
    written_bytes: float = 0
    unsized_ops: float = 0
    gradient_bytes: float = 0
    updates: float = 0

    @property
    def flops(self) -> float:
        """FLOPs of all ops."""
        return sum(self.flops_by_op.values())

    @classmethod
    def total(cls, parts: Iterable[tuple[Work, float]]) -> Work:
        """Returns the sum of works, each times its weight."""
        totals: dict[str, Any] = {}
        for work, weight in parts:
            for item in fields(cls):
                value = getattr(work, item.name)
                if isinstance(value, Mapping):
                    counter = totals.setdefault(item.name, Counter())
                    counter.update({key: number * weight for key, number in value.items()})
                else:
                    totals[item.name] = totals.get(item.name, 0) + value * weight
        return cls(**totals)


def count(function: Any) -> Work:
    """Counts what one call of a function does.

    Args:
        function: a concrete function, traced with static shapes.

    Raises:
        UserError: the graph holds a loop, whose length it does not show, or an op that cannot be
            counted.
    """
    return _count(function.graph, function.graph.outputs)


def _count(graph: Any, outputs: Sequence[tf.Tensor]) -> Work:
    works = []
    for op, used in _executed(graph, outputs):
        if op.type in _CALLS:
            branches = [
                _count(inner, [inner.outputs[index] for index in used]) for inner in _functions(op)
            ]
            works.append(max(branches, key=lambda branch: (branch.flops, branch.written_bytes)))
        elif op.type in _LOOPS:
            raise UserError(
                f"the length of the loop {op.name} is unknown in the graph: write it as a Python "
                "loop to count it"
            )
        elif op.type not in _FREE:
            works.append(_work(op))
    return Work.total((work, 1) for work in works)


def _executed(graph: Any, outputs: Sequence[tf.Tensor]) -> Iterator[tuple[Any, list[int]]]:
    """Yields the ops that outputs and side effects need, with the indices of their used outputs.

    Backward passes are traced with gradients that nothing uses, such as that of the first layer's
    input. TensorFlow prunes them.
    """
    waiting = [*(tensor.op for tensor in outputs), *graph.control_outputs]
    used: dict[Any, set[int]] = {op: set() for op in waiting}
    for tensor in outputs:
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
    """Returns the graphs that an op may call."""
    names: list[Any] = []
    for attribute in _CALLS[op.type]:
        value = op.get_attr(attribute)
        names += value if isinstance(value, list) else [value]
    return [op.graph._get_function(item.name).graph for item in names]


def _work(op: Any) -> Work:
    flops = _flops(op)
    sizes = {side: [_bytes(tensor) for tensor in getattr(op, side)] for side in (_INPUT, _OUTPUT)}
    read, written = (sum(size or 0 for size in sizes[side]) for side in (_INPUT, _OUTPUT))
    return Work(
        flops_by_op={} if flops is None else {op.type: flops},
        flops_by_dtype={} if flops is None else {op.outputs[0].dtype.name: flops},
        matrix_ops=int(flops is not None),
        moved_bytes=read + (written if op.outputs else read),
        written_bytes=written if op.outputs else read,  # an assignment writes its input
        unsized_ops=int(any(size is None for side in sizes.values() for size in side)),
    )


def _bytes(tensor: tf.Tensor) -> int | None:
    if tensor.dtype in (tf.resource, tf.variant, tf.string):
        return 0
    elements = tensor.shape.num_elements()
    return None if elements is None else elements * tensor.dtype.size


def _flops(op: Any) -> int | None:
    """Returns the FLOPs of a matrix multiplication or convolution, None for any other op."""
    if op.type in _CONVOLUTIONS:
        kernel, output = (getattr(op, side)[index] for side, index in _CONVOLUTIONS[op.type])
        last = op.get_attr("data_format").decode().endswith("C")
        shape = _shape(op, output)
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
    if _MATRIX_OPS.search(op.type):
        raise UserError(f"ops of type {op.type} cannot be counted: {op.name}")
    return None


def _einsum_flops(op: Any) -> int | None:
    operands = op.get_attr("equation").decode().partition("->")[0].split(",")
    if len(operands) == 1:  # a transposition or a sum
        return None
    if any("." in operand for operand in operands):
        raise UserError(f"an Einsum with ... cannot be counted: {op.name}")
    sizes: dict[str, int] = {}
    for operand, tensor in zip(operands, op.inputs, strict=True):
        sizes.update(zip(operand, _shape(op, tensor), strict=True))
    return 2 * math.prod(sizes.values())


def _shape(op: Any, tensor: tf.Tensor) -> list[int]:
    if not tensor.shape.is_fully_defined():
        raise UserError(
            f"{op.type} {op.name} has an unknown shape {tensor.shape}: trace the function with a "
            "fixed batch size to count it"
        )
    return tensor.shape.as_list()
