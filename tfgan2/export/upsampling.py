"""Nearest-neighbour upsampling as TFLite's own operator.

Keras repeats rows and columns in tensors of five dimensions, which mobile GPU delegates refuse and
XNNPACK does not run. `RESIZE_NEAREST_NEIGHBOR` copies the same pixels.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf


class _Resize(keras.layers.UpSampling2D):
    """UpSampling2D by a resize."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        edges = [
            factor * (tf.shape(inputs)[axis] if inputs.shape[axis] is None else inputs.shape[axis])
            for axis, factor in zip((1, 2), self.size, strict=True)
        ]
        return tf.raw_ops.ResizeNearestNeighbor(images=inputs, size=tf.stack(edges))


@contextlib.contextmanager
def rewritten(network: keras.Model) -> Iterator[None]:
    """Computes the nearest-neighbour upsampling of a network by a resize within the block."""
    layers = [
        layer
        for layer in network._flatten_layers(include_self=False, recursive=True)
        if type(layer) is keras.layers.UpSampling2D
        and layer.interpolation == "nearest"
        and layer.data_format == "channels_last"
    ]
    try:
        for layer in layers:
            layer.__class__ = _Resize
        yield
    finally:
        for layer in layers:
            layer.__class__ = keras.layers.UpSampling2D
