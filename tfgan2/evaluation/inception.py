"""Features of Inception v3 (Szegedy et al. 2016): of Keras, or the frozen graph of 2015.

The Fréchet Inception distance (Heusel et al. 2017, arXiv:1706.08500) and the Inception score
(Salimans et al. 2016, arXiv:1606.03498) are published for the frozen graph. Keras has other weights
and other resizing: its distances are near those, but not comparable with them.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.errors import UserError
from tfgan2.evaluation.extractor import BatchExtractor, weights_hash

if TYPE_CHECKING:
    import tensorflow as tf

WEIGHTS: str | None = "imagenet"
"""As for `keras.applications.InceptionV3`."""

DIM = 2048
_EDGE = 299
_BATCH = 50
_INPUT, _POOLED = "ExpandDims", "pool_3"
_PROBABILITIES, _LOGITS = "softmax", "logits"


def make_inception(
    image_shape: tuple[int, int, int], *, weights: str | None = None
) -> BatchExtractor:
    """Inception v3 of Keras: 2,048 averages of the last layer, and probabilities of ImageNet.

    Args:
        image_shape: (height, width, channels) of the images. Grey becomes RGB, the alpha of RGBA is
            left out.
        weights: as for `keras.applications.InceptionV3`; default: `WEIGHTS`.

    Raises:
        UserError: the weights cannot be fetched, or images of so many channels have no colour.
    """
    import keras
    import tensorflow as tf

    _check_channels(image_shape)
    try:
        # Keras announces downloads on stdout, where results are expected.
        with contextlib.redirect_stdout(sys.stderr):
            inception = keras.applications.InceptionV3(weights=weights or WEIGHTS)
    except Exception as error:  # Keras raises a plain Exception where there is no network
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"the ImageNet weights of Inception cannot be fetched ({why}): give --features "
            "classifier, or inception-tf:FILE with a file that is there"
        ) from error
    network = keras.Model(
        inception.input, [inception.get_layer("avg_pool").output, inception.output]
    )

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((_BATCH, *image_shape), tf.uint8)])
    def compute(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        resized = tf.image.resize(_rgb(images), (_EDGE, _EDGE), "bilinear", antialias=True)
        features, probabilities = network(resized / 127.5 - 1.0, training=False)
        return features, probabilities

    return BatchExtractor(
        name="inception",
        dim=DIM,
        protocol={
            "features": "inception: Keras' InceptionV3, its global average pooling",
            "weights": weights_hash(network.get_weights()),
            "resize": f"bilinear with antialias to {_EDGE}x{_EDGE}",
            "input": _input(image_shape),
        },
        image_shape=image_shape,
        batch_size=_BATCH,
        compute=compute,
        num_classes=int(network.outputs[1].shape[-1]),
    )


def make_frozen(path: Path, image_shape: tuple[int, int, int]) -> BatchExtractor:
    """The frozen graph of 2015 that published distances were computed with.

    It is the file `classify_image_graph_def.pb`, or one whose tensors have the same names, within a
    scope or not. It is given pixels from 0 to 255 and resizes them itself. That its shapes are for
    one image at a time is mended.

    Args:
        path: of the file.
        image_shape: as for `make_inception`.

    Raises:
        UserError: the file is missing, no graph, or has not the tensors; or the images have no
            colour.
    """
    import tensorflow as tf

    _check_channels(image_shape)
    content = _read(path)
    graph = _parsed(content, path)
    scope = _scope(graph, path)
    _mend_shapes(graph, scope + _INPUT)
    outputs = [f"{scope}{_POOLED}:0"]
    names = {node.name for node in graph.node}
    likely = next((name for name in (_PROBABILITIES, _LOGITS) if scope + name in names), None)
    if likely:
        outputs.append(f"{scope}{likely}:0")

    def imported(images: tf.Tensor) -> list[tf.Tensor]:
        return tf.graph_util.import_graph_def(
            graph, {f"{scope}{_INPUT}:0": images}, return_elements=outputs, name=""
        )

    shape = (_BATCH, *image_shape[:2], 3)
    try:
        pruned = tf.compat.v1.wrap_function(imported, [tf.TensorSpec(shape, tf.float32)])

        @tf.function(
            autograph=False, input_signature=[tf.TensorSpec((_BATCH, *image_shape), tf.uint8)]
        )
        def compute(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
            pooled, *rest = pruned(_rgb(images))
            features = tf.reshape(pooled, [_BATCH, -1])
            if not rest:
                return features, None
            made = tf.reshape(rest[0], [_BATCH, -1])
            return features, tf.nn.softmax(made) if likely == _LOGITS else made

        features, probabilities = compute(np.zeros((_BATCH, *image_shape), np.uint8))
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise UserError(
            f"the graph in {path} does not run ({_first_line(error)}): give the frozen Inception "
            "of 2015, classify_image_graph_def.pb"
        ) from error
    return BatchExtractor(
        name="inception-tf",
        dim=int(features.shape[1]),
        protocol={
            "features": "inception-tf: the frozen graph, pool_3",
            "weights": hashlib.sha256(content).hexdigest()[:16],
            "resize": "the graph's own: bilinear without antialias",
            "input": _input(image_shape),
        },
        image_shape=image_shape,
        batch_size=_BATCH,
        compute=compute,
        num_classes=0 if probabilities is None else int(probabilities.shape[1]),
    )


def _check_channels(image_shape: tuple[int, int, int]) -> None:
    if image_shape[2] not in (1, 3, 4):
        raise UserError(
            f"images with {image_shape[2]} channels cannot be shown to Inception: give --features "
            "pixels or random-conv-112"
        )


def _input(image_shape: tuple[int, int, int]) -> str:
    made = {1: "grey, repeated to RGB", 3: "RGB", 4: "RGBA, alpha left out"}
    return f"uint8 {made[image_shape[2]]}"


def _rgb(images: tf.Tensor) -> tf.Tensor:
    """From uint8 of 1, 3 or 4 channels to float32 of 3, from 0 to 255."""
    import tensorflow as tf

    images = tf.cast(images, tf.float32)
    return tf.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images[..., :3]


# --- the frozen graph ----------------------------------------------------------------------------


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror or error}; give inception-tf:FILE with the "
            "frozen Inception of 2015, classify_image_graph_def.pb"
        ) from error


def _parsed(content: bytes, path: Path) -> Any:
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(content)
    except Exception:  # protobuf's own type of error, which has no stubs
        graph.Clear()
    if not graph.node:
        raise UserError(
            f"{path} holds no graph: give the frozen Inception of 2015, classify_image_graph_def.pb"
        )
    return graph


def _scope(graph: Any, path: Path) -> str:
    """What stands before the names of the tensors, "" or with a slash at its end."""
    names = {node.name for node in graph.node}
    for name in sorted(names, key=len):
        scope, _, last = name.rpartition(_POOLED)
        if not last and (not scope or scope.endswith("/")) and scope + _INPUT in names:
            return scope
    raise UserError(
        f"the graph in {path} has no tensors {_INPUT}:0 and {_POOLED}:0: give the frozen Inception "
        "of 2015, classify_image_graph_def.pb"
    )


def _mend_shapes(graph: Any, given: str) -> None:
    """Has what was written for one image work on a batch.

    Shapes that were noted at the nodes are forgotten: TensorFlow finds them itself. Where something
    that depends on the images is reshaped to 1 x …, it is to batch x … instead.

    Args:
        graph: changed in place.
        given: the name of the node that stands for the images.
    """
    import tensorflow as tf

    nodes = {node.name: node for node in graph.node}
    depending = {given}
    # Nodes need not stand in the order of their inputs.
    before = 0
    while before != len(depending):
        before = len(depending)
        for node in graph.node:
            if any(_source(name) in depending for name in node.input):
                depending.add(node.name)
    for node in graph.node:
        node.attr.pop("_output_shapes", None)
        if node.op != "Reshape" or _source(node.input[0]) not in depending:
            continue
        constant = nodes[_source(node.input[1])]
        if constant.op != "Const":
            continue
        wanted = tf.make_ndarray(constant.attr["value"].tensor)
        if wanted.ndim == 1 and len(wanted) > 1 and wanted[0] == 1:
            mended = np.array([_BATCH, *wanted[1:]], wanted.dtype)
            constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(mended))


def _source(name: str) -> str:
    """The node that an input comes from."""
    return name.removeprefix("^").split(":")[0]


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
