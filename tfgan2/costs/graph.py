"""Counts what a graph computes and moves: FLOPs by shapes, bytes by the tensors of every op.

`tf.compat.v1.profiler` has formulas too, but it does not follow function calls, counts ops that are
pruned before a graph runs, and takes unknown ops for free.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import tensorflow as tf

from tfgan2.errors import UserError

_CONVOLUTION = re.compile(
    "(Conv2D|DepthwiseConv2dNative)(Backprop(Input|Filter))?|Conv3D(Backprop(Input|Filter)V2)?"
)
# The attribute that transposes the first matrix.
_TRANSPOSED = {
    "MatMul": "transpose_a",
    **dict.fromkeys(("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), "adj_x"),
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


@dataclass
class Work:
    """Operations and memory traffic of a graph, before anything is fused or rewritten.

    FLOPs are those of matrix multiplications and convolutions: two for each multiplication with its
    addition, including those with zeros of a border. Other ops count with the bytes they move.

    Attributes:
        flops_by: FLOPs by the type of the op and its dtype.
        matrix_ops: number of matrix multiplications and convolutions.
        moved_bytes: bytes that all ops read and write.
        written_bytes: bytes that all ops write.
        unsized_ops: ops of unknown size, whose bytes are left out.
        gradient_bytes: size of the gradients that optimizers apply; only counted of models.
        updates: number of times that optimizers apply gradients; likewise.
    """

    flops_by: Counter[tuple[str, str]] = field(default_factory=Counter)
    matrix_ops: float = 0
    moved_bytes: float = 0
    written_bytes: float = 0
    unsized_ops: float = 0
    gradient_bytes: float = 0
    updates: float = 0

    @property
    def flops(self) -> float:
        """FLOPs of all ops."""
        return sum(self.flops_by.values())

    def add(self, other: Work, weight: float = 1) -> None:
        """Adds other work, times a weight."""
        for name in (item.name for item in fields(self) if item.name != "flops_by"):
            setattr(self, name, getattr(self, name) + getattr(other, name) * weight)
        self.flops_by.update({key: flops * weight for key, flops in other.flops_by.items()})


def count(function: Any) -> Work:
    """Counts what one call of a concrete function does, traced with static shapes.

    Raises:
        UserError: the graph holds a loop, whose length it does not show, or an op that cannot be
            counted.
    """
    return _count(function.graph, function.graph.outputs)


def _count(graph: Any, outputs: Sequence[tf.Tensor]) -> Work:
    """Counts the ops that outputs and side effects need.

    Backward passes are traced with gradients that nothing uses, such as that of the first layer's
    input. TensorFlow prunes them.
    """
    executed = _executed(graph, outputs)
    tensors = [*outputs, *(tensor for op in executed for tensor in op.inputs)]
    used = {(tensor.op, tensor.value_index) for tensor in tensors}
    total = Work()
    for op in executed:
        if op.type in _CALLS:
            branches = []
            for inner in _functions(op):
                parts = [part for index, part in enumerate(inner.outputs) if (op, index) in used]
                branches.append(_count(inner, parts))
            total.add(max(branches, key=lambda branch: (branch.flops, branch.written_bytes)))
        elif op.type in _LOOPS:
            raise UserError(
                f"the length of the loop {op.name} is unknown in the graph: write it as a Python "
                "loop to count it"
            )
        elif op.type not in _FREE:
            total.add(_work(op))
    return total


def _executed(graph: Any, outputs: Sequence[tf.Tensor]) -> set[Any]:
    """Returns the ops that outputs and side effects need."""
    executed: set[Any] = set()
    waiting = [*(tensor.op for tensor in outputs), *graph.control_outputs]
    while waiting:
        op = waiting.pop()
        if op not in executed:
            executed.add(op)
            waiting += [*(tensor.op for tensor in op.inputs), *op.control_inputs]
    return executed


def peak_bytes(function: Any) -> int:
    """Returns the most bytes that the tensors of a concrete function take at one time.

    Its ops run in the order in which they were written, each with memory of its own. The inputs of
    the function and its variables do not count, nor what an op needs besides its outputs.
    """
    return _peak(function.graph, function.graph.outputs)


def _peak(graph: Any, outputs: Sequence[tf.Tensor]) -> int:
    executed = _executed(graph, outputs)
    ops = [op for op in graph.get_operations() if op in executed]
    buffers: dict[Any, Any] = {}  # of a tensor that shares its memory: that of another
    last: dict[Any, int] = {}
    for index, op in enumerate(ops):
        used = [buffers.get(tensor.ref(), tensor.ref()) for tensor in op.inputs]
        last.update(dict.fromkeys(used, index))
        if op.type in _FREE and used:
            buffers.update({tensor.ref(): used[0] for tensor in op.outputs})
    last.update({buffers.get(tensor.ref(), tensor.ref()): len(ops) for tensor in outputs})
    sizes: dict[Any, int] = {}
    now = most = 0
    for index, op in enumerate(ops):
        if op.type not in _FREE:
            made = {tensor.ref(): _bytes(tensor) or 0 for tensor in op.outputs}
            within = sum(made.values())
            if op.type in _CALLS:
                within = max(_peak(inner, inner.outputs) for inner in _functions(op))
            most = max(most, now + within)
            sizes |= {each: size for each, size in made.items() if last.get(each, 0) > index}
            now = sum(sizes.values())
        for each in [each for each in sizes if last[each] <= index]:
            now -= sizes.pop(each)
    return most


def _functions(op: Any) -> list[Any]:
    """Returns the graphs that an op may call."""
    values = (op.get_attr(name) for name in _CALLS[op.type])
    names = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return [op.graph._get_function(item.name).graph for item in names]


def _work(op: Any) -> Work:
    flops = _flops(op)
    inputs, outputs = ([_bytes(tensor) for tensor in side] for side in (op.inputs, op.outputs))
    read, written = (sum(size or 0 for size in side) for side in (inputs, outputs))
    written = written if outputs else read  # an assignment writes its input
    return Work(
        Counter() if flops is None else Counter({(op.type, op.outputs[0].dtype.name): flops}),
        matrix_ops=int(flops is not None),
        moved_bytes=read + written,
        written_bytes=written,
        unsized_ops=int(None in inputs + outputs),
    )


def _bytes(tensor: tf.Tensor) -> int | None:
    if tensor.dtype in (tf.resource, tf.variant, tf.string):
        return 0
    if tensor.op.type == "BroadcastGradientArgs":  # a few axes
        return 0
    elements = tensor.shape.num_elements()
    return None if elements is None else elements * tensor.dtype.size


def _flops(op: Any) -> int | None:
    """Returns the FLOPs of a matrix multiplication or convolution, None for any other op."""
    if _CONVOLUTION.fullmatch(op.type):
        kernel = op.outputs[0] if "BackpropFilter" in op.type else op.inputs[1]
        # Every position of the outputs, or of their gradient, meets the whole kernel.
        shape = _shape(op, op.inputs[2] if "Backprop" in op.type else op.outputs[0])
        last = op.get_attr("data_format").decode().endswith("C")
        positions = math.prod(shape) // shape[-1 if last else 1]
        return 2 * positions * math.prod(_shape(op, kernel))
    if op.type in _TRANSPOSED:
        length = _shape(op, op.inputs[0])[-2 if op.get_attr(_TRANSPOSED[op.type]) else -1]
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
