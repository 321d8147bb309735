"""Features of the frozen Inception graph of 2015, with which published distances are computed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from tfgan2.errors import UserError
from tfgan2.evaluation.extractor import Extractor
from tfgan2.evaluation.inception import BATCH, check_channels, input_format, to_rgb

_INPUT, _POOLED = "ExpandDims", "pool_3"
_PROBABILITIES, _LOGITS = "softmax", "logits"
_ADVICE = "give the frozen Inception of 2015, classify_image_graph_def.pb"


def make_frozen_inception(path: Path, image_shape: tuple[int, int, int]) -> Extractor:
    """Returns the features of `pool_3`, and probabilities if the graph has them.

    The graph resizes images itself. It is written for one image at a time and is changed to take
    batches.

    Args:
        path: `classify_image_graph_def.pb`, or a graph whose tensors have the same names, possibly
            within a scope.
        image_shape: as for `make_inception`.

    Raises:
        UserError: the file is missing, holds no graph or lacks the tensors; or the images have 2
            channels.
    """
    import tensorflow as tf

    check_channels(image_shape)
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot read '{path}': {reason}; {_ADVICE}") from error
    graph = _parsed(content, path)
    scope = _scope(graph, path)
    _allow_batches(graph, scope + _INPUT)
    names = {node.name for node in graph.node}
    head = next((name for name in (_PROBABILITIES, _LOGITS) if scope + name in names), None)
    outputs = [f"{scope}{name}:0" for name in (_POOLED, head) if name]

    def imported(images: tf.Tensor) -> list[tf.Tensor]:
        return tf.graph_util.import_graph_def(
            graph, {f"{scope}{_INPUT}:0": images}, return_elements=outputs, name=""
        )

    signature = [tf.TensorSpec((BATCH, *image_shape), tf.uint8)]
    try:
        pruned = tf.compat.v1.wrap_function(
            imported, [tf.TensorSpec((BATCH, *image_shape[:2], 3), tf.float32)]
        )

        @tf.function(autograph=False, input_signature=signature)
        def compute(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
            pooled, *heads = pruned(to_rgb(images))
            features = tf.reshape(pooled, [BATCH, -1])
            if not heads:
                return features, None
            flat = tf.reshape(heads[0], [BATCH, -1])
            return features, tf.nn.softmax(flat) if head == _LOGITS else flat

        features, probabilities = compute(np.zeros((BATCH, *image_shape), np.uint8))
    except (tf.errors.OpError, ValueError, TypeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"the graph in '{path}' does not run ({reason}): {_ADVICE}") from error
    return Extractor(
        name="inception-tf",
        dim=int(features.shape[1]),
        protocol={
            "features": "inception-tf: the frozen graph, pool_3",
            "weights": hashlib.sha256(content).hexdigest()[:16],
            "resize": "the graph's own: bilinear without antialias",
            "input": input_format(image_shape),
        },
        image_shape=image_shape,
        batch_size=BATCH,
        compute=compute,
        num_classes=0 if probabilities is None else int(probabilities.shape[1]),
    )


def _parsed(content: bytes, path: Path) -> Any:
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(content)
    except Exception:  # a type of protobuf without stubs
        graph.Clear()
    if not graph.node:
        raise UserError(f"'{path}' holds no graph: {_ADVICE}")
    return graph


def _scope(graph: Any, path: Path) -> str:
    """The prefix of the tensors' names: "", or one that ends with a slash."""
    names = {node.name for node in graph.node}
    for name in sorted(names, key=len):
        scope, _, last = name.rpartition(_POOLED)
        if not last and (not scope or scope.endswith("/")) and scope + _INPUT in names:
            return scope
    raise UserError(f"the graph in '{path}' has no tensors {_INPUT}:0 and {_POOLED}:0: {_ADVICE}")


def _allow_batches(graph: Any, input_name: str) -> None:
    """Changes a graph for one image in place: reshapes of activations to 1 x … keep the batch."""
    import tensorflow as tf

    nodes = {node.name: node for node in graph.node}
    activations = {input_name}
    count = 0
    while count != len(activations):  # nodes need not follow their inputs
        count = len(activations)
        activations |= {
            node.name
            for node in graph.node
            if any(_source(name) in activations for name in node.input)
        }
    for node in graph.node:
        node.attr.pop("_output_shapes", None)  # TensorFlow infers them again
        if node.op != "Reshape" or _source(node.input[0]) not in activations:
            continue
        constant = nodes[_source(node.input[1])]
        if constant.op != "Const":
            continue
        shape = tf.make_ndarray(constant.attr["value"].tensor)
        if shape.ndim == 1 and len(shape) > 1 and shape[0] == 1:
            batched = np.array([BATCH, *shape[1:]], shape.dtype)
            constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(batched))


def _source(name: str) -> str:
    """The node of an input."""
    return name.removeprefix("^").split(":")[0]
