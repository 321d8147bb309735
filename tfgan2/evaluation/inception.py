"""Features of Inception v3 (Szegedy et al. 2016, arXiv:1512.00567), of Keras or of 2015.

The Fréchet Inception distance (Heusel et al. 2017, arXiv:1706.08500) is published for the frozen
graph of 2015. Keras has other weights and gets images that are resized without aliasing: its
distances are close to the published ones, but not comparable with them. The inception score
(Salimans et al. 2016, arXiv:1606.03498) is published for the graph's classes without their biases;
here it is of the probabilities that the graph gives, and not comparable, either.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.evaluation.extractor import Extractor
from tfgan2.evaluation.preparing import FORMATS, check_channels, resized, resizing, rgb
from tfgan2.pretrained.hashing import weights_hash

WEIGHTS: str | None = "imagenet"
"""As for `keras.applications.InceptionV3`."""

DIM, BATCH = 2048, 50
_EDGE = 299

_INPUT, _POOLED = "ExpandDims", "pool_3"
_PROBABILITIES, _LOGITS = "softmax", "logits"
_ADVICE = "give the frozen Inception of 2015, classify_image_graph_def.pb"


def make_inception(image_shape: tuple[int, int, int], file: Path | None = None) -> Extractor:
    """Returns the 2,048 averages of the last layer, and probabilities of the ImageNet classes.

    Args:
        image_shape: (height, width, channels). Grey becomes RGB; alpha is ignored.
        file: the frozen graph, `classify_image_graph_def.pb`, or a graph whose tensors have the
            same names, possibly within a scope. Default: Keras' network.

    Raises:
        UserError: the images have 2 channels; the weights cannot be downloaded; or the file is
            missing, holds no graph or lacks the tensors.
    """
    check_channels("Inception", image_shape[2])
    network, protocol = _keras_network() if file is None else _frozen_network(file, image_shape)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((BATCH, *image_shape), tf.uint8)])
    def compute(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
        return network(rgb(images))

    _, probabilities = compute.get_concrete_function().structured_outputs
    name, has_classes = "inception" if file is None else "inception-tf", probabilities is not None
    protocol["input"] = f"uint8 {FORMATS[image_shape[2]]}"
    return Extractor(name, protocol, image_shape, DIM, BATCH, compute, has_classes, is_slow=True)


def _keras_network() -> tuple[Any, dict[str, str]]:
    """The network, from RGB images, 0…255, to features and class probabilities; its protocol."""
    try:
        # Keras announces downloads on stdout, where results are expected.
        with contextlib.redirect_stdout(sys.stderr):
            inception = keras.applications.InceptionV3(weights=WEIGHTS)
    except Exception as error:  # Keras raises a plain Exception without a network
        raise UserError(
            f"the ImageNet weights of Inception cannot be downloaded ({_reason(error)}): choose "
            "the features efficientnet-lite0, or inception-tf:FILE with a local file"
        ) from error
    pooled = inception.get_layer("avg_pool").output
    network = keras.Model(inception.input, [pooled, inception.output])

    def run(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images = resized(images, _EDGE)
        features, probabilities = network(images / 127.5 - 1.0, training=False)
        return features, probabilities

    return run, {
        "features": "inception: Keras' InceptionV3, its global average pooling",
        "weights": weights_hash(network.get_weights()),
        "resize": resizing(_EDGE),
    }


def _frozen_network(path: Path, image_shape: tuple[int, int, int]) -> tuple[Any, dict[str, str]]:
    """As `_keras_network`, of the graph, which resizes images itself and may have no classes."""
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot read '{path}': {reason}; {_ADVICE}") from error
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(content)
    except Exception:  # a type of protobuf without stubs
        graph.Clear()
    names = {node.name for node in graph.node}
    scope = _scope(names)
    if not names:
        raise UserError(f"'{path}' holds no graph: {_ADVICE}")
    if scope is None:
        tensors = f"{_INPUT}:0 and {_POOLED}:0"
        raise UserError(f"the graph in '{path}' has no tensors {tensors}: {_ADVICE}")
    _allow_batches(graph, scope + _INPUT)
    head = next((name for name in (_PROBABILITIES, _LOGITS) if scope + name in names), None)
    outputs = [f"{scope}{name}:0" for name in (_POOLED, head) if name]

    def imported(images: tf.Tensor) -> list[tf.Tensor]:
        return tf.graph_util.import_graph_def(
            graph, {f"{scope}{_INPUT}:0": images}, return_elements=outputs, name=""
        )

    def run(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
        features, *heads = (tf.reshape(each, [BATCH, -1]) for each in pruned(images))
        if not heads:
            return features, None
        return features, tf.nn.softmax(heads[0]) if head == _LOGITS else heads[0]

    shape = (BATCH, *image_shape[:2], 3)
    try:
        pruned = tf.compat.v1.wrap_function(imported, [tf.TensorSpec(shape, tf.float32)])
        run(tf.zeros(shape))
    except (tf.errors.OpError, ValueError, TypeError) as error:
        reason = _reason(error)
        raise UserError(f"the graph in '{path}' does not run ({reason}): {_ADVICE}") from error
    return run, {
        "features": "inception-tf: the frozen graph, pool_3",
        "weights": hashlib.sha256(content).hexdigest()[:16],
        "resize": "the graph's own: bilinear without antialias",
    }


def _reason(error: Exception) -> str:
    """The first line of an error's text, or its type."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _scope(names: set[str]) -> str | None:
    """The prefix of the tensors' names: "", or one that ends with a slash; None without them."""
    for name in sorted(names, key=len):
        scope, _, last = name.rpartition(_POOLED)
        if not last and (not scope or scope.endswith("/")) and scope + _INPUT in names:
            return scope
    return None


def _allow_batches(graph: Any, input_name: str) -> None:
    """Changes a graph for one image in place: reshapes of activations to 1 x … keep the batch."""
    nodes = {node.name: node for node in graph.node}
    activations, count = {input_name}, 0
    while count != len(activations):  # nodes need not follow their inputs
        count = len(activations)
        for node in graph.node:
            if activations.intersection(map(_source, node.input)):
                activations.add(node.name)
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
