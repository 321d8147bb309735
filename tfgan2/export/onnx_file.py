"""ONNX: traced and converted by tf2onnx."""

from __future__ import annotations

import numpy as np
import onnx

from tfgan2.export.graph import serving_function
from tfgan2.export.spec import ExportError, ExportSpec

OPSET = 17  # tf2onnx refuses 19 and later
ATTEMPTS = 10
LEAST_WEIGHTS = 64
"""Smaller tensors stay in float32: the node that unpacks one takes as many bytes."""


def convert(spec: ExportSpec, batch: int | None) -> bytes:
    """Converts a network to ONNX; a batch of None leaves the dimension free, named "batch".

    An ExportError names the operators that ONNX lacks, or says that tf2onnx fails.
    """
    import tf2onnx  # slow to import

    function = serving_function(spec, batch)
    described = spec.describe(batch)
    shapes = {item["name"]: item["shape"] for items in described.values() for item in items}
    # With a free size, tf2onnx 1.17 at times loses the last node, depending on the order of its
    # sets of names, which are others at the next attempt.
    for _ in range(ATTEMPTS):
        model, _ = tf2onnx.convert.from_function(
            function, input_signature=function.input_signature, opset=OPSET
        )
        ranks = _output_ranks(model)
        if all(len(shapes[name]) == rank for name, rank in ranks.items()):
            break
    else:
        raise ExportError(
            "tf2onnx loses the last node of this generator: leave out --format onnx, or fix the "
            "size of its images"
        )
    # tf2onnx only logs what it cannot convert, and leaves TensorFlow's node in the graph.
    nodes = model.graph.node
    foreign = {node.op_type for node in nodes if not onnx.defs.has(node.op_type, node.domain or "")}
    if foreign:
        raise ExportError(
            f"ONNX has no operator for {', '.join(sorted(foreign))}: change the layer, or leave "
            "out --format onnx"
        )
    for tensor in [*model.graph.input, *model.graph.output]:
        _set_shape(tensor, shapes[tensor.name])
    model.graph.name = spec.network.name
    onnx.checker.check_model(model)
    return model.SerializeToString()


def float16(content: bytes) -> bytes:
    """Stores the weights of a model in float16; the runtime unpacks them when it loads the file.

    Weights beyond the range of float16 stay as they are.
    """
    model = onnx.load_model_from_string(content)
    casts = []
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < LEAST_WEIGHTS:
            continue
        with np.errstate(over="ignore"):
            halved = values.astype(np.float16)
        if np.isinf(halved).any():
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(halved, f"{name}_float16"))
        casts.append(
            onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _output_ranks(model: onnx.ModelProto) -> dict[str, int]:
    """Infers the number of dimensions of each output from the graph, where that is possible."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    for tensor in bare.graph.output:
        tensor.type.tensor_type.ClearField("shape")
    return {
        tensor.name: len(tensor.type.tensor_type.shape.dim)
        for tensor in onnx.shape_inference.infer_shapes(bare).graph.output
        if tensor.type.tensor_type.HasField("shape")
    }


def _set_shape(tensor: onnx.ValueInfoProto, shape: list[int | None]) -> None:
    """Replaces what tf2onnx inferred: "unk__78" for the batch, at times for the whole shape."""
    # The size of the output is not that of the input.
    prefix = "out_" if tensor.name == "image" else ""
    names = ["batch", f"{prefix}height", f"{prefix}width"]
    tensor.type.tensor_type.shape.ClearField("dim")
    for axis, size in enumerate(shape):
        dimension = tensor.type.tensor_type.shape.dim.add()
        if size is None:
            dimension.dim_param = names[axis]
        else:
            dimension.dim_value = size
