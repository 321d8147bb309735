"""ONNX: traced and converted by tf2onnx."""

from __future__ import annotations

import onnx
import tensorflow as tf
import tf2onnx

from tfgan2.export import ExportError
from tfgan2.export.subject import Subject

OPSET = 17  # tf2onnx refuses 19 and later
ATTEMPTS = 10


def convert(subject: Subject, batch: int | None) -> bytes:
    """Converts the generator.

    Args:
        subject: what to convert.
        batch: a fixed batch size; None leaves the dimension free, under the name "batch".

    Returns:
        The ONNX model.

    Raises:
        ExportError: ONNX has no operator for something; the message names it.
    """
    signature = subject.signature(batch)
    function = tf.function(subject.function(), input_signature=signature, autograph=False)
    inputs, outputs = subject.describe(batch)
    shapes = {item["name"]: item["shape"] for item in [*inputs, *outputs]}
    # Where sizes are free, tf2onnx 1.17 loses the last node at times, depending on the order of its
    # sets; the names that it gives next time order them otherwise.
    for _ in range(ATTEMPTS):
        model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
        ranks = _output_ranks(model)
        if all(ranks.get(item["name"]) in (None, len(item["shape"])) for item in outputs):
            break
    else:
        raise ExportError(
            "tf2onnx loses the last node of this generator: leave out --format onnx, or fix the "
            "size of its images"
        )
    # tf2onnx logs what it cannot convert, and leaves TensorFlow's node in the graph.
    strange = sorted(
        {
            node.op_type
            for node in model.graph.node
            if not onnx.defs.has(node.op_type, node.domain or "")
        }
    )
    if strange:
        raise ExportError(
            f"ONNX has no operator for {', '.join(strange)}: change the layer, or leave out "
            "--format onnx"
        )
    for tensor in [*model.graph.input, *model.graph.output]:
        _set_shape(tensor, shapes[tensor.name])
    model.graph.name = subject.generator.name
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _output_ranks(model: onnx.ModelProto) -> dict[str, int]:
    """How many dimensions each output has by the graph, as far as that can be told."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    for tensor in bare.graph.output:
        tensor.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(bare)
    return {
        tensor.name: len(tensor.type.tensor_type.shape.dim)
        for tensor in inferred.graph.output
        if tensor.type.tensor_type.HasField("shape")
    }


def _set_shape(tensor: onnx.ValueInfoProto, shape: list[int | None]) -> None:
    """Replaces what tf2onnx inferred: "unk__78" for the batch, at times for the whole shape."""
    tensor.type.tensor_type.shape.ClearField("dim")
    for axis, size in enumerate(shape):
        dimension = tensor.type.tensor_type.shape.dim.add()
        if size is None:
            dimension.dim_param = _name(tensor.name, axis)
        else:
            dimension.dim_value = size


def _name(tensor: str, axis: int) -> str:
    """What a free dimension is called: the batch is one, but an image's size is its own."""
    if not axis:
        return "batch"
    edge = ("height", "width")[axis - 1]
    return f"out_{edge}" if tensor == "image" else edge
